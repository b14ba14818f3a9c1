"""A small server that counts in the background, ten numbers a part, and what its tests ask of it."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import anyio
from pydantic import Field

from servers.customers.server import server as customers
from shared.core.caller import Caller
from shared.core.jobs import CancelJob, Job, JobId, OneJob
from shared.core.settings import Settings
from shared.core.tool import Answer, Arguments, Call, Risk, WriteArguments
from shared.core.toolset import Toolset
from shared.core.work import Working
from shared.state.database import Database
from shared.state.jobs.book import Book, Owned
from shared.state.jobs.worker import Worker
from tests.generous import EVERYBODY

PART = 10
KEPT_S = 86_400
ISSUER = "https://idp.example"

tools = Toolset()


@dataclass
class Pace:
    """How the counting goes.

    Attributes:
        before: Called before each part.
        made: The first number of each part that was kept, in order.
        restarting: It begins anew each time.
    """

    before: Callable[[Working], Awaitable[None]] | None = None
    made: list[int] = field(default_factory=list[int])
    restarting: bool = False


pace = Pace()


class Count(WriteArguments):
    to: Annotated[int, Field(ge=0)] = 50


class OnePart(Arguments):
    job_id: JobId
    part: str


class Numbers(Answer):
    numbers: list[int]


@tools.write("customers:write", risk=Risk.LOW, inverse="cancel_job")
async def count(call: Call, query: Count) -> Job:
    """Count."""
    return await call.jobs.begin(query)


@tools.read("customers:read", polls=True, deadline_s=30)
async def get_job(call: Call, query: OneJob) -> Job:
    """How far it is."""
    return await call.jobs.find(query.job_id, wait_s=query.wait_s)


@tools.write("customers:write", risk=Risk.LOW)
async def cancel_job(call: Call, query: CancelJob) -> Job:
    """Stop counting."""
    return await call.jobs.cancel(query.job_id)


@tools.resource("numbers://{job_id}/{part}", "customers:read")
async def read_numbers(call: Call, query: OnePart) -> Numbers:
    """What was counted."""
    return Numbers(numbers=list((await call.jobs.part(query.job_id, int(query.part))).rows))


@tools.work("count", parts="numbers://{job_id}/{part}")
async def counting(work: Working, query: Count) -> None:
    if pace.restarting:
        await work.restart()
    if work.checkpoint is None:
        await work.expect(query.to)
    number = work.checkpoint or 0
    while number < query.to:
        if pace.before is not None:
            await pace.before(work)
        rows = [*range(number + 1, min(number + PART, query.to) + 1)]
        await work.keep(rows, rows[-1])
        pace.made.append(rows[0])
        number = rows[-1]


served = replace(customers, tools=tools, workers=(), views=None, policy=EVERYBODY)


@dataclass
class Bench:
    """Jobs over a database of their own, where no worker runs but the test's.

    Attributes:
        told: The notices there were.
    """

    database: Database
    settings: Settings
    told: list[str] = field(default_factory=list[str])

    def jobs(self, subject: str = "ada", tenant: str = "acme", writes: Any = None, issuer: str = ISSUER) -> Owned:
        who = Caller(subject, issuer, "client", tenant, frozenset())
        book = Book(self.database, served.name, served.work, KEPT_S)
        return Owned(book, who, "count", (), writes, _silent, self.told.append)

    async def begin(self, to: int = 50, subject: str = "ada", tenant: str = "acme") -> str:
        async with self.database.transaction(tenant) as transaction:
            return (await self.jobs(subject, tenant, transaction).begin(Count(to=to))).job_id

    async def cancel(self, job_id: str, subject: str = "ada", tenant: str = "acme") -> Job:
        async with self.database.transaction(tenant) as transaction:
            return await self.jobs(subject, tenant, transaction).cancel(job_id)

    async def find(self, job_id: str) -> Job:
        return await self.jobs().find(job_id)

    async def numbers(self, job_id: str) -> list[int]:
        """All that was counted."""
        parts = len((await self.find(job_id)).parts)
        found = [await self.jobs().part(job_id, number) for number in range(1, parts + 1)]
        return [row for part in found for row in part.rows]

    def worker(self) -> Worker:
        async def tell(_server: str, _tenant: str, uris: Sequence[str]) -> None:
            self.told += uris

        return Worker(self.database, tell, self.settings, [served])

    async def step(self) -> bool:
        """One turn of a worker: whether there was anything to do."""
        worker = self.worker()
        if (taken := await worker.take()) is not None:
            await worker.run(taken)
        return taken is not None

    @asynccontextmanager
    async def working(self) -> AsyncGenerator[None]:
        """A worker that runs as long as the context lasts."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.worker().work)
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()

    async def until(self, job_id: str, *states: str) -> Job:
        with anyio.fail_after(20):
            while (job := await self.find(job_id)).state not in states:
                await anyio.sleep(0.02)
        return job

    async def sql(self, statement: str, *values: Any, tenant: str = "acme") -> list[Any]:
        async with self.database.transaction(tenant) as transaction:
            return await transaction.connection.fetch(statement, *values)

    async def overdue(self) -> None:
        """As if the lease, or the time until a row is due, had run out."""
        await self.sql("UPDATE suite.job_queue SET due_at = now() - interval '1 second'")


async def _silent(_done: float, _total: float | None, _message: str | None) -> None: ...
