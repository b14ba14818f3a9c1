"""One connection of the load: HTTP/1.1 with keep-alive and Content-Length alone.

Requests are ready bytes, so that little is measured of us.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

SESSION = b"<session>"
"""Stands in a request for the id of the connection's session."""

_HEAD_END = b"\r\n\r\n"
_SESSION_HEADER = b"mcp-session-id:"
_FAILED = b'"isError":true'
_READ_WHOLE = 64
"""One answer of so many is parsed and read in full; of the others it is known that they hold what they must."""


class WrongAnswer(Exception):
    """An answer that is none, or not the one asked for: figures of it would mean nothing."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, and what its answer must hold.

    Attributes:
        opening: What each connection says first, in this order; the answers are no part of the figures.
        status: Of a right answer.
        refusable: 429 is an answer, too: counted, and nothing else.
    """

    request: bytes
    holds: bytes
    opening: "tuple[Ask, ...]" = ()
    status: bytes = b"200"
    refusable: bool = False


@dataclass
class Run:
    """What the connections of one window share."""

    asks: Iterator[Ask]
    opening: tuple[Ask, ...]
    ended: "asyncio.Future[None]"
    every_s: float = 0
    counting: bool = False
    latencies: list[float] = field(default_factory=list[float])
    answers: int = 0
    refused: int = 0
    enough: int | None = None
    _next_due: float = 0

    def due(self) -> float:
        """When the next request is to be sent, by `time.perf_counter`."""
        self._next_due = (self._next_due or time.perf_counter()) + self.every_s
        return self._next_due

    def fail(self, said: str) -> None:
        if not self.ended.done():
            self.ended.set_exception(WrongAnswer(said))

    def take(self, ask: Ask, body: bytes, seconds: float) -> None:
        if ask.holds not in body or _FAILED in body:
            self.fail(f"asked {ask.request[-200:]!r}, which must hold {ask.holds!r}: {body[:600]!r}")
            return
        self.answers += 1
        if self.answers % _READ_WHOLE == 1 and (problem := _problem(body)):
            self.fail(f"{problem}: {body[:600]!r}")
        if self.counting:
            self.latencies.append(seconds * 1000)
        if self.answers == self.enough and not self.ended.done():
            self.ended.set_result(None)


def _problem(body: bytes) -> str | None:
    try:
        said: Any = json.loads(body)
    except ValueError:
        return "no JSON"
    result: Any = cast("dict[str, Any]", said).get("result") if isinstance(said, dict) else None
    if not isinstance(result, dict):
        return "no result"
    return "a failure" if cast("dict[str, Any]", result).get("isError") else None


class Connection(asyncio.Protocol):
    def __init__(self, run: Run) -> None:
        self._run = run
        self._unsaid = list(run.opening)
        self._session = b""
        self._buffer = b""
        self._length = 0  # of the whole answer, once its head is there

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        self._run.fail(f"the server hung up: {exc}")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._length and not self._head():
            return
        if len(self._buffer) < self._length:
            return
        seconds = time.perf_counter() - self._sent
        if self._refused:
            self._run.refused += self._run.counting
        elif self._opens:
            self._opened(self._buffer[self._body :])
        else:
            self._run.take(self._ask, self._buffer[self._body :], seconds)
        self._buffer, self._length = b"", 0
        self._send()

    def _send(self) -> None:
        if self._run.ended.done():
            return
        self._opens = bool(self._unsaid)
        self._ask = self._unsaid.pop(0) if self._opens else next(self._run.asks)
        if self._opens or not self._run.every_s:
            self._write()
            return
        due = self._run.due()
        wait_s = due - time.perf_counter()
        if wait_s > 0:
            asyncio.get_running_loop().call_later(wait_s, self._write)
        else:
            self._write()
            self._sent = due  # it had to wait for an answer that came late: that is the server's time, too

    def _write(self) -> None:
        if self._run.ended.done():
            return
        request = self._ask.request
        if self._session:
            request = request.replace(SESSION, self._session, 1)
        self._sent = time.perf_counter()
        self._transport.write(request)

    def _head(self) -> bool:
        end = self._buffer.find(_HEAD_END)
        if end < 0:
            return False
        head = self._buffer[:end].lower()
        at = head.find(b"content-length:")
        status = head[9:12]
        self._refused = self._ask.refusable and status == b"429"
        if not (head.startswith(b"http/1.1") and (self._refused or status == self._ask.status)) or at < 0:
            self._run.fail(f"not {self._ask.status.decode()} with a length: {self._buffer[:900]!r}")
            return False
        self._body = end + len(_HEAD_END)
        self._length = self._body + int(head[at + 15 :].split(b"\r\n", 1)[0])
        return True

    def _opened(self, body: bytes) -> None:
        """One answer more of the opening; the first names the session."""
        if self._ask.holds not in body:
            self._run.fail(f"no opening: {self._buffer[:900]!r}")
        at = self._buffer[: self._body].lower().find(_SESSION_HEADER)
        if at >= 0:
            self._session = self._buffer[at + len(_SESSION_HEADER) : self._body].split(b"\r\n", 1)[0].strip()
