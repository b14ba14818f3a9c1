"""The request path: read this first. The order of these lines is the security argument."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.core.caller import Caller
from shared.core.errors import Forbidden, InvalidCursor, Timeout, UnknownTarget
from shared.core.request import Request
from shared.core.tool import Arguments, Call, Tool
from shared.core.tracing import span, traced
from shared.state.cursors import SealedCursors
from shared.state.database import Database
from shared.state.foreign import Foreign
from shared.state.keys import KeyRing
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

    async def call(self, request: Request, caller: Caller, tool: Tool | None) -> Redacted:
        """Answer one call of a tool, or one read of a resource.

        Raises:
            SuiteError: See `shared.core.errors`; whatever is raised has its audit record.
        """
        async with audit.record(self.sink, request, caller, tool) as entry:
            tool = await self._admit(request, caller, tool)
            with span("parse"):
                query = entry.query = tool.parse(request.arguments)
            async with self.ledger.once(entry, caller, tool, query) as slot:
                answer = slot.answer
                if answer is None:
                    answer = slot.answer = await self._run(request, caller, tool, query, slot)
            # On replay too: the caller's rights may have shrunk.
            with span("redact"):
                shown = redact(answer, caller, f"{request.server}:pii")
            entry.facts["redacted"] = list(shown.redactions)
        return shown

    async def catalogue(self, request: Request, caller: Caller, tools: Mapping[str, Tool]) -> list[str]:
        """Names of the tools this caller may use, in order of declaration.

        Raises:
            InvalidCursor: Our lists have one page, so no cursor can be ours.
        """
        async with audit.record(self.sink, request, caller):
            await self.limits.admit(caller, None)
            if request.arguments.get("cursor") is not None:
                raise InvalidCursor
            return [name for name, tool in tools.items() if policy.shows(caller, tool)]

    @traced("admit")
    async def _admit(self, request: Request, caller: Caller, tool: Tool | None) -> Tool:
        """The tool, if this caller may use it, now. Refusals are charged too, or they would be free to repeat."""
        try:
            tool = policy.visible(caller, tool, request)
        except (Forbidden, UnknownTarget):
            await self.limits.admit(caller, None)
            raise
        await self.limits.admit(caller, tool)
        return tool

    @traced("tool")
    async def _run(self, request: Request, caller: Caller, tool: Tool, query: Arguments, slot: Slot) -> Any:
        call = Call(
            caller=caller,
            database=self.domain.reads(caller.tenant),
            cursors=SealedCursors(self.cursor_keys, caller, f"{request.server}.{tool.name}"),
            request_id=request.request_id,
            open_transaction=slot.transaction,
        )
        deadline_s = tool.deadline_s or self.deadline_s
        try:
            async with asyncio.timeout(deadline_s):
                return await tool.run(call, query)
        except TimeoutError:
            message = f"{tool.name} ran out of its {deadline_s:g} s; nothing was changed. Ask for less."
            raise Timeout(message) from None
