"""Jobs: work that takes longer than a call. What clients are told of it, and what a tool does with it.

A tool begins a job and answers at once; a worker of any replica does the work (`shared.core.work`). The job is the
business of whoever asked for it: for anybody else, in the same tenant too, it is not there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Protocol

from pydantic import Field

from shared.core.marks import Exact
from shared.core.models import Answer, Arguments, WriteArguments

UNFINISHED_MAX = 3
"""Jobs of one caller and tool that may wait or run at a time."""

WORKER_LOST = "worker_lost"
"""The code of a job whose every worker died over it."""

WAIT_MAX_S = 25
"""How long one call waits for a job to end."""


class JobState(StrEnum):
    """Where a job stands; the last four are final."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def ended(self) -> bool:
        return self not in {JobState.QUEUED, JobState.RUNNING}


JobId = Annotated[
    str,
    Exact(),
    Field(pattern=r"^J-[0-9A-HJKMNP-TV-Z]{26}$", description="As the tool that began the job returned it."),
]


class OneJob(Arguments):
    """A job of the caller's own."""

    job_id: JobId
    wait_s: Annotated[
        int,
        Field(
            ge=0, le=WAIT_MAX_S, description="Wait so many seconds for it to end before answering; 0 answers at once."
        ),
    ] = 0


class CancelJob(WriteArguments):
    """A job of the caller's own that is no longer wanted."""

    job_id: JobId


class JobFailure(Answer):
    """Why a job failed."""

    code: Annotated[str, Exact()]
    message: str


class Job(Answer):
    """A job: where it stands, and where to read what it made."""

    job_id: Annotated[str, Exact()]
    tool: Annotated[str, Exact(), Field(description="The tool that began it.")]
    state: JobState
    done: Annotated[int, Field(description="Rows so far.")]
    expected: Annotated[int | None, Field(description="Rows in all, once that is known.")]
    progress: Annotated[float, Field(ge=0, le=1, description="1 when it is done.")]
    message: Annotated[str, Exact(), Field(description="The progress in words.")]
    truncated: Annotated[bool, Field(description="There are more rows than one job holds; narrow the filters.")]
    parts: Annotated[list[Annotated[str, Exact()]], Field(description="Once done: the resources to read it from.")]
    failure: JobFailure | None
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None
    expires_at: Annotated[datetime | None, Field(description="Once it has ended: the parts are deleted then.")]


@dataclass(frozen=True)
class Part:
    """One part of what a finished job made.

    Attributes:
        number: From 1.
        parts: How many there are.
        rows: As the work kept them.
    """

    number: int
    parts: int
    rows: Sequence[Any]


class Jobs(Protocol):
    """The jobs of one caller at one server (`Call.jobs`)."""

    async def begin(self, query: Arguments) -> Job:
        """Have the work of the tool that runs done with these arguments, once the call's transaction is committed.

        Raises:
            RateLimited: The caller has as many of this tool unfinished as allowed.
        """
        ...

    async def find(self, job_id: str, *, wait_s: float = 0) -> Job:
        """The job as it stands; or as it ended, if it ends within `wait_s`, with its progress told meanwhile.

        Raises:
            NotFound: There is none, none of this caller, or none any more.
        """
        ...

    async def cancel(self, job_id: str) -> Job:
        """Stop it, and delete what it made; one that has ended stays as it is.

        Raises:
            NotFound: As `find`.
        """
        ...

    async def part(self, job_id: str, number: int) -> Part:
        """One part of a job that is done.

        Raises:
            NotFound: There is none, or the job is not done, not this caller's, or over its time.
        """
        ...
