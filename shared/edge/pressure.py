"""What one process takes on at a time: so much is served, a little waits for a moment, and the rest is refused."""

import asyncio
import time
from collections import deque
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress

from shared.core import metrics
from shared.core.errors import Unavailable
from shared.core.settings import Settings

_PRESSED = 0.8
_LAG_PRESSED_S = 0.1
_TICK_S = 0.1
_NEWEST = 0.3


class Busy(Unavailable):
    """There is no room; nothing was done.

    Attributes:
        reason: The word it is counted under: `overload_queue`, `overload_wait` or `overload_streams`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__("This server is busy. Nothing was done; retry in a few seconds.")
        self.reason = reason


class Pressure:
    """The bounds of a process, one for all its servers; it belongs to the event loop's thread.

    The queue is first come, first served, under controlled delay (CoDel, RFC 8289, as it is applied to requests:
    B. Maurer, "Fail at Scale", ACM Queue 13(8), 2015): a burst may wait `max_wait_s`, but once the queue has not been
    empty for that long, waiting does not help any more and each newcomer waits a tenth of it. So the calls that get
    in stay fast, whatever arrives.

    Attributes:
        in_flight: Requests that are being served.
        streams: Streams that are open, and calls that wait for a person.
        lag_s: How late the event loop runs what is due, averaged; see `run`.
    """

    def __init__(self, settings: Settings) -> None:
        self._most = settings.max_in_flight
        self._most_waiting = settings.max_waiting
        self._most_streams = settings.max_streams
        self._wait_s = settings.max_wait_s
        self._waiting: deque[asyncio.Future[bool]] = deque()
        self._queued_since = 0.0
        self.in_flight = 0
        self.streams = 0
        self.lag_s = 0.0

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def pressed(self) -> bool:
        """Whether work that can wait should be refused now: there is a fifth of the room left, or the loop is late."""
        return self.in_flight >= self._most * _PRESSED or self.lag_s > _LAG_PRESSED_S

    def enter_at_once(self) -> bool:
        """Take a place if one is free. Every place that was taken is given back with `leave`."""
        if self.in_flight < self._most:
            self.in_flight += 1
            return True
        return False

    async def enter(self) -> None:
        """Wait for a place.

        Raises:
            Busy: The queue is full, or none came free in time.
        """
        if len(self._waiting) >= self._most_waiting:
            raise Busy("overload_queue")
        loop = asyncio.get_running_loop()
        if not self._waiting:
            self._queued_since = loop.time()
        stands = loop.time() - self._queued_since >= self._wait_s
        turn: asyncio.Future[bool] = loop.create_future()
        self._waiting.append(turn)
        timer = loop.call_later(self._wait_s / 10 if stands else self._wait_s, self._give_up, turn)
        try:
            admitted = await turn
        except asyncio.CancelledError:
            self._give_up(turn)
            if not turn.cancelled() and turn.result():
                self.leave()
            raise
        finally:
            timer.cancel()
        if not admitted:
            raise Busy("overload_wait")

    def leave(self) -> None:
        """Give the place to who waits longest, or free it."""
        while self._waiting and self.in_flight <= self._most:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(True)
                return
        self.in_flight -= 1

    def open_stream(self) -> None:
        """Take the place of a stream: it costs memory, not time. It is given back with `close_stream`.

        Raises:
            Busy: Too many are open.
        """
        if self.streams >= self._most_streams:
            raise Busy("overload_streams")
        self.streams += 1

    def close_stream(self) -> None:
        self.streams -= 1

    @contextmanager
    def aside(self) -> Generator[None]:
        """A call that waits for a person, or streams: for as long as the context lasts it counts as a stream.

        When it goes on it has its place back at once, even if that is one too many: people answer one by one.

        Raises:
            Busy: Too many streams are open.
        """
        self.open_stream()
        self.leave()
        try:
            yield
        finally:
            self.in_flight += 1
            self.close_stream()

    async def run(self) -> None:
        """Measure the event loop, and tell the metrics, until cancelled."""
        with ExitStack() as stack:
            stack.enter_context(metrics.REQUESTS_WAITING.reading(lambda: self.waiting))
            stack.enter_context(metrics.STREAMS.reading(lambda: self.streams))
            stack.enter_context(metrics.LOOP_LAG.reading(lambda: self.lag_s))
            while True:
                due = time.perf_counter() + _TICK_S
                await asyncio.sleep(_TICK_S)
                late = max(0.0, time.perf_counter() - due)
                self.lag_s += (late - self.lag_s) * _NEWEST

    def _give_up(self, turn: "asyncio.Future[bool]") -> None:
        with suppress(ValueError):  # it was given a place
            self._waiting.remove(turn)
        if not turn.done():
            turn.set_result(False)
