"""What can be said of mails to those who may ask; whose mails they may see is for the tools to decide."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ARRAY, String, bindparam, func, literal_column, select

from servers.mail.delivering.states import WAITING
from servers.mail.delivering.tables import attempts, mails, recipients, relay
from shared.core.call import Queries
from shared.state.database import Statement

_m, _r, _a = mails.c, recipients.c, attempts.c
_WAITING = [literal_column(f"'{state}'", String) for state in WAITING]

SHOWN = tuple(column for column in mails.columns if column.name not in {"tenant_id", "mime"})

_MAIL = Statement(select(*SHOWN).where(_m.id == bindparam("id")))
_RECIPIENTS = Statement(
    select(*(column for column in recipients.columns if column.name != "tenant_id"))
    .where(_r.mail_id == func.any(bindparam("ids", type_=ARRAY(String))))
    .order_by(_r.mail_id, _r.n)
)
_ATTEMPTS = Statement(
    select(_a.attempt, _a.started_at, _a.ended_at, _a.outcome, _a.code, _a.text, _a.accepted, _a.refused)
    .where(_a.mail_id == bindparam("id"))
    .order_by(_a.attempt)
)
_RELAY = Statement(
    select(
        relay.c.silent_since,
        relay.c.trouble,
        select(func.count()).select_from(mails).where(_m.state.in_(_WAITING)).scalar_subquery().label("waiting"),
    )
)
_WHY = {
    "refused": "nobody listens there",
    "timeout": "it takes too long",
    "tls": "there is no TLS that we trust",
    "login": "it refuses our login",
    "busy": "it says that it takes no mails now",
    "protocol": "it does not speak SMTP as we do",
    "lost": "connections break",
}


async def mail_of(reads: Queries, mail_id: str) -> Mapping[str, Any] | None:
    """One mail, without the bytes of it."""
    return await reads.row(_MAIL, id=mail_id)


async def recipients_of(reads: Queries, mail_ids: Sequence[str]) -> list[Mapping[str, Any]]:
    """Everybody these mails go to, and what became of each."""
    return await reads.rows(_RECIPIENTS, ids=[*mail_ids])


async def attempts_of(reads: Queries, mail_id: str) -> list[Mapping[str, Any]]:
    """Each attempt to hand it over, the oldest first."""
    return await reads.rows(_ATTEMPTS, id=mail_id)


async def relay_waits(reads: Queries) -> str | None:
    """A sentence for people while the relay does not take mails; None while it does."""
    row = await reads.row(_RELAY)
    if row is None or row["silent_since"] is None:
        return None
    since = f"{row['silent_since']:%Y-%m-%d %H:%M:%S} UTC"
    why = _WHY.get(row["trouble"], row["trouble"])
    waiting = row["waiting"]
    wait = "1 mail waits and goes out by itself" if waiting == 1 else f"{waiting} mails wait and go out by themselves"
    return f"The mail relay has not answered since {since} ({why}); {wait}."
