"""Streams that stay open: few for each caller, none longer than the caller's token, all ended when access is revoked.

A stream of the 2026 era is the answer to `subscriptions/listen`, one of the 2025 era the answer to a GET.
"""

import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Literal

import anyio
import orjson
import structlog

from shared.core.caller import Caller
from shared.core.errors import RateLimited
from shared.core.settings import Settings
from shared.edge.draining import Draining
from shared.state.bus import Bus, Inbox
from shared.state.switches import Switches

log = structlog.get_logger("streams")

CALLERS = "callers"
"""The bus topic that tells of callers: `{"revoked": {"tenant": …, "subject": …}}` ends all their streams."""

Why = Literal["expired", "revoked", "suspended", "missed", "draining"]
"""Why we ended a stream: the token's time was up, somebody took the access away, or stopped the user, client or tenant,
the bus may have lost such news (the client opens another stream, and is checked anew), or this process is about to
stop."""

_LOOK_S = 60.0
_RETRY_S = 10.0


class Stream:
    """One open stream.

    Attributes:
        caller: Whose it is.
        ended: Why we ended it; None while it is open, and when its client went away.
    """

    def __init__(self, caller: Caller, lasts_s: float | None) -> None:
        self.caller = caller
        self.ended: Why | None = None
        self.scope = anyio.CancelScope()
        if lasts_s is not None:
            self.scope.deadline = anyio.current_time() + lasts_s

    def end(self, why: Why) -> None:
        """End it, whatever it is waiting for; the first reason counts."""
        self.ended = self.ended or why
        self.scope.cancel()


class OpenStreams:
    """The open streams of this process.

    Args:
        most: Of one user (tenant, issuer and subject) at once.
        skew_s: How long after its expiry a token is still accepted.
        clock: Seconds since the epoch.
        switches: Who is stopped may have none.
    """

    def __init__(
        self,
        most: int,
        skew_s: float = 0,
        clock: Callable[[], float] = time.time,
        switches: Switches | None = None,
    ) -> None:
        self._most = most
        self._skew_s = skew_s
        self._clock = clock
        self._switches = switches or Switches()
        self._open: set[Stream] = set()
        self._draining = False

    def __len__(self) -> int:
        return len(self._open)

    @contextmanager
    def open(self, caller: Caller) -> Generator[Stream]:
        """Hold a stream open. When it is ended the body is cancelled, and what follows the `with` runs.

        Raises:
            RateLimited: The caller has as many as allowed.
        """
        if sum(_user(stream.caller) == _user(caller) for stream in self._open) >= self._most:
            message = f"You have {self._most} streams open here, as many as allowed. Close one, then open this."
            raise RateLimited(message, _RETRY_S, "streams_per_user")
        lasts_s = caller.expires_at + self._skew_s - self._clock() if caller.expires_at else None
        stream = Stream(caller, lasts_s)
        self._open.add(stream)
        try:
            with stream.scope:
                if self._draining:
                    stream.end("draining")
                self._end_if_stopped(stream)
                yield stream
            if stream.scope.cancelled_caught:
                stream.ended = stream.ended or "expired"
        finally:
            self._open.discard(stream)

    def end(self, why: Why, tenant: str | None = None, subject: str | None = None) -> None:
        """End all streams, or those of one subject of a tenant."""
        for stream in list(self._open):
            if subject is None or (stream.caller.tenant, stream.caller.subject) == (tenant, subject):
                stream.end(why)

    def end_stopped(self, _added: object = None) -> None:
        """End the streams of everybody who is stopped now."""
        for stream in list(self._open):
            self._end_if_stopped(stream)

    def _end_if_stopped(self, stream: Stream) -> None:
        if self._switches.revoked(stream.caller):
            stream.end("revoked")
        elif self._switches.suspended(stream.caller) is not None:
            stream.end("suspended")

    def drain(self) -> None:
        """End all streams, and those still to be opened at once."""
        self._draining = True
        self.end("draining")

    async def hear(self, inbox: Inbox) -> None:
        """End streams as the topic `callers` says, until cancelled."""
        while True:
            message = await inbox.next(_LOOK_S)
            if inbox.missed:
                self.end("missed")
            if message is not None:
                self._obey(message)

    def _obey(self, message: bytes) -> None:
        try:
            said = orjson.loads(message)
            tenant, subject = said["revoked"]["tenant"], said["revoked"]["subject"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            log.warning("a message about callers was not understood")
            return
        self.end("revoked", str(tenant), str(subject))


@asynccontextmanager
async def open_streams(
    bus: Bus, draining: Draining, settings: Settings, switches: Switches
) -> AsyncGenerator[OpenStreams]:
    """The streams of this process, which hears of revocations and of its own end as long as the context lasts."""
    async with bus.listening(CALLERS) as inbox, anyio.create_task_group() as tasks:
        streams = OpenStreams(settings.streams_per_user, settings.clock_skew_s, switches=switches)
        tasks.start_soon(streams.hear, inbox)
        with draining.on_begin(streams.drain), switches.on_change(streams.end_stopped):
            try:
                yield streams
            finally:
                tasks.cancel_scope.cancel()


def _user(caller: Caller) -> tuple[str, str, str]:
    return caller.tenant, caller.issuer, caller.subject
