"""The worker of a process: it does what is due of all servers that have work, for any tenant.

It takes the row of the queue that is due the longest and holds it by a lease, which it renews. If it dies, the lease
runs out and another worker goes on from the last part that was kept; what the first one might still write is refused,
since its lease is not the row's any more. Cancelling a job takes the lease away.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import anyio
import structlog

from shared.core.errors import Failure, Internal
from shared.core.jobs import WORKER_LOST
from shared.core.server import Server
from shared.core.settings import Settings
from shared.core.work import LeaseLost
from shared.state.database import Database
from shared.state.jobs import doing
from shared.state.jobs.attempt import Attempt
from shared.state.jobs.book import job_uri
from shared.state.jobs.lease import Taken, take

ATTEMPTS_MAX = 3
"""Attempts that may end without having got further than any before."""

_POLL_S = 0.5
BACK_OFF_S = 5
_REMEMBERED_S = 7 * 86_400  # of a job whose time is over: its state, without its parts

Publish = Callable[[str, str, Sequence[str]], Awaitable[None]]
"""Tells that something changed; see `shared.state.notices.Notices.publish`."""

log = structlog.get_logger("jobs")


class Worker:
    """Runs what is due of these servers, `jobs_at_a_time`.

    Args:
        publish: Tells those who follow a job that it went on.
    """

    def __init__(self, database: Database, publish: Publish, settings: Settings, servers: Sequence[Server]) -> None:
        self._database = database
        self._publish = publish
        self._settings = settings
        self._servers: Mapping[str, Server] = {server.name: server for server in servers if server.work}
        self._kept_s = settings.jobs_kept_h * 3600

    async def work(self) -> None:
        """Until cancelled; an outage of the database is waited out."""
        if not self._servers:
            await anyio.sleep_forever()
        free = anyio.Semaphore(self._settings.jobs_at_a_time)
        async with anyio.create_task_group() as tasks:
            while True:
                await free.acquire()
                tasks.start_soon(self._turn, await self._next(), free)

    async def _turn(self, taken: Taken, free: anyio.Semaphore) -> None:
        try:
            await self.run(taken)
        finally:
            free.release()

    async def _next(self) -> Taken:
        while True:
            pause_s: float = _POLL_S
            try:
                if (taken := await self.take()) is not None:
                    return taken
            except Failure as failure:
                log.warning("jobs wait", code=failure.code)
                pause_s = BACK_OFF_S
            except Exception:  # a deadlock, say: those that run must not be stopped for it
                log.exception("looking for jobs failed, will try again")
                pause_s = BACK_OFF_S
            await anyio.sleep(pause_s)

    async def take(self) -> Taken | None:
        """What is due the longest, for `job_lease_s`."""
        return await take(self._database, [*self._servers], self._settings.job_lease_s)

    async def run(self, taken: Taken) -> None:
        """Do what the row says; whatever goes wrong with it is dealt with here, and takes nobody with it."""
        try:
            await {"run": self._attempt, "expire": self._expire, "erase": self._erase}[taken.task](taken)
        except LeaseLost:
            log.info("a job was cancelled or taken over", job=taken.job_id)
        except Exception as error:  # noqa: BLE001 - the boundary of work, as protocol.py is that of calls
            await self._failed(taken, error)
        except BaseException:  # cancelled, as a replica is when it stops: others need not wait for the lease
            with anyio.move_on_after(2, shield=True), suppress(Failure):
                await taken.put_back(after_s=0, uncounted=1)
            raise

    async def _attempt(self, taken: Taken) -> None:
        job = await self._database.reads(taken.tenant).row(doing.UNDERTAKEN, id=taken.job_id)
        server = self._servers[taken.server]
        if job is None:
            raise LeaseLost  # and whoever took it has ended it
        if job["tool"] not in server.work:  # begun by a replica that is newer, or older, than we are
            await taken.put_back(after_s=BACK_OFF_S, uncounted=1)
            return
        if taken.attempts > ATTEMPTS_MAX:
            await self._finish(taken, "failed", WORKER_LOST)
            await self._tell(taken)
            return
        async with taken.writing() as writing:
            await writing.rows(doing.START, id=taken.job_id)
        await self._tell(taken)
        await self._under_lease(taken, job, server)
        await self._tell(taken)

    async def _under_lease(self, taken: Taken, job: Mapping[str, Any], server: Server) -> None:
        query = server.tools.tools[job["tool"]].parse(job["arguments"])
        over, lost = anyio.Event(), anyio.Event()
        failed: Exception | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(taken.beat, over, lost, tasks.cancel_scope)
            try:
                await server.work[job["tool"]].run(Attempt(taken, job, lambda: self._tell(taken)), query)
            except Exception as error:  # noqa: BLE001 - raised below, where the task group does not wrap it
                failed = error
            over.set()
        if lost.is_set():
            raise LeaseLost
        if failed is not None:
            raise failed
        await self._finish(taken, "done")

    async def _finish(self, taken: Taken, state: str, error: str | None = None, message: str | None = None) -> None:
        async with taken.writing() as writing:
            if error:
                await writing.rows(doing.FORGET_PARTS, id=taken.job_id)
            ended = {"new_state": state, "new_error": error, "new_message": message, "kept_s": self._kept_s}
            await writing.rows(doing.FINISH, id=taken.job_id, **ended)
            await taken.later(writing, "expire", self._kept_s)

    async def _expire(self, taken: Taken) -> None:
        """The time of a job that has ended is over: its parts go, its state can still be read for a while."""
        async with taken.writing() as writing:
            await writing.rows(doing.FORGET_PARTS, id=taken.job_id)
            await writing.rows(doing.EXPIRE, id=taken.job_id)
            await taken.later(writing, "erase", _REMEMBERED_S)

    async def _erase(self, taken: Taken) -> None:
        async with taken.writing() as writing:
            await writing.rows(doing.ERASE, id=taken.job_id)
            await taken.dequeue(writing)

    async def _failed(self, taken: Taken, error: Exception) -> None:
        """Try again after a while, unless that is of no use or was done often enough. While the database is away the
        attempt is not over, and in the end it is not counted; another worker may have taken the job by then.
        """
        failure = error if isinstance(error, Failure) else None
        code = failure.code if failure else Internal.code
        log.warning("an attempt at a job failed", job=taken.job_id, code=code, exc_info=None if failure else error)
        final, uncounted = failure is not None and not failure.retryable, 0
        while True:
            try:
                if taken.task == "run" and (final or (not uncounted and await taken.tried() >= ATTEMPTS_MAX)):
                    await self._finish(taken, "failed", code, failure.message if failure else None)
                    await self._tell(taken)
                else:
                    await taken.put_back(after_s=min(2 ** (taken.attempts - 1), BACK_OFF_S), uncounted=uncounted)
            except LeaseLost:
                return
            except Exception as trouble:  # noqa: BLE001 - whatever it is, it stops no other job
                log.warning("the end of an attempt waits", job=taken.job_id, trouble=type(trouble).__name__)
                uncounted = 1
                await anyio.sleep(BACK_OFF_S)
            else:
                return

    async def _tell(self, taken: Taken) -> None:
        await self._publish(taken.server, taken.tenant, [job_uri(taken.job_id)])
