"""What follows from an approval, each at its time: done, told, escalated, expired, forgotten.

A row is held by a lease while somebody is at it; if they die, somebody else takes it. What is done twice then has to
bear it: the ledger does an approved call once, and the others only note what is so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID, uuid4

from shared.state.database import Database

Task = Literal["execute", "expire", "escalate", "erase", "tell_asked", "tell_escalated", "tell_expiring"]

TELLING: tuple[Task, ...] = ("tell_asked", "tell_escalated", "tell_expiring")

TAKE = """
UPDATE suite.approval_queue q
SET lease = $1, due_at = now() + make_interval(secs => $2), attempts = q.attempts + 1
FROM (
    SELECT tenant_id, approval_id, task FROM suite.approval_queue
    WHERE due_at <= now() AND task = ANY($3) AND ($4::text[] IS NULL OR server = ANY($4))
    ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
) AS due
WHERE (q.tenant_id, q.approval_id, q.task) = (due.tenant_id, due.approval_id, due.task)
RETURNING q.tenant_id, q.approval_id, q.server, q.task, q.attempts
"""
DROP = "DELETE FROM suite.approval_queue WHERE (tenant_id, approval_id, task) = ($1, $2, $3) AND lease = $4"
LATER = """
UPDATE suite.approval_queue SET due_at = now() + make_interval(secs => $5), lease = NULL
WHERE (tenant_id, approval_id, task) = ($1, $2, $3) AND lease = $4
"""
ADD = """
INSERT INTO suite.approval_queue (tenant_id, approval_id, server, task, due_at)
VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5)) ON CONFLICT DO NOTHING
"""
ESCALATE = """
UPDATE suite.approvals SET escalated_at = now() WHERE id = $1 AND state = 'pending' AND expires_at > now()
RETURNING true
"""
EXPIRE = """
UPDATE suite.approvals SET state = 'expired', finished_at = now() WHERE id = $1 AND finished_at IS NULL RETURNING true
"""
ERASE = "DELETE FROM suite.approvals WHERE id = $1 AND finished_at IS NOT NULL"


@dataclass(frozen=True)
class Due:
    """A row that is ours for as long as the lease lasts."""

    tenant: str
    approval_id: str
    server: str
    task: Task
    attempts: int
    lease: UUID


@dataclass(frozen=True)
class Queue:
    """Over the pool of whoever serves."""

    database: Database

    async def take(self, tasks: Sequence[Task], lease_s: int, servers: Sequence[str] | None = None) -> Due | None:
        """What is due the longest of these tasks; of these servers' approvals, if that matters."""
        lease = uuid4()
        async with self.database.connection() as connection:
            row = await connection.fetchrow(TAKE, lease, lease_s, [*tasks], [*servers] if servers is not None else None)
        return Due(*row.values(), lease=lease) if row else None

    async def drop(self, due: Due) -> None:
        """There is nothing more to do; quietly, if it is not ours any more."""
        async with self.database.connection() as connection:
            await connection.execute(DROP, due.tenant, due.approval_id, due.task, due.lease)

    async def later(self, due: Due, after_s: float) -> None:
        """Let anybody take it again, then."""
        async with self.database.connection() as connection:
            await connection.execute(LATER, due.tenant, due.approval_id, due.task, due.lease, after_s)

    async def escalate(self, due: Due) -> bool:
        """Note that nobody has decided for long, and have it told again; False if somebody has."""
        async with self.database.transaction(due.tenant) as transaction:
            escalated = bool(await transaction.connection.fetchval(ESCALATE, due.approval_id))
            if escalated:
                await transaction.connection.execute(
                    ADD, due.tenant, due.approval_id, due.server, "tell_escalated", 0.0
                )
        return escalated

    async def expire(self, due: Due, kept_s: float) -> bool:
        """End what is still open, and have it forgotten after a while; False if it had ended."""
        async with self.database.transaction(due.tenant) as transaction:
            expired = bool(await transaction.connection.fetchval(EXPIRE, due.approval_id))
            await transaction.connection.execute(ADD, due.tenant, due.approval_id, due.server, "erase", kept_s)
        return expired

    async def erase(self, due: Due) -> None:
        async with self.database.transaction(due.tenant) as transaction:
            await transaction.connection.execute(ERASE, due.approval_id)
