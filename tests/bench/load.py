"""A closed loop over raw connections: each sends its next request when the answer to the last one is there and right.

HTTP/1.1 with keep-alive and Content-Length alone; requests are ready bytes, so that little is measured of us.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, cast

_HEAD_END = b"\r\n\r\n"
_FAILED = b'"isError":true'
_READ_WHOLE = 64
"""One answer of so many is parsed and read in full; of the others it is known that they hold what they must."""
_PATIENCE_S = 30.0


class WrongAnswer(Exception):
    """An answer that is none, or not the one asked for: figures of it would mean nothing."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, and what its answer must hold."""

    request: bytes
    holds: bytes


Asks = Callable[[], Iterator[Ask]]


@dataclass(frozen=True)
class Window:
    """What one stretch of load came to.

    Attributes:
        seconds: From the end of the warm-up on.
        latencies_ms: Of each answer that came in that time, sorted.
        busy: Share of the time that the generator itself was at work; near 1 it measures itself.
    """

    seconds: float
    latencies_ms: list[float]
    busy: float

    @property
    def per_second(self) -> float:
        return len(self.latencies_ms) / self.seconds

    def percentile(self, share: float) -> float:
        """In ms."""
        return self.latencies_ms[min(len(self.latencies_ms) - 1, int(share * len(self.latencies_ms)))]


@dataclass
class _Run:
    """What the connections of one window share."""

    asks: Iterator[Ask]
    ended: "asyncio.Future[None]"
    counting: bool = False
    latencies: list[float] = field(default_factory=list[float])
    answers: int = 0
    enough: int | None = None

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


class _Connection(asyncio.Protocol):
    def __init__(self, run: _Run) -> None:
        self._run = run
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
        self._run.take(self._ask, self._buffer[self._body :], seconds)
        self._buffer, self._length = b"", 0
        self._send()

    def _send(self) -> None:
        if self._run.ended.done():
            return
        self._ask = next(self._run.asks)
        self._sent = time.perf_counter()
        self._transport.write(self._ask.request)

    def _head(self) -> bool:
        end = self._buffer.find(_HEAD_END)
        if end < 0:
            return False
        head = self._buffer[:end].lower()
        at = head.find(b"content-length:")
        if not head.startswith(b"http/1.1 200") or at < 0:
            self._run.fail(f"neither 200 nor with a length: {self._buffer[:900]!r}")
            return False
        self._body = end + len(_HEAD_END)
        self._length = self._body + int(head[at + 15 :].split(b"\r\n", 1)[0])
        return True


async def press(port: int, asks: Asks, concurrency: int, seconds: float, warm_s: float) -> Window:
    """Load a server on this machine for `warm_s` uncounted and `seconds` counted seconds, or until an answer came.

    Raises:
        WrongAnswer: At the first answer that is not what was asked for.
    """
    async with _pressing(port, asks, concurrency) as run:
        await _unless_failed(run, warm_s)
        run.counting, began, worked = True, time.perf_counter(), time.process_time()
        await _unless_failed(run, seconds)
        while not run.latencies and time.perf_counter() - began < _PATIENCE_S:  # a busy machine, or one long search
            await _unless_failed(run, seconds)
        run.counting, lasted, worked = False, time.perf_counter() - began, time.process_time() - worked
        if not run.latencies:
            raise WrongAnswer(f"not one answer in {lasted:.1f} s")
        return Window(lasted, sorted(run.latencies), worked / lasted)


async def warm(port: int, asks: Asks, concurrency: int, seconds: float) -> None:
    """Load a server for so long, and count nothing."""
    async with _pressing(port, asks, concurrency) as run:
        await _unless_failed(run, seconds)


@asynccontextmanager
async def _pressing(port: int, asks: Asks, concurrency: int) -> AsyncGenerator[_Run]:
    loop = asyncio.get_running_loop()
    run = _Run(asks(), loop.create_future())
    made = [await loop.create_connection(lambda: _Connection(run), "127.0.0.1", port) for _ in range(concurrency)]
    try:
        yield run
    finally:
        if not run.ended.done():
            run.ended.set_result(None)
        for transport, _ in made:
            transport.abort()


async def _unless_failed(run: _Run, seconds: float) -> None:
    await asyncio.wait({run.ended}, timeout=seconds)
    if run.ended.done():
        await run.ended


async def once(port: int, ask: Ask, lives: Callable[[], bool]) -> None:
    """Wait until the server gives one right answer, as long as it `lives`.

    Raises:
        WrongAnswer: It does not, or not in time.
    """
    loop = asyncio.get_running_loop()
    deadline = time.monotonic() + _PATIENCE_S
    while lives() and time.monotonic() < deadline:
        run = _Run(repeat(ask), loop.create_future(), enough=1)
        try:
            transport, _ = await loop.create_connection(lambda run=run: _Connection(run), "127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.02)
            continue
        try:
            await _unless_failed(run, deadline - time.monotonic())
            return
        finally:
            transport.abort()
    raise WrongAnswer(f"nobody listens on {port}")
