"""The jobs of one caller: what a tool begins, looks up, cancels and reads from."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import anyio

from shared.core.call import Call, Queries
from shared.core.caller import Caller
from shared.core.errors import Misconfigured, NotFound, RateLimited
from shared.core.ids import UNGUESSABLE, new_id
from shared.core.jobs import UNFINISHED_MAX, WORKER_LOST, Job, JobFailure, JobState, Part
from shared.core.models import Arguments
from shared.core.work import Work
from shared.state.database import Database
from shared.state.jobs import asking

_RETRY_S = 10.0
_LOOK_S = 0.5
_SCHEME = "job:"

_REASONS = {WORKER_LOST: "Every process that ran it was lost. Begin it again."}
_UNKNOWN = "It failed, and the reason is in the logs. Begin it again."


def job_uri(job_id: str) -> str:
    """By which notices tell that a job went on; no resource of a server."""
    return f"{_SCHEME}{job_id}"


def job_of(uri: str) -> str | None:
    """The job a notice is about, if it is about one."""
    return uri.removeprefix(_SCHEME) if uri.startswith(_SCHEME) else None


@dataclass(frozen=True)
class Book:
    """The jobs of one server's callers.

    Attributes:
        database: Where they are.
        server: Whose tools began them.
        work: By the tool that begins it.
        kept_s: How long a job that has ended can be read.
    """

    database: Database
    server: str
    work: Mapping[str, Work]
    kept_s: int

    def of(self, call: Call, tool: str, rights: Sequence[str]) -> "Owned":
        """The jobs of the caller of one call, which runs this tool under these rights."""
        return Owned(self, call.caller, tool, rights, call.open_transaction, call.progress, call.changed)


@dataclass(frozen=True)
class Owned:
    """The jobs of one caller, as one call of a tool sees them (`shared.core.jobs.Jobs`).

    Attributes:
        book: Of the server.
        caller: Whose they are.
        tool: The one that runs.
        rights: The words of `app.rights` of the caller, now.
        writes: The call's transaction, if it has one.
        progress: Tells the client, if it wants to know.
        changed: Notes what changed, for those who follow it.
    """

    book: Book
    caller: Caller
    tool: str
    rights: Sequence[str]
    writes: Queries | None
    progress: Callable[[float, float | None, str | None], Awaitable[None]]
    changed: Callable[[str], None]

    async def begin(self, query: Arguments) -> Job:
        if self.tool not in self.book.work:
            raise Misconfigured(f'{self.tool} has no work: declare what does it with @tools.work("{self.tool}", …)')
        owner = {**self._owner, "tool": self.tool}
        whose = " ".join([self.caller.tenant, *owner.values()])
        await self._writes.rows(asking.ONE_AT_A_TIME, owner=whose)
        [row] = await self._writes.rows(asking.UNFINISHED, **owner)
        if row["jobs"] >= UNFINISHED_MAX:
            message = (
                f"{row['jobs']} jobs of yours by {self.tool} are not finished. Wait for one (get_job), then repeat."
            )
            raise RateLimited(message, _RETRY_S, "jobs")
        arguments = query.model_dump(mode="json", exclude={"idempotency_key", "dry_run"}, exclude_unset=True)
        new = {
            **owner,
            "id": new_id("J", UNGUESSABLE),
            "client": self.caller.client,
            "rights": [*self.rights],
            "arguments": arguments,
        }
        [job] = await self._writes.rows(asking.NEW_JOB, **{f"new_{name}": value for name, value in new.items()})
        await self._writes.rows(
            asking.ENQUEUE, tenant=self.caller.tenant, new_id=job["id"], new_server=self.book.server
        )
        return self._shown(job)

    async def find(self, job_id: str, *, wait_s: float = 0) -> Job:
        until, told = anyio.current_time() + wait_s, 0
        while True:
            job = await self._job(job_id)
            left_s = until - anyio.current_time()
            if job.state.ended or left_s <= 0:
                return job
            if job.done > told:  # progress must grow (MCP, basic/utilities/progress), and a restart begins at 0
                told = job.done
                await self.progress(job.done, job.expected, job.message)
            await anyio.sleep(min(_LOOK_S, left_s))

    async def cancel(self, job_id: str) -> Job:
        job = await self._job(job_id)
        if job.state.ended:
            return job
        this = {"id": job_id, "tenant": self.caller.tenant}
        await self._writes.rows(asking.AWAIT_WORKER, **this)
        cancelled = await self._writes.rows(asking.CANCEL, id=job_id, kept_s=self.book.kept_s, **self._owner)
        if not cancelled:  # it ended while we waited for its worker
            return await self._job(job_id)
        await self._writes.rows(asking.FORGET_PARTS, id=job_id)
        await self._writes.rows(asking.TAKE_FROM_WORKER, kept_s=self.book.kept_s, **this)
        self.changed(job_uri(job_id))
        return self._shown(cancelled[0])

    async def part(self, job_id: str, number: int) -> Part:
        reads = self.book.database.reads(self.caller.tenant)
        row = await reads.row(asking.PART, id=job_id, part=number, **self._owner)
        if row is None:
            raise NotFound(f"You have no part {number} of a job {job_id}, or no longer; get_job names them.")
        return Part(row["part"], row["parts"], row["rows"])

    async def _job(self, job_id: str) -> Job:
        reads = self.book.database.reads(self.caller.tenant)
        row = await reads.row(asking.JOB, id=job_id, **self._owner)
        if row is None:
            raise NotFound(f"You have no job {job_id}. Use an id as the tool that began the job returned it.")
        return self._shown(row)

    @property
    def _writes(self) -> Queries:
        if self.writes is None:
            raise Misconfigured("only tools declared with @tools.write begin and cancel jobs")
        return self.writes

    @property
    def _owner(self) -> dict[str, str]:
        return {**_owner(self.caller), "server": self.book.server}

    def _shown(self, row: Mapping[str, Any]) -> Job:
        state = JobState(row["state"])
        readable = state is JobState.DONE and row["expires_at"] > datetime.now(UTC)
        done, expected = row["done"], row["expected"]
        work = self.book.work.get(row["tool"])
        parts = range(1, row["parts"] + 1) if readable and work else ()
        return Job(
            job_id=row["id"],
            tool=row["tool"],
            state=JobState.EXPIRED if state is JobState.DONE and not readable else state,
            done=done,
            expected=expected,
            progress=1.0 if state is JobState.DONE else min(done / expected, 0.99) if expected else 0.0,
            message=f"{done} of {expected}" if expected is not None else f"{done}" if done else state.value,
            truncated=row["truncated"],
            parts=[_part_uri(work, row["id"], part) for part in parts if work],
            failure=_failure(row) if row["error"] else None,
            **{name: row[name] for name in ("created_at", "updated_at", "finished_at", "expires_at")},
        )


def _owner(caller: Caller) -> dict[str, str]:
    """A job is the business of whoever asked for it, and of nobody else in the tenant."""
    return {"issuer": caller.issuer, "subject": caller.subject}


def _part_uri(work: Work, job_id: str, part: int) -> str:
    return work.parts.replace("{job_id}", job_id).replace("{part}", str(part))


def _failure(row: Mapping[str, Any]) -> JobFailure:
    return JobFailure(code=row["error"], message=row["message"] or _REASONS.get(row["error"], _UNKNOWN))
