"""Null parts for the controls that are switched off. They exist here alone: the product has no such switch."""

from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from enum import StrEnum
from typing import Any, cast
from unittest.mock import patch

from pydantic import BaseModel

from shared.core.caller import Caller
from shared.core.decision import Decision
from shared.core.request import Request
from shared.core.server import Server
from shared.core.settings import Settings
from shared.core.tool import Arguments, Effect, Tool
from shared.parts import Parts
from shared.pipeline import Pipeline
from shared.state.database import Database
from shared.steps.audit import Entry, Sink
from shared.steps.auth import Verifier
from shared.steps.idempotency import Ledger, Slot
from shared.steps.limits import Left, Limiter
from shared.steps.policy import Policy
from shared.steps.redaction import Redacted


class Control(StrEnum):
    """What can be switched off, in the order a call meets them."""

    AUTHENTICATION = "authentication"
    POLICY = "policy"
    LIMITS = "limits"
    LEDGER = "ledger"
    RECORDS = "records"
    """The audit record is made, masked and signed for, but not stored."""
    AUDIT = "audit"
    """It is stored, too, before the answer leaves."""
    REDACTION = "redaction"
    TELEMETRY = "telemetry"
    """Counted, one log line a call, and spans if the settings name a collector."""


class _Anybody(Verifier):
    """Takes every request for one caller's, without a look at its token."""

    def __init__(self, settings: Settings, scopes: list[str]) -> None:
        self._anybody = Caller("bench", settings.token_issuer, "bench", "acme", Caller.granted(scopes))

    async def verify(self, authorization: str | None) -> Caller:
        return self._anybody


class _Lenient(Policy):
    """Everybody may do everything, and nobody looks."""

    def __init__(self) -> None:
        self._allowed = Decision("allow")

    def shows(self, caller: Caller, tool: Tool) -> bool:
        return True

    def visible(self, caller: Caller, tool: Tool | None, request: Request) -> Tool:
        return cast("Tool", tool)

    def narrowed(self, caller: Caller) -> Caller:
        return caller

    async def decide(self, caller: Caller, tool: Tool, query: Arguments) -> Decision:
        return self._allowed


class _Unlimited(Limiter):
    @asynccontextmanager
    async def admitted(self, request: Request, caller: Caller, tool: Tool | None) -> AsyncGenerator[Left]:
        yield {}

    async def admit(self, request: Request, caller: Caller, tool: Tool | None) -> None:
        return


class _Forgetful(Ledger):
    """A write has its transaction, and nothing else: no claim, no stored answer, no intent."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def once(
        self, entry: Entry, caller: Caller, tool: Tool, query: Arguments, key: str | None = None
    ) -> AsyncGenerator[Slot]:
        if tool.effect is Effect.READ:
            yield Slot()
            return
        async with self._database.transaction(caller.tenant) as transaction:
            yield Slot(transaction=transaction)


class _Nowhere(Sink):
    async def write(self, record: dict[str, Any]) -> None:
        return


@asynccontextmanager
async def _no_record(sink: Sink, request: Request, caller: Caller, tool: Tool | None = None) -> AsyncGenerator[Entry]:
    yield Entry(sink, request, caller, tool)


async def _unwatched(_watch: Any, ctx: Any, call_next: Any) -> Any:
    return await call_next(ctx)


def _as_it_is(answer: BaseModel, caller: Caller, pii_scope: str | None = None) -> Redacted:
    return Redacted(answer.model_dump(mode="json", by_alias=True))


def _pipeline(parts: Parts, server: Server, on: set[Control]) -> Pipeline:
    """The pipeline with null parts in place of those that are off."""
    whole = _WHOLE(parts, server)
    return replace(
        whole,
        policy=whole.policy if Control.POLICY in on else _Lenient(),
        sink=whole.sink if Control.AUDIT in on else _Nowhere(),
        limits=whole.limits if Control.LIMITS in on else _Unlimited(),
        ledger=whole.ledger if Control.LEDGER in on else _Forgetful(parts.database),
    )


_WHOLE = Parts.pipeline


@contextmanager
def replaced(on: set[Control], settings: Settings, scopes: list[str]) -> Generator[None]:
    """Replaces, for a server that is opened as long as the context lasts, what is off.

    Args:
        on: What is left as it is.
        settings: Of the server.
        scopes: Of everybody, where nobody is authenticated.
    """

    def with_nulls(parts: Parts, server: Server) -> Pipeline:
        return _pipeline(parts, server, on)

    def anybody(*_of: object, **_named: object) -> Verifier:
        return _Anybody(settings, scopes)

    with ExitStack() as stack:
        stack.enter_context(patch.object(Parts, "pipeline", with_nulls))
        for control, (name, null) in _STEPS.items():
            if control not in on:
                stack.enter_context(patch(name, null))
        if Control.AUTHENTICATION not in on:
            stack.enter_context(patch("shared.app.Verifier", anybody))
        yield


_STEPS: dict[Control, tuple[str, Any]] = {
    Control.RECORDS: ("shared.steps.audit.record", _no_record),
    Control.REDACTION: ("shared.pipeline.redact", _as_it_is),
    Control.TELEMETRY: ("shared.edge.watch.Watch.__call__", _unwatched),
}
"""Steps that are functions."""
