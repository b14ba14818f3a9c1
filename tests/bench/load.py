"""A closed loop over raw connections: each sends its next request when the answer to the last one is there and right.

It can also send at a given rate, and open a session of the 2025 era on each connection first.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import repeat
from typing import cast

from tests.bench.connection import Ask, Connection, Run, WrongAnswer

Asks = Callable[[], Iterator[Ask]]

_PATIENCE_S = 30.0


@dataclass(frozen=True)
class Window:
    """What one stretch of load came to.

    Attributes:
        seconds: From the end of the warm-up on.
        latencies_ms: Of each answer that came in that time, sorted.
        busy: Share of the time that the generator itself was at work; near 1 it measures itself.
        refused: Answers 429 in that time.
    """

    seconds: float
    latencies_ms: list[float]
    busy: float
    refused: int = 0

    @property
    def per_second(self) -> float:
        return len(self.latencies_ms) / self.seconds

    def percentile(self, share: float) -> float:
        """In ms."""
        return self.latencies_ms[min(len(self.latencies_ms) - 1, int(share * len(self.latencies_ms)))]


async def press(
    ports: Sequence[int], asks: Asks, concurrency: int, seconds: float, warm_s: float, *, per_second: float = 0
) -> Window:
    """Load servers on this machine for `warm_s` uncounted and `seconds` counted seconds, or until an answer came.

    Args:
        ports: Of the servers; each gets as many of the connections as any other.
        asks: What is asked.
        concurrency: Connections, each with one request under way at most.
        seconds: Counted.
        warm_s: Not counted.
        per_second: Requests are sent at this rate, and what waits for a connection counts as waiting for the server;
            0 for each as soon as the answer to the one before is there.

    Raises:
        WrongAnswer: At the first answer that is not what was asked for.
    """
    async with pressing(ports, asks, concurrency, per_second) as run:
        await _unless_failed(run, warm_s)
        run.counting, began, worked = True, time.perf_counter(), time.process_time()
        await _unless_failed(run, seconds)
        while not run.latencies and time.perf_counter() - began < _PATIENCE_S:  # a busy machine, or one long search
            await _unless_failed(run, seconds)
        run.counting, lasted, worked = False, time.perf_counter() - began, time.process_time() - worked
        if not run.latencies:
            raise WrongAnswer(f"not one answer in {lasted:.1f} s")
        return Window(lasted, sorted(run.latencies), worked / lasted, run.refused)


async def warm(ports: Sequence[int], asks: Asks, concurrency: int, seconds: float, *, per_second: float = 0) -> None:
    """Load servers for so long, and count nothing."""
    async with pressing(ports, asks, concurrency, per_second) as run:
        await _unless_failed(run, seconds)


@asynccontextmanager
async def pressing(ports: Sequence[int], asks: Asks, concurrency: int, per_second: float = 0) -> AsyncGenerator[Run]:
    """Load servers as long as the context lasts.

    Raises:
        WrongAnswer: At its end, if there was one.
    """
    loop = asyncio.get_running_loop()
    run = Run(asks(), next(asks()).opening, loop.create_future(), 1 / per_second if per_second else 0)
    made: list[asyncio.BaseTransport] = []
    try:
        for number in range(concurrency):
            transport, _ = await loop.create_connection(
                lambda: Connection(run), "127.0.0.1", ports[number % len(ports)]
            )
            made.append(transport)
        yield run
        if run.ended.done():
            await run.ended
    finally:
        if not run.ended.done():
            run.ended.set_result(None)
        elif not run.ended.cancelled():
            run.ended.exception()  # known by now
        for transport in made:
            cast("asyncio.Transport", transport).abort()


async def _unless_failed(run: Run, seconds: float) -> None:
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
        run = Run(repeat(ask), ask.opening, loop.create_future(), enough=1)
        try:
            transport, _ = await loop.create_connection(lambda run=run: Connection(run), "127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.02)
            continue
        try:
            await _unless_failed(run, deadline - time.monotonic())
            return
        finally:
            transport.abort()
    raise WrongAnswer(f"nobody listens on {port}")
