import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID, uuid4

import anyio

from shared.core import tracing
from shared.core.asking import Asked
from shared.core.caller import Caller
from shared.core.errors import Failure, InvalidCursor, OutcomeUnknown, Unavailable, UnknownTarget
from shared.core.request import Request
from shared.core.tool import Arguments, Tool
from shared.steps.redaction import redact_for_audit

Listener = Callable[[Mapping[str, Any]], None]


class Sink(Protocol):
    """Where records go. `write` returns once the record is durable.

    Raises:
        Unavailable: It could not be stored; the call must be refused.
    """

    def write(self, record: dict[str, Any]) -> Awaitable[None]: ...


class Entry:
    """What is known of a call so far; becomes one record, or for a write an intent and an outcome."""

    def __init__(self, sink: Sink, request: Request, caller: Caller, tool: Tool | None = None) -> None:
        self._sink = sink
        self._started = time.perf_counter()
        self.request = request
        self.caller = caller
        self.tool = tool  # known for refusals too: it says which arguments are sensitive
        self.query: Arguments | None = None
        self.intent: UUID | None = None
        self.facts: dict[str, Any] = {"answers": told(request.answers)} if request.answers else {}
        if tool is not None and tool.deprecated:
            self.facts["deprecated"] = tool.deprecated.since
        tracing.tell(target=tool.name if tool else "", tenant=caller.tenant)

    @tracing.traced("intent")
    async def begin(self) -> UUID:
        """Record durably that a write is about to start; its outcome will name this intent."""
        intent = uuid4()
        record = {**self._record("intent"), "id": str(intent), "intent": str(intent)}
        self.intent = intent  # before it is written: if we are cancelled meanwhile, the outcome names it
        await self._sink.write(record)
        return intent

    @tracing.traced("audit")
    async def end(self, outcome: str) -> None:
        """Record durably how the call ended."""
        record = self._record("call" if self.intent is None else "outcome")
        record |= {"outcome": outcome, "duration_us": int((time.perf_counter() - self._started) * 1e6)}
        tracing.tell(outcome="unaudited")
        await self._sink.write(record)
        tracing.tell(outcome=outcome)

    def _record(self, kind: str) -> dict[str, Any]:
        request, tool = self.request, self.tool
        given = request.arguments if self.query is None else self.query
        redacted = redact_for_audit(given, tool.arguments if tool else None)
        # Names are the client's choice too: a URI or an agent may hold an address, a token, or a NUL.
        named = redact_for_audit({"target": request.name[:512], "agent": request.agent}).value
        return {
            "v": 1,
            "id": str(uuid4()),
            "at": now(),
            "kind": kind,
            "intent": str(self.intent) if self.intent else None,
            "server": request.server,
            "target_kind": request.kind,
            "effect": str(tool.effect) if tool else None,
            "era": request.era,
            "transport": request.transport,
            "request_id": request.request_id,
            "trace_id": request.trace_id,
            "client_address": request.client_address,
            **named,
            "arguments": redacted.value,
            "arguments_redacted": list(redacted.redactions),
            **who(self.caller),
            **self.facts,
        }


def who(caller: Caller) -> dict[str, Any]:
    return {
        "tenant": caller.tenant,
        "subject": caller.subject,
        "issuer": caller.issuer,
        "client": caller.client,
        "actor": caller.actor,
        "actors": list(caller.actors),
        "trust": caller.trust,
        "token_id": caller.token_id,
        "scopes": sorted(caller.scopes),
        "roles": sorted(caller.roles),
    }


def told(answers: Mapping[str, Any]) -> dict[str, str]:
    """What the caller's user said, in one word a question; what they filled in is the arguments' to show."""
    known = {"accept", "decline", "cancel"}
    actions = {key: answer.get("action") if isinstance(answer, dict) else None for key, answer in answers.items()}  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return {key[:64]: action if action in known else "other" for key, action in actions.items()}  # pyright: ignore[reportUnknownVariableType]


def now() -> str:
    """The time of a record: UTC, microseconds, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


@asynccontextmanager
async def record(sink: Sink, request: Request, caller: Caller, tool: Tool | None = None) -> AsyncGenerator[Entry]:
    """Surrounds a call: on every way out, refusals, crashes and cancellation included, its record is durable.

    Raises:
        Unavailable: The record could not be stored, whatever the call itself came to.
        OutcomeUnknown: The same, for a write that was committed.
    """
    entry = Entry(sink, request, caller, tool)
    try:
        yield entry
    except BaseException as error:  # cancellation too: every way out has its record
        with anyio.CancelScope(shield=True):
            await entry.end(outcome_of(error))
        raise
    with anyio.CancelScope(shield=True):
        await _end_well(entry)


async def _end_well(entry: Entry) -> None:
    try:
        await entry.end("ok")
    except Unavailable:
        if entry.intent is None:
            raise
        raise OutcomeUnknown(
            "The change was made, but its record could not be. Repeat the call with the same idempotency_key "
            "for the answer; it will not be done twice."
        ) from None


def outcome_of(error: BaseException) -> str:
    """One stable word for how a call failed."""
    match error:
        case Failure():
            return error.code
        case UnknownTarget():
            return "unknown_target"
        case InvalidCursor():
            return "invalid_cursor"
        case Asked():
            return "input_required"
        case Exception():
            return "internal"
        case _:
            return "cancelled"
