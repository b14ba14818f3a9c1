"""The worker that runs exports: one in every replica, any of them for any tenant.

A worker takes the oldest row of the queue that is due and holds it by a lease, which each part it writes renews.
If it dies, the lease runs out and another worker starts over; what the first one wrote is then deleted, and what it
might still write is refused, since its lease is not the row's any more. The rows of one export are read through one
cursor, which is one snapshot.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import anyio
import structlog

from servers.customers import export_queries
from servers.customers.exporting import PART_ROWS, ROWS_MAX
from servers.customers.models import Customer
from shared.core.background import Background
from shared.core.errors import Failure, SuiteError
from shared.state.database import Database, Transaction

LEASE_S = 30
ATTEMPTS_MAX = 3

_POLL_S = 1.0
_BACK_OFF_S = 5.0
_NOBODY = ""  # a tenant that has no rows: the queue belongs to none

log = structlog.get_logger("exports")


class LeaseLost(SuiteError):
    """Another worker has the job now."""


@dataclass(frozen=True)
class Taken:
    """A row of the queue, held by a lease."""

    tenant: str
    job_id: str
    task: str
    attempts: int
    lease: UUID

    @property
    def held(self) -> dict[str, Any]:
        return {"tenant": self.tenant, "id": self.job_id, "held_by": self.lease}


async def work(background: Background) -> None:
    """Run what is due, one job after the other, until cancelled; an outage of the database is waited out."""
    database: Database = background.database
    while True:
        pause_s = _POLL_S
        try:
            if taken := await take(database):
                await run(database, taken)
                pause_s = 0
        except Failure as failure:
            log.warning("exports wait", code=failure.code)
            pause_s = _BACK_OFF_S
        except Exception:  # the boundary: a job that crashes must not take the worker with it
            log.exception("an export crashed")
            pause_s = _BACK_OFF_S
        await anyio.sleep(pause_s)


async def take(database: Database) -> Taken | None:
    """The row that is due the longest, for `LEASE_S` seconds; rows that others are taking are passed over."""
    lease = uuid4()
    async with database.transaction(_NOBODY) as transaction:
        row = await transaction.row(export_queries.TAKE, held_by=lease, lease_s=LEASE_S)
    return Taken(row["tenant_id"], row["job_id"], row["task"], row["attempts"], lease) if row else None


async def run(database: Database, taken: Taken) -> None:
    """Do what the row says.

    Raises:
        Failure: As it came; the job is tried again, at most `ATTEMPTS_MAX` times in all.
    """
    try:
        if taken.task == "forget":
            await _forget(database, taken)
        elif taken.attempts > ATTEMPTS_MAX:
            await _finish(database, taken, error="worker_lost")
        else:
            await _export(database, taken)
    except LeaseLost:
        log.warning("an export was taken over", job=taken.job_id)
    except Exception as error:  # whatever it was, it is tried again, and told by the caller of this
        await _try_again(database, taken, error.code if isinstance(error, Failure) else "internal")
        raise
    except BaseException:  # cancelled, as a replica is when it stops: others need not wait for the lease
        with anyio.move_on_after(2, shield=True), suppress(Failure):
            await _put_back(database, taken, after_s=0, uncounted=1)
        raise


async def _export(database: Database, taken: Taken) -> None:
    async with database.transaction(taken.tenant) as reading:
        reading.discard()
        filters = await _start(database, taken, reading)
        page = export_queries.every_customer(frozenset(filters)).plain
        cursor = await reading.connection.cursor(page.sql, *page.values({**filters, "limit": ROWS_MAX + 1}))
        written = part = 0
        while written < ROWS_MAX and (rows := await cursor.fetch(min(PART_ROWS, ROWS_MAX - written))):
            part += 1
            written += len(rows)
            await _keep(database, taken, part, rows)
        truncated = written == ROWS_MAX and bool(await cursor.fetch(1))
    await _finish(database, taken, truncated=truncated)


async def _start(database: Database, taken: Taken, reading: Transaction) -> dict[str, str]:
    """The filters of the job; parts of an attempt before this one are deleted."""
    job = await reading.row(export_queries.FILTERS, id=taken.job_id)
    if job is None:
        raise LeaseLost  # and whoever took it has finished it
    filters: dict[str, str] = job["filters"]
    [counted] = await reading.rows(export_queries.how_many(frozenset(filters)), **filters, limit=ROWS_MAX)
    async with database.transaction(taken.tenant) as writing:
        await _hold(writing, taken)
        await writing.rows(export_queries.FORGET_PARTS, id=taken.job_id)
        await writing.rows(export_queries.START, id=taken.job_id, expected=counted["found"])
    return filters


async def _keep(database: Database, taken: Taken, part: int, rows: Sequence[Any]) -> None:
    customers = [Customer(**row).model_dump(mode="json") for row in rows]
    async with database.transaction(taken.tenant) as writing:
        await _hold(writing, taken)
        await writing.rows(export_queries.KEEP_PART, id=taken.job_id, new_part=part, new_customers=customers)
        await writing.rows(export_queries.PROGRESS, id=taken.job_id, new_part=part, more=len(rows))


async def _finish(database: Database, taken: Taken, *, truncated: bool = False, error: str | None = None) -> None:
    async with database.transaction(taken.tenant) as writing:
        await _hold(writing, taken)
        if error:
            await writing.rows(export_queries.FORGET_PARTS, id=taken.job_id)
        await writing.rows(
            export_queries.FINISH,
            id=taken.job_id,
            new_state="failed" if error else "done",
            new_truncated=truncated,
            new_error=error,
        )
        await writing.rows(export_queries.FORGET_LATER, **taken.held)


async def _forget(database: Database, taken: Taken) -> None:
    """The time of a finished export is over: its rows go, the job remains as expired."""
    async with database.transaction(taken.tenant) as writing:
        await _hold(writing, taken)
        await writing.rows(export_queries.FORGET_PARTS, id=taken.job_id)
        await writing.rows(export_queries.EXPIRE, id=taken.job_id)
        await writing.rows(export_queries.DEQUEUE, **taken.held)


async def _hold(writing: Transaction, taken: Taken) -> None:
    if not await writing.rows(export_queries.HOLD, **taken.held, lease_s=LEASE_S):
        raise LeaseLost


async def _try_again(database: Database, taken: Taken, code: str) -> None:
    """After a while, unless it was tried often enough. Without a database nothing is done: the lease runs out."""
    with suppress(Failure, LeaseLost):
        if taken.task == "run" and taken.attempts >= ATTEMPTS_MAX:
            await _finish(database, taken, error=code)
        else:
            await _put_back(database, taken, after_s=int(_BACK_OFF_S), uncounted=0)


async def _put_back(database: Database, taken: Taken, *, after_s: int, uncounted: int) -> None:
    async with database.transaction(taken.tenant) as writing:
        await writing.rows(export_queries.PUT_BACK, **taken.held, lease_s=after_s, uncounted=uncounted)
