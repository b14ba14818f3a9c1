"""Rows of the queue, held by leases: whoever lost the lease of a mail writes nothing about it, nor hands it over."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import text

from shared.core.errors import Failure
from shared.state.database import Database, Statement

NOBODY = ""  # a tenant that has no rows: the queue belongs to none

log = structlog.get_logger("mail")

_TAKE = Statement(
    text("""
    WITH due AS (
        SELECT tenant_id, mail_id FROM mail.queue
        WHERE due_at <= now() AND (
            task = 'record' OR since < now() - make_interval(secs => :lifetime_s)
            OR (CAST(:sending AS boolean) AND domain <> ALL (CAST(:resting AS text[]))))
        ORDER BY due_at LIMIT :most FOR UPDATE SKIP LOCKED
    )
    UPDATE mail.queue AS q SET lease = gen_random_uuid(), due_at = now() + make_interval(secs => :lease_s)
    FROM due WHERE q.tenant_id = due.tenant_id AND q.mail_id = due.mail_id
    RETURNING q.tenant_id, q.mail_id, q.task, q.lease,
        q.task = 'send' AND q.since < now() - make_interval(secs => :lifetime_s) AS too_old
    """)
)
_BEAT = Statement(
    text("""
    UPDATE mail.queue SET due_at = now() + make_interval(secs => :lease_s)
    WHERE lease = ANY (CAST(:leases AS uuid[])) RETURNING lease
    """)
)
_PUT_BACK = Statement(
    text("""
    UPDATE mail.queue SET lease = NULL, due_at = now() + make_interval(secs => :after_s)
    WHERE tenant_id = :tenant AND mail_id = :id AND lease = :lease
    """)
)


class LeaseLost(Exception):
    """The mail was cancelled, or the lease ran out and another worker has it."""


@dataclass(slots=True)
class Taken:
    """What a worker holds, for as long as nobody takes it away.

    Attributes:
        task: `send` it, or only `record` what became of it.
        too_old: It is to be given up.
        until: By our own clock; nothing is handed over after it, unless the lease was renewed.
        lost: It could not be renewed.
    """

    tenant: str
    mail_id: str
    task: str
    too_old: bool
    lease: UUID
    until: float
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    lost: bool = False

    @property
    def row(self) -> dict[str, Any]:
        return {"tenant": self.tenant, "id": self.mail_id, "lease": self.lease}

    def require(self) -> None:
        """Raises:
        LeaseLost: Another worker may have it by now.
        """
        if self.lost or self.clock() >= self.until:
            raise LeaseLost


async def take(
    database: Database, most: int, *, sending: bool, resting: Collection[str], lifetime_s: float, lease_s: float
) -> list[Taken]:
    """What is due the longest; rows that others are taking are passed over.

    Args:
        database: Of the process.
        most: How many.
        sending: False: only what needs no relay.
        resting: Domains to which nothing may go just now.
        lifetime_s: Older mails are taken to be given up.
        lease_s: How long they are held.
    """
    began = time.monotonic()  # before the database's own time: our lease ends first
    async with database.transaction(NOBODY) as transaction:
        rows = await transaction.rows(
            _TAKE, most=most, sending=sending, resting=[*resting], lifetime_s=lifetime_s, lease_s=lease_s
        )
    return [
        Taken(row["tenant_id"], row["mail_id"], row["task"], row["too_old"], row["lease"], began + lease_s)
        for row in rows
    ]


async def renew(database: Database, held: Collection[Taken], lease_s: float) -> None:
    """Renew what is held; what is ours no more is marked as lost."""
    if not held:
        return
    began = time.monotonic()
    try:
        async with database.transaction(NOBODY) as transaction:
            rows = await transaction.rows(_BEAT, leases=[taken.lease for taken in held], lease_s=lease_s)
    except Failure as failure:  # each ends by our own clock
        log.warning("leases of mails could not be renewed", code=failure.code)
        return
    renewed = {row["lease"] for row in rows}
    for taken in held:
        if taken.lease in renewed:
            taken.until = began + lease_s
        else:
            taken.lost = True


async def put_back(database: Database, taken: Taken, after_s: float) -> None:
    """Let anybody take it again, after a while; quietly, if somebody already has."""
    async with database.transaction(NOBODY) as transaction:
        await transaction.rows(_PUT_BACK, **taken.row, after_s=after_s)
