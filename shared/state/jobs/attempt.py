"""One attempt at a job's work: what its body is given (`shared.core.work.Working`)."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio

from shared.core.call import Queries
from shared.core.work import Also
from shared.state.database import Transaction
from shared.state.jobs import doing
from shared.state.jobs.lease import Taken

_TELL_S = 1.0
"""How often at most followers are told of progress: each of them asks what it is."""


class Attempt:
    """One attempt; everything it writes is fenced by the lease.

    Args:
        taken: The lease.
        job: The job's row as it was when the attempt began.
        tell: Tells whoever follows the job that it went on.
    """

    def __init__(self, taken: Taken, job: Mapping[str, Any], tell: Callable[[], Awaitable[None]]) -> None:
        self._taken = taken
        self._rights: Sequence[str] = job["rights"]
        self._reached: int = job["reached"]
        self._tell = tell
        self._told_at = -_TELL_S
        self.job_id = taken.job_id
        self.tenant = taken.tenant
        self.checkpoint: Any = job["checkpoint"]
        self.done: int = job["done"]
        self.parts: int = job["parts"]

    @property
    def reads(self) -> Queries:
        return self._taken.database.reads(self.tenant, self._rights)

    @asynccontextmanager
    async def snapshot(self) -> AsyncGenerator[Transaction]:
        async with self._taken.database.snapshot(self.tenant, self._rights) as transaction:
            yield transaction

    async def expect(self, rows: int, *, truncated: bool = False) -> None:
        async with self._taken.writing() as writing:
            await writing.rows(doing.EXPECT, id=self.job_id, rows=rows, cut=truncated)

    async def keep(self, rows: Sequence[Any], checkpoint: Any = None, *, also: Also | None = None) -> None:
        part, done = self.parts + 1, self.done + len(rows)
        async with self._taken.writing(further=part > self._reached) as writing:
            if also is not None:
                await also(writing)
            await writing.rows(doing.KEEP_PART, id=self.job_id, new_part=part, new_rows=[*rows])
            kept = {"new_part": part, "new_done": done, "new_checkpoint": checkpoint}
            await writing.rows(doing.PROGRESS, id=self.job_id, **kept)
        self.parts, self.done, self.checkpoint = part, done, checkpoint
        if anyio.current_time() - self._told_at >= _TELL_S:
            self._told_at = anyio.current_time()
            await self._tell()

    async def restart(self) -> None:
        async with self._taken.writing() as writing:
            await writing.rows(doing.FORGET_PARTS, id=self.job_id)
            await writing.rows(doing.RESTART, id=self.job_id)
        self.parts, self.done, self.checkpoint = 0, 0, None
