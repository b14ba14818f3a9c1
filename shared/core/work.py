"""The work behind a job: what a server declares (`Toolset.work`), and what the function that does it is given."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from shared.core.call import Queries
from shared.core.errors import SuiteError

GET, CANCEL = "get_job", "cancel_job"
"""The tools of a server with work that a client without the tasks extension uses."""


Also = Callable[[Queries], Awaitable[None]]
"""Writes in a transaction of the job's tenant."""


class LeaseLost(SuiteError):
    """The job was cancelled, or another worker has it now; let it pass."""


class Working(Protocol):
    """What a body of work gets: reads as whoever asked for it may read, and where to keep what it makes.

    Attributes:
        job_id: Of the job.
        tenant: Whose it is.
        checkpoint: What the last part that is kept was kept with; None before the first.
        done: Rows that are kept.
        parts: How many parts are kept.
        reads: Each statement is one round trip and one snapshot.
    """

    @property
    def job_id(self) -> str: ...
    @property
    def tenant(self) -> str: ...
    @property
    def checkpoint(self) -> Any: ...
    @property
    def done(self) -> int: ...
    @property
    def parts(self) -> int: ...
    @property
    def reads(self) -> Queries: ...

    def snapshot(self) -> AbstractAsyncContextManager[Any]:
        """A `Transaction` that sees one state of the database throughout, and can only read."""
        ...

    async def expect(self, rows: int, *, truncated: bool = False) -> None:
        """Say how many rows there will be, and whether there would be more.

        Raises:
            LeaseLost: The work is not ours any more.
        """
        ...

    async def keep(self, rows: Sequence[Any], checkpoint: Any = None, *, also: Also | None = None) -> None:
        """Keep one more part, as JSON, with where to go on after it: all of it or nothing.

        Args:
            rows: The part.
            checkpoint: Where to go on after it.
            also: Writes what belongs to the part elsewhere, in the same transaction.

        Raises:
            LeaseLost: The work is not ours any more; nothing was kept.
        """
        ...

    async def restart(self) -> None:
        """Delete what earlier attempts kept, for work that wants it all from one snapshot.

        Raises:
            LeaseLost: The work is not ours any more.
        """
        ...


Body = Callable[[Working, Any], Awaitable[None]]


@dataclass(frozen=True)
class Work:
    """The work that one tool begins.

    Attributes:
        run: Does it, from `Working.checkpoint` on. It is run again after a crash. A `Failure` that is not retryable
            fails the job at once; whatever else it raises does after 3 attempts that got no further.
        parts: The resource template, with `{job_id}` and `{part}`, by which clients read the parts.
    """

    run: Body
    parts: str
