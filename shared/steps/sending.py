"""Do it at most once where the other side cannot tell: a record before it is sent, and a marker to find it by.

A repeat of the call never sends again what may have arrived. It looks for the marker: found, and the answer is read
from there; not there when it would long have shown, and it was not done; else nobody can tell yet.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import anyio
import structlog

from shared.core.caller import Caller
from shared.core.delegation import OnBehalf
from shared.core.errors import Conflict, Failure, InProgress, Invalid, KeyReused, OutcomeUnknown
from shared.core.request import Request
from shared.core.tool import Arguments, Tool, WriteArguments
from shared.core.upstreams import OtherSystem, Reader, Sender, Step
from shared.state.keys import KeyRing
from shared.state.sendings import Sending, Sendings, State
from shared.steps.idempotency import arguments_of, identity

__all__ = ["Acts", "Once", "Reach", "Whose", "settled", "truthful", "whose"]

_MARKER_BYTES = 16
MARGIN_S = 1.0
"""What a process may take beyond its own deadline until it has noted how a request ended."""
_NOTE_S = 5.0

log = structlog.get_logger("sending")


@dataclass(frozen=True, slots=True)
class Whose:
    """The call whose writes these are.

    Attributes:
        identity: As the ledger names it: tenant, issuer, subject, client, server, tool and key.
        arguments: What it was called with.
        key: Whether the caller sent an idempotency key.
        intent: Of the call, in the audit.
    """

    tool: str
    identity: bytes
    arguments: bytes
    key: bool
    dry_run: bool
    intent: UUID | None = None


class Once:
    """The writes of one call.

    Attributes:
        acted: Whether any may have been done: the call cannot be told of as if nothing happened.
    """

    def __init__(self, sendings: Sendings, ring: KeyRing, whose: Whose, in_flight_s: float, settle_s: float) -> None:
        self._sendings = sendings
        self._ring = ring
        self._whose = whose
        self._in_flight_s = in_flight_s
        self._settle_s = max(settle_s, in_flight_s + MARGIN_S)
        self.acted = False

    async def do(
        self, step: Step, target: str, reader: Reader, sender: Sender, send: Callable[[Sender, str], Awaitable[str]]
    ) -> str:
        """As `shared.core.upstreams.OtherSystem.once`."""
        if self._whose.dry_run:
            raise RuntimeError("a dry run sends nothing: the tool has to look at dry_run")
        if not self._whose.key:
            raise Invalid(
                "This call needs an idempotency_key, any unique string of yours: it changes something in another "
                "system, and only by the key can a lost reply be settled without doing it twice."
            )
        digests = self._ring.macs(b"sent arguments" + self._whose.arguments)
        markers = [mac[:_MARKER_BYTES].hex() for mac in self._ring.macs(b"sending" + self._of(step))]
        found = await self._sendings.find(markers)
        if found is None or found.state == "refused":
            marker = found.marker if found else markers[0]
            if await self._sendings.begin(marker, digests[0], self._whose.tool, step.name, target, self._whose.intent):
                return await self._send(marker, sender, send)
            found = await self._sendings.find([marker])
        assert found is not None, "rows are not deleted while their calls can be repeated"  # noqa: S101 - an invariant
        if found.digest not in digests:
            raise KeyReused(
                "This idempotency_key was used before with other arguments. Use a new key for a new call, or repeat "
                "the first call unchanged to learn what became of it."
            )
        return await self._settled(found, step, reader)

    def _of(self, step: Step) -> bytes:
        return step.name.encode() + b"\0" + self._whose.identity

    async def _send(self, marker: str, sender: Sender, send: Callable[[Sender, str], Awaitable[str]]) -> str:
        self.acted = True
        try:
            # A process that was asleep must not send what others have given up for lost meanwhile.
            async with asyncio.timeout(self._in_flight_s):
                reference = await send(sender, marker)
        except OutcomeUnknown:
            await self._note(marker, "unknown")
            raise
        except Failure:
            self.acted = False
            await self._note(marker, "refused")
            raise
        except BaseException:  # cancelled, or crashed: nobody knows how far it came
            await self._note(marker, "unknown")
            raise
        await self._sendings.settle(marker, "done", reference)
        return reference

    async def _note(self, marker: str, state: State) -> None:
        """Note how it ended; where that cannot be noted, the record says that it is being sent, which is as safe."""
        with anyio.move_on_after(_NOTE_S, shield=True):
            try:
                await self._sendings.settle(marker, state)
            except Failure as failure:
                log.warning("the end of a sending could not be noted", marker=marker, code=failure.code)

    async def _settled(self, found: Sending, step: Step, reader: Reader) -> str:
        self.acted = True
        if found.state == "done":
            assert found.reference is not None  # noqa: S101 - a constraint of the table
            return found.reference
        if found.state == "lost":
            self.acted = False
            raise _lost()
        now = await settled(self._sendings, found, step, reader, self._settle_s)
        if now.reference is not None:
            return now.reference
        if found.age_s >= self._settle_s:
            return await self._decided(found.marker)
        if found.state == "sending" and found.age_s < self._in_flight_s + MARGIN_S:
            self.acted = False
            raise InProgress("The same call is still running. Wait a moment, then repeat it unchanged.")
        wait_s = round(self._settle_s - found.age_s, 1)
        raise OutcomeUnknown(
            "Nobody can tell yet whether this was done: its reply was lost and it does not show there so far. It is "
            f"not sent again. Repeat the call with the same idempotency_key; after {wait_s:g} s it is certain.",
            retry_after_s=wait_s,
        )

    async def _decided(self, marker: str) -> str:
        """What was just noted, by us or by somebody who found it a moment before."""
        found = await self._sendings.find([marker])
        if found is not None and found.reference is not None:
            return found.reference
        self.acted = False
        raise _lost()


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a write.

    Attributes:
        reference: What it made; None if it does not show.
        noted: Whether that is certain now, and was not before.
    """

    reference: str | None
    noted: bool


async def settled(sendings: Sendings, found: Sending, step: Step, reader: Reader, settle_s: float) -> Settled:
    """Look for a write whose end is unknown, and note what became of it.

    Raises:
        Failure: The other side cannot be asked now; nothing is noted.
    """
    reference = await step.find(reader, found.target, found.marker, found.sent_at)
    noted = False
    if reference is not None:
        noted = await sendings.settle(found.marker, "done", reference)
    elif found.age_s >= settle_s:
        noted = await sendings.settle(found.marker, "lost")
    if noted:
        log.warning("a lost reply is settled", marker=found.marker, step=found.step, done=reference is not None)
    return Settled(reference, noted)


def _lost() -> Conflict:
    return Conflict(
        "This was sent once, its reply was lost, and it was not done. Use a new idempotency_key to do it now."
    )


class Acts(OtherSystem, Protocol):
    """The other system, for one call."""

    @property
    def acted(self) -> bool:
        """Whether something may have changed there, which no rollback takes back."""
        ...


class Reach(Protocol):
    """The system that a server works over."""

    def of(self, caller: Caller, on_behalf: OnBehalf, whose: Whose) -> Acts:
        """What one call gets of it.

        Raises:
            Denied: The caller is not of those whose system it is.
        """
        ...


def whose(request: Request, caller: Caller, tool: Tool, query: Arguments, intent: UUID | None) -> Whose:
    """The call, as its writes are known by; without a key they cannot be."""
    if not isinstance(query, WriteArguments):
        return Whose(tool.name, b"", b"", key=False, dry_run=True)
    key = query.idempotency_key
    named = identity(caller, request.server, tool, key or "")
    return Whose(tool.name, named, arguments_of(query), key=key is not None, dry_run=query.dry_run, intent=intent)


@asynccontextmanager
async def truthful(other: Acts | None) -> AsyncGenerator[None]:
    """Have no failure after a write elsewhere told as if nothing was done: the same key learns the outcome.

    Raises:
        OutcomeUnknown: In place of what ended the call: a deadline, or something that is away.
    """
    try:
        yield
    except (TimeoutError, Failure) as error:
        if other is None or not other.acted or (isinstance(error, Failure) and not _could_pass(error)):
            raise
        raise OutcomeUnknown(
            "The change was sent, but its result could not be read. Repeat the call with the same idempotency_key to "
            "learn it; it will not be done twice."
        ) from error


def _could_pass(failure: Failure) -> bool:
    return failure.retryable and not isinstance(failure, OutcomeUnknown)
