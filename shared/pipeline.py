"""The request path: read this first. The order of these lines is the security argument."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from shared.core.approvals import Kept
from shared.core.asking import Answers, Asked
from shared.core.caller import Caller
from shared.core.decision import Decision
from shared.core.delegation import NOBODY, Noted
from shared.core.errors import Forbidden, InvalidCursor, Suspended, Timeout, Unavailable, UnknownTarget
from shared.core.labels import Label
from shared.core.peers import Asking, Peers
from shared.core.request import Request
from shared.core.tool import Arguments, Call, Tool
from shared.core.tracing import span, traced
from shared.state.cursors import SealedCursors
from shared.state.database import Database
from shared.state.foreign import Foreign
from shared.state.jobs.book import Book
from shared.state.keys import KeyRing
from shared.state.metadata import Metadata
from shared.state.notices import Notices
from shared.state.seen import Seen
from shared.state.switches import Switches
from shared.steps import audit
from shared.steps.approvals import Approvals
from shared.steps.idempotency import Ledger, Slot
from shared.steps.limits import Limiter
from shared.steps.policy import Policy, enforce
from shared.steps.redaction import Redacted, redact
from shared.steps.sending import Reach, truthful, whose


@dataclass(frozen=True)
class Pipeline:
    """What every call to one server passes, over HTTP and stdio alike."""

    sink: audit.Sink
    policy: Policy
    limits: Limiter
    ledger: Ledger
    approvals: Approvals
    domain: Database | Foreign
    cursor_keys: KeyRing
    deadline_s: float
    seen: Seen
    slow_call_s: float = 1.0
    notices: Notices | None = None
    metadata: Metadata | None = None
    rights: Callable[[Caller], Sequence[str]] | None = None
    jobs: Book | None = None
    upstream: Reach | None = None
    opened: Any = None
    peers: Peers | None = None
    switches: Switches = field(default_factory=Switches)

    async def call(self, request: Request, caller: Caller, tool: Tool | None) -> Redacted:
        """Answer one call of a tool, or one read of a resource.

        Raises:
            Asked: The caller's own user has to answer first; call again with the answer in `request.answers`.
            SuiteError: See `shared.core.errors`; whatever is raised has its audit record.
        """
        async with audit.record(self.sink, request, caller, tool) as entry:
            tool = await self._visible(request, caller, tool)
            async with self.limits.admitted(request, caller, tool) as left:
                with span("parse"):
                    query = entry.query = tool.parse(request.arguments)
                decision = await self._allowed(entry, caller, tool, query)
                caller = self.policy.narrowed(caller)
                case = await self.approvals.case(request, caller, tool, query, decision, entry.facts)
                if case.edited:  # what people made of it has to be allowed as well
                    entry.query = case.query
                    await self.approvals.require_enough(case, await self._allowed(entry, caller, tool, case.query))
                asked = case.settled(entry.facts)
                async with asked, self.ledger.once(entry, caller, tool, query, case.key) as slot:
                    answer = slot.answer
                    if answer is None:
                        run = partial(self._answer, entry, caller, tool, slot)
                        answers = await case.satisfy(slot, Answers(request.answers), run)
                        answer = slot.answer = await run(case.query, answers)
                        case.require_same(slot)
                    # On replay too: the caller's rights may have shrunk.
                    with span("redact"):
                        shown = redact(answer, caller, f"{request.server}:pii")
                    entry.facts["redacted"] = list(shown.redactions)
                    # Before the commit: what cannot be remembered is not done.
                    await self._note(entry, caller, tool.labels | slot.labels | shown.labels)
                if slot.changes and self.notices is not None:
                    await self.notices.publish(request.server, caller.tenant, slot.changes)
        return replace(shown, left=left, needs=case.needs, declared=tool.labels | slot.labels)

    async def catalogue(self, request: Request, caller: Caller, tools: Mapping[str, Tool]) -> list[str]:
        """Names of the tools this caller may use, in order of declaration.

        Raises:
            InvalidCursor: Our lists have one page, so no cursor can be ours.
        """
        async with audit.record(self.sink, request, caller):
            await self.limits.admit(request, caller, None)
            self._refuse_suspended(caller)
            if request.arguments.get("cursor") is not None:
                raise InvalidCursor
            return [name for name, tool in tools.items() if self.shows(request.server, caller, tool)]

    def shows(self, server: str, caller: Caller, tool: Tool) -> bool:
        """Whether lists show the tool to this caller: it is on, and scope and policy allow it."""
        return not self.switches.hides(server, tool.name, caller) and self.policy.shows(caller, tool)

    @asynccontextmanager
    async def noted(self, request: Request, caller: Caller, *, charge: bool = True) -> AsyncGenerator[dict[str, Any]]:
        """Open or end a session, hold a stream open, give up a subscription: the body does it, counted and recorded,
        and says in the record's facts what it did. What is given back is not charged: nobody is kept from leaving.
        """
        async with audit.record(self.sink, request, caller) as entry:
            if charge:
                await self.limits.admit(request, caller, None)
            self._refuse_suspended(caller)
            yield entry.facts

    @asynccontextmanager
    async def watch(
        self, request: Request, caller: Caller, tool: Tool | None, *, charge: bool = True
    ) -> AsyncGenerator[None]:
        """Let the caller hear of changes of a resource, as the body notes: what may be read may be watched.

        Args:
            request: Names the resource.
            caller: Who wants to hear.
            tool: The read of the resource, which is made here.
            charge: False for the resources of one stream, which is charged as a whole.

        Raises:
            SuiteError: As reading it would; whatever is raised has its audit record.
        """
        async with audit.record(self.sink, request, caller, tool) as entry:
            if charge:
                tool = await self._visible(request, caller, tool)
                await self.limits.admit(request, caller, tool)
            else:
                tool = self._on(request, caller, tool)
            entry.query, _ = await self._read(request, caller, tool, Slot())
            yield

    async def recheck(self, request: Request, caller: Caller, tool: Tool | None) -> None:
        """Look again, before a change is told, whether the caller may still read the resource. That it may leaves
        no record; that it may no longer does.

        Raises:
            Unavailable: Nobody can tell; not recorded.
            Timeout: The same.
            SuiteError: The caller may not.
        """
        try:
            await self._read(request, caller, self._on(request, caller, tool), Slot())
        except (Unavailable, Timeout):
            raise
        except Exception:  # crashes too: whatever ends a subscription has its record
            async with audit.record(self.sink, request, caller, tool) as entry:
                entry.facts["ended"] = "refused"
                raise

    async def tell(self, request: Request, caller: Caller, tool: Tool | None) -> Redacted:
        """What the caller may be told now of what it follows, where a notice says what it is: recorded as a call is,
        and not charged, for the stream is.

        Raises:
            SuiteError: As reading it would.
        """
        async with audit.record(self.sink, request, caller, tool) as entry:
            tool = self._on(request, caller, tool)
            slot = Slot()
            entry.query, answer = await self._read(request, caller, tool, slot)
            shown = redact(answer, self.policy.narrowed(caller), f"{request.server}:pii")
            entry.facts["redacted"] = list(shown.redactions)
            await self._note(entry, caller, tool.labels | slot.labels | shown.labels)
            return shown

    async def own_approval(self, request: Request, caller: Caller, approval_id: str, *, cancel: bool) -> Kept:
        """What the caller asked other people for, as it stands; given up first, if so wished and nobody has decided.

        Raises:
            NotFound: There is none, or none of this caller.
        """
        async with audit.record(self.sink, request, caller) as entry:
            await self.limits.admit(request, caller, None)
            self._refuse_suspended(caller)
            entry.facts["approval"] = approval_id
            return await self.approvals.own(caller, approval_id, cancel=cancel)

    async def _allowed(self, entry: audit.Entry, caller: Caller, tool: Tool, query: Arguments) -> Decision:
        """What policy says, where it is not no."""
        decision = await self.policy.decide(caller, tool, query)
        entry.facts |= decision.facts()
        enforce(decision, tool)
        return decision

    async def _visible(self, request: Request, caller: Caller, tool: Tool | None) -> Tool:
        """The tool, if this caller may use it. Refusals are charged too, or they would be free to repeat."""
        try:
            return self._on(request, caller, tool)
        except (Forbidden, Suspended, UnknownTarget):
            await self.limits.admit(request, caller, None)
            raise

    def _on(self, request: Request, caller: Caller, tool: Tool | None) -> Tool:
        """The tool, if neither it nor the caller is switched off, and policy lets this caller know of it."""
        self._refuse_suspended(caller)
        hidden = tool is not None and self.switches.hides(request.server, tool.name, caller)
        return self.policy.visible(caller, None if hidden else tool, request)

    def _refuse_suspended(self, caller: Caller) -> None:
        if (suspended := self.switches.suspended(caller)) is not None:
            raise suspended

    async def _read(self, request: Request, caller: Caller, tool: Tool, slot: Slot) -> tuple[Arguments, Any]:
        """Read a resource for nobody to see: whether the caller may, and whether it is there."""
        query = tool.parse(request.arguments)
        decision = await self.policy.decide(caller, tool, query)
        enforce(decision, tool)
        answers = Answers({})
        caller = self.policy.narrowed(caller)
        (await self.approvals.case(request, caller, tool, query, decision)).confirm(answers)
        return query, await self._run(request, caller, tool, query, slot, answers)

    async def _answer(
        self, entry: audit.Entry, caller: Caller, tool: Tool, slot: Slot, query: Arguments, answers: Answers
    ) -> Any:
        try:
            return await self._run(entry.request, caller, tool, query, slot, answers)
        except Asked:  # the client reads the question, and what is in it
            await self._note(entry, caller, tool.labels | slot.labels)
            raise
        finally:
            if slot.acted_at:
                entry.facts["acted_at"] = slot.acted_at

    async def _note(self, entry: audit.Entry, caller: Caller, labels: AbstractSet[Label]) -> None:
        """Remember what the caller is about to be given: it counts for what it may do next."""
        if labels:
            with span("note"):
                await self.seen.note(caller, labels)
            entry.facts["labels"] = sorted(labels)

    @traced("tool")
    async def _run(
        self, request: Request, caller: Caller, tool: Tool, query: Arguments, slot: Slot, answers: Answers
    ) -> Any:
        rights = self.rights(caller) if self.rights else None
        on_behalf = Noted(request.on_behalf or NOBODY, slot.acted_at)
        asking = Asking(on_behalf, (*tool.scopes, *tool.elsewhere), slot.labels, request.request_id)
        named = whose(request, caller, tool, query, slot.intent)
        upstream = self.upstream.of(caller, on_behalf, named) if self.upstream else None
        call = Call(
            caller=caller,
            database=self.domain.reads(caller.tenant, rights),
            cursors=SealedCursors(self.cursor_keys, caller, f"{request.server}.{tool.name}"),
            request_id=request.request_id,
            open_transaction=slot.transaction,
            answers=answers,
            tell_progress=request.progress,
            changes=slot.changes,
            labels=slot.labels,
            on_behalf=on_behalf,
            open_upstream=upstream,
            has_opened=self.opened,
            gathering=slot.gathering,
            approval=slot.approval,
            open_peers=self.peers.of(asking) if self.peers else None,
            kept=self.metadata.of(request.server, caller.tenant, rights) if self.metadata else None,
        )
        if self.jobs is not None:
            call.open_jobs = self.jobs.of(call, tool.name, rights or ())
        deadline_s = tool.deadline_s or self.deadline_s
        try:
            async with truthful(upstream), asyncio.timeout(deadline_s):
                return await tool.run(call, query)
        except TimeoutError:
            message = f"{tool.name} ran out of its {deadline_s:g} s; nothing was changed. Ask for less."
            raise Timeout(message) from None
