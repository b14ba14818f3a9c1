"""How many mails a minute, over all replicas: to any domain, and to one.

Kept as the moment from which the next mail may go (the virtual scheduling of the generic cell rate algorithm, ITU-T
I.371): a row for each domain, moved on by one mail's share of a minute. A second's worth may go at once.
"""

import random
from collections.abc import Iterable

from sqlalchemy import text

from servers.mail.delivering.taking import NOBODY
from shared.core.smtp_settings import Delivery
from shared.state.database import Database, Statement

EVERY = "*"

_MINUTE_S = 60.0
_AT_ONCE_S = 1.0
_MOVE_ON = Statement(
    text("""
    INSERT INTO mail.pace AS p (name, free_at) VALUES (:name, now() + make_interval(secs => :share_s))
    ON CONFLICT (name) DO UPDATE SET free_at = greatest(p.free_at, now()) + make_interval(secs => :share_s)
    WHERE p.free_at <= now() + make_interval(secs => :at_once_s)
    RETURNING free_at
    """)
)
_WAIT = Statement(
    text("""
    SELECT extract(epoch FROM free_at - now())::float8 - CAST(:at_once_s AS float8) AS wait_s
    FROM mail.pace WHERE name = :name
    """)
)


async def paced(database: Database, delivery: Delivery, domains: Iterable[str]) -> dict[str, float]:
    """Take one mail's share of each domain it goes to.

    Returns:
        Empty if it may go; else the domain to which it may not yet, and for how long: then nothing was taken.
    """
    shares = {name: per for name in sorted(set(domains)) if (per := delivery.per_minute_of_domain)}
    if delivery.per_minute:
        shares[EVERY] = delivery.per_minute
    if not shares:
        return {}
    async with database.transaction(NOBODY) as transaction:
        for name, per_minute in sorted(shares.items()):  # in one order, or two would wait for each other
            share_s = _MINUTE_S / per_minute
            at_once_s = max(_AT_ONCE_S - share_s, 0.0)
            if await transaction.row(_MOVE_ON, name=name, share_s=share_s, at_once_s=at_once_s) is None:
                transaction.discard()
                row = await transaction.row(_WAIT, name=name, at_once_s=at_once_s)
                wait_s = max(row["wait_s"] if row else 0.0, 0.01)
                return {name: wait_s + random.uniform(0, share_s)}  # noqa: S311 - spreads, keeps no secret
    return {}
