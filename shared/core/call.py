"""What a tool gets besides its arguments."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, TypeVarTuple

from shared.core.asking import Answers, FormT
from shared.core.caller import Caller
from shared.core.delegation import NOBODY, OnBehalf
from shared.core.errors import Misconfigured
from shared.core.gathering import Gathering, ModelT
from shared.core.jobs import Jobs
from shared.core.kept import Kept
from shared.core.labels import Label
from shared.core.models import Arguments
from shared.core.peers import Peer
from shared.core.request import Progress
from shared.core.upstreams import OtherSystem

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Queries(Protocol):
    """One tenant's view of the database, under row-level security."""

    async def rows(self, statement: Any, /, **values: Any) -> list[Mapping[str, Any]]: ...
    async def row(self, statement: Any, /, **values: Any) -> Mapping[str, Any] | None: ...


class Cursors(Protocol):
    """Opaque page positions, sealed for one caller and one query."""

    def seal(self, position: Sequence[Any], query: Arguments) -> str: ...
    def open(self, cursor: str, query: Arguments) -> list[Any]: ...


@dataclass(slots=True)
class Call:
    """What a tool gets besides its arguments.

    Attributes:
        caller: Who calls; its tenant is already set in `database` and `transaction`.
        database: Reads: each statement is one round trip and one snapshot.
        cursors: Seals and opens page positions.
        request_id: The reference that logs, audit and error messages share.
        transaction: Writes only: the transaction that also holds the idempotency claim and the stored answer.
            It commits when the tool returns, and rolls back when it raises or the call is a dry run.
        changes: URIs of resources that this call changed; whoever follows them is told after the commit.
        on_behalf: Tokens for other servers, in the caller's name.
        labels: What is in the answer beyond what the tool declares.
        kept: Metadata of calls before this one, where any is kept; tools use `metadata`.
        jobs: The caller's long-running work; only at servers that declare any.
        upstream: The system that the server works over, where it keeps no data of its own.
        opened: What the server opened for this process (`Server.open`).
        approval: The id of the approval under which the call is done, where people had to give one.
    """

    caller: Caller
    database: Queries
    cursors: Cursors
    request_id: str
    open_transaction: Queries | None = None
    answers: Answers = field(default_factory=lambda: Answers({}))
    tell_progress: Progress | None = None
    changes: list[str] = field(default_factory=list[str])
    labels: set[Label] = field(default_factory=set[Label])
    on_behalf: OnBehalf = field(default=NOBODY, repr=False)
    kept: Kept | None = field(default=None, repr=False)
    open_jobs: Jobs | None = field(default=None, repr=False)
    open_upstream: OtherSystem | None = field(default=None, repr=False)
    open_peers: Callable[[str], Peer] | None = field(default=None, repr=False)
    has_opened: Any = field(default=None, repr=False)
    gathering: Gathering = field(default_factory=Gathering, repr=False)
    approval: str | None = None

    @property
    def jobs(self) -> Jobs:
        if self.open_jobs is None:
            raise Misconfigured("only servers that declare work have jobs")
        return self.open_jobs

    @property
    def upstream(self) -> OtherSystem:
        if self.open_upstream is None:
            raise Misconfigured("only servers over another system have an upstream")
        return self.open_upstream

    @property
    def opened(self) -> Any:
        if self.has_opened is None:
            raise Misconfigured("only servers that declare `open` have something opened")
        return self.has_opened

    def peer(self, server: str) -> Peer:
        """Another server of ours, asked in the caller's name.

        Raises:
            Misconfigured: There is no such server.
        """
        if self.open_peers is None:
            raise Misconfigured(f"nothing here asks other servers, {server} among them")
        return self.open_peers(server)

    @property
    def transaction(self) -> Queries:
        if self.open_transaction is None:
            raise Misconfigured("only tools declared with @tools.write have a transaction")
        return self.open_transaction

    async def metadata(self, make: Callable[[Queries, *Ts], Awaitable[T]], *parameters: *Ts) -> T:
        """Metadata (titles, counts, outlines; never records) as of now, or as it was made for an earlier call.

        It is kept for the tenant, the caller's rights, `make` and the parameters, until anything of this server and
        tenant changes, at most `metadata_ttl_s`. Tools that change what it tells of say so with `changed`. A write
        does not find in it what the call itself has changed, and decides nothing by it.

        Args:
            make: A function of a module, so that it is the same for each call. It is given the reads of this tenant
                under the caller's rights, and nothing else of the call: what it makes is as good for others.
            parameters: Hashable; whatever else it depends on.

        Returns:
            What `make` returned, shared with other calls: do not change it. Best it is a tuple or frozen.
        """
        if self.kept is None:
            return await make(self.database, *parameters)
        return await self.kept.get((make, parameters), lambda: make(self.database, *parameters))

    def ask(self, message: str, form: type[FormT]) -> FormT:
        """What the caller's own user says; in a tool only, and before anything that a rollback does not undo.

        The answer is the caller's word, not an approval: a client may give it without asking anybody.

        Args:
            message: What the user reads; only what the caller may see.
            form: A flat model; see `shared.core.asking`.

        Raises:
            Asked: The call ends here and is run again with the answer.
            Declined: The user would not.
        """
        return self.answers.to(message, form)

    async def gather(self, name: str, make: Callable[[], Awaitable[ModelT]], model: type[ModelT]) -> ModelT:
        """What a write reads from elsewhere. When other people have to approve the call, what was read at the time of
        asking is kept, they see what came of it, and it is used when the call is done; nothing is read again.

        Args:
            name: Of what is read; each name once a call, and the same each time the call is made.
            make: Reads it, in the caller's name.
            model: Of what it returns; it goes through JSON.
        """
        return await self.gathering.get(name, make, model)

    def based_on(self, kind: str, name: str, version: object) -> None:
        """Note a version of something of ours that decides what the call does. If it is another one by the time the
        call is approved and done, nothing is done, and the caller has to ask again.
        """
        self.gathering.note(kind, name, version)

    def changed(self, uri: str) -> None:
        """Note that the resource changed; `uri` as its template spells it."""
        if uri not in self.changes:
            self.changes.append(uri)

    def label(self, label: Label) -> None:
        """Note what this answer holds; the caller's later calls are judged by it (docs/information-flow.md)."""
        self.labels.add(label)

    async def progress(self, done: float, total: float | None = None, message: str | None = None) -> None:
        """Tell the client how far the work is, if it wants to know."""
        if self.tell_progress is not None:
            await self.tell_progress(done, total, message)
