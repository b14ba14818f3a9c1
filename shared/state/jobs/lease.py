"""A row of the queue, held by a lease: the fence that keeps a worker which lost its job from writing anything more."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import anyio
import structlog

from shared.core.errors import Failure
from shared.core.work import LeaseLost
from shared.state.database import Database, Transaction
from shared.state.jobs import doing

BEAT_S = 0.5
"""How often a lease is renewed, and looked at: so soon a cancelled job stops."""

NOBODY = ""  # a tenant that has no rows: the queue belongs to none

log = structlog.get_logger("jobs")


@dataclass(frozen=True)
class Taken:
    """What a worker holds, for as long as nobody takes it away."""

    database: Database
    tenant: str
    job_id: str
    server: str
    task: str
    attempts: int
    lease: UUID
    lease_s: int

    @property
    def _row(self) -> dict[str, Any]:
        return {"tenant": self.tenant, "id": self.job_id, "held_by": self.lease}

    @asynccontextmanager
    async def writing(self, *, further: bool = False) -> AsyncGenerator[Transaction]:
        """A transaction of the job's tenant, that renews the lease first.

        Args:
            further: This attempt has got further than any before; attempts are counted from here.

        Raises:
            LeaseLost: Nothing is written.
        """
        async with self.database.transaction(self.tenant) as transaction:
            if not await transaction.rows(doing.HOLD, **self._row, lease_s=self.lease_s, further=further):
                raise LeaseLost
            yield transaction

    async def tried(self) -> int:
        """How many attempts there were since one got further, this one included.

        Raises:
            LeaseLost: It is not ours to count any more.
        """
        async with self.database.transaction(self.tenant) as transaction:
            row = await transaction.row(doing.HOLD, **self._row, lease_s=self.lease_s, further=False)
        if row is None:
            raise LeaseLost
        return row["attempts"]

    async def put_back(self, *, after_s: int, uncounted: int) -> None:
        """Let anybody take it again, after a while; quietly, if somebody already has."""
        async with self.database.transaction(self.tenant) as transaction:
            await transaction.rows(doing.PUT_BACK, **self._row, after_s=after_s, uncounted=uncounted)

    async def later(self, transaction: Transaction, task: str, after_s: int) -> None:
        """Turn it into what is to be done then."""
        await transaction.rows(doing.LATER, **self._row, next_task=task, after_s=after_s)

    async def dequeue(self, transaction: Transaction) -> None:
        """There is nothing more to do."""
        await transaction.rows(doing.DEQUEUE, **self._row)

    async def beat(self, over: anyio.Event, lost: anyio.Event, stop: anyio.CancelScope) -> None:
        """Renew the lease until the work is over; it is not cancelled then, which could leave a statement behind.

        What holds the lease no more is stopped, wherever it is, and so is what cannot have renewed it for as long as
        it lasts.
        """
        until = anyio.current_time() + self.lease_s
        while True:
            with anyio.move_on_after(BEAT_S):
                await over.wait()
            if over.is_set():
                return
            try:
                async with self.writing():
                    pass
                until = anyio.current_time() + self.lease_s
            except LeaseLost:
                break
            except Failure as failure:
                log.warning("a lease could not be renewed", job=self.job_id, code=failure.code)
                if anyio.current_time() > until:
                    break
        lost.set()
        stop.cancel()


async def take(database: Database, servers: list[str], lease_s: int) -> Taken | None:
    """The row that is due the longest, of what these servers began; rows that others are taking are passed over."""
    lease = uuid4()
    async with database.transaction(NOBODY) as transaction:
        row = await transaction.row(doing.TAKE, held_by=lease, lease_s=lease_s, servers=servers)
    if row is None:
        return None
    return Taken(database, row["tenant_id"], row["job_id"], row["server"], row["task"], row["attempts"], lease, lease_s)
