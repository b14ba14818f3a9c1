"""The request path: read this first. The order of these lines is the security argument."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from shared.core.asking import Answers
from shared.core.caller import Caller
from shared.core.errors import Forbidden, InvalidCursor, Timeout, Unavailable, UnknownTarget
from shared.core.request import Request
from shared.core.tool import Arguments, Call, Tool
from shared.core.tracing import span, traced
from shared.state.cursors import SealedCursors
from shared.state.database import Database
from shared.state.foreign import Foreign
from shared.state.keys import KeyRing
from shared.state.notices import Notices
from shared.steps import audit, policy
from shared.steps.idempotency import Ledger, Slot
from shared.steps.limits import Limiter
from shared.steps.redaction import Redacted, redact


@dataclass(frozen=True)
class Pipeline:
    """What every call to one server passes, over HTTP and stdio alike.

    Policy's decision (Cedar) belongs after `parse`, and approvals after the ledger's claim, in its transaction.
    """

    sink: audit.Sink
    limits: Limiter
    ledger: Ledger
    domain: Database | Foreign
    cursor_keys: KeyRing
    deadline_s: float
    slow_call_s: float = 1.0
    notices: Notices | None = None

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
                async with self.ledger.once(entry, caller, tool, query) as slot:
                    answer = slot.answer
                    if answer is None:
                        answer = slot.answer = await self._run(request, caller, tool, query, slot)
                if slot.changes and self.notices is not None:
                    await self.notices.publish(request.server, caller.tenant, slot.changes)
                # On replay too: the caller's rights may have shrunk.
                with span("redact"):
                    shown = redact(answer, caller, f"{request.server}:pii")
                entry.facts["redacted"] = list(shown.redactions)
        return replace(shown, left=left)

    async def catalogue(self, request: Request, caller: Caller, tools: Mapping[str, Tool]) -> list[str]:
        """Names of the tools this caller may use, in order of declaration.

        Raises:
            InvalidCursor: Our lists have one page, so no cursor can be ours.
        """
        async with audit.record(self.sink, request, caller):
            await self.limits.admit(request, caller, None)
            if request.arguments.get("cursor") is not None:
                raise InvalidCursor
            return [name for name, tool in tools.items() if policy.shows(caller, tool)]

    @asynccontextmanager
    async def noted(self, request: Request, caller: Caller) -> AsyncGenerator[dict[str, Any]]:
        """Open or end a session, hold a stream open, give up a subscription: the body does it, counted and recorded,
        and says in the record's facts what it did.
        """
        async with audit.record(self.sink, request, caller) as entry:
            await self.limits.admit(request, caller, None)
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
                tool = policy.visible(caller, tool, request)
            query = entry.query = tool.parse(request.arguments)
            await self._run(request, caller, tool, query, Slot())
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
            seen = policy.visible(caller, tool, request)
            await self._run(request, caller, seen, seen.parse(request.arguments), Slot())
        except (Unavailable, Timeout):
            raise
        except Exception:  # crashes too: whatever ends a subscription has its record
            async with audit.record(self.sink, request, caller, tool) as entry:
                entry.facts["ended"] = "refused"
                raise

    async def _visible(self, request: Request, caller: Caller, tool: Tool | None) -> Tool:
        """The tool, if this caller may use it. Refusals are charged too, or they would be free to repeat."""
        try:
            return policy.visible(caller, tool, request)
        except (Forbidden, UnknownTarget):
            await self.limits.admit(request, caller, None)
            raise

    @traced("tool")
    async def _run(self, request: Request, caller: Caller, tool: Tool, query: Arguments, slot: Slot) -> Any:
        call = Call(
            caller=caller,
            database=self.domain.reads(caller.tenant),
            cursors=SealedCursors(self.cursor_keys, caller, f"{request.server}.{tool.name}"),
            request_id=request.request_id,
            open_transaction=slot.transaction,
            answers=Answers(request.answers),
            tell_progress=request.progress,
            changes=slot.changes,
        )
        deadline_s = tool.deadline_s or self.deadline_s
        try:
            async with asyncio.timeout(deadline_s):
                return await tool.run(call, query)
        except TimeoutError:
            message = f"{tool.name} ran out of its {deadline_s:g} s; nothing was changed. Ask for less."
            raise Timeout(message) from None
