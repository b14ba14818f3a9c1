from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

from shared.state.sessions import MOST_EVENTS, Event, Origin, UnknownStream, position_of

Name = tuple[str, str, str]

_MOST_BYTES = 64 * 2**20


@dataclass
class _Stream:
    run: int
    until: float
    origin: Origin | None = None
    said: int = 0
    last: int | None = None
    events: deque[bytes] = field(default_factory=deque[bytes])

    @property
    def size(self) -> int:
        return sum(map(len, self.events))


class LocalStreams:
    """Streams of events inside one process, by tenant, handle and stream.

    Args:
        clock: Seconds that never run backwards.
        ttl_s: How long a stream is kept after its last event.
        most: Streams at once. Beyond it, and beyond 64 MiB of events, those that were quiet longest are forgotten.
    """

    def __init__(self, clock: Callable[[], float], ttl_s: float, most: int = 10_000) -> None:
        self._clock = clock
        self._ttl_s = ttl_s
        self._most = most
        self._bytes = 0
        self._runs = count(1)
        self._streams: dict[Name, _Stream] = {}
        """The one that was quiet longest first."""

    def begin(self, name: Name, origin: Origin) -> None:
        self._touched(name).origin = origin

    def origin(self, name: Name) -> Origin:
        self._sweep()
        stream = self._streams.get(name)
        if stream is None or stream.origin is None:
            raise UnknownStream
        return stream.origin

    def append(self, name: Name, data: bytes, *, last: bool) -> str | None:
        stream = self._touched(name)
        if stream.last is not None:
            return None
        stream.said += 1
        if last:
            stream.last = stream.said
        stream.events.append(data)
        self._bytes += len(data)
        if len(stream.events) > MOST_EVENTS:
            self._bytes -= len(stream.events.popleft())
        self._make_room(stream)
        return f"{stream.run}-{stream.said}"

    def read(self, name: Name, after: str) -> Sequence[Event]:
        self._sweep()
        stream = self._streams.get(name)
        run, number = position_of(after)
        if stream is None or run not in {0, stream.run}:
            raise UnknownStream
        if stream.last is None:
            self._touched(name)
        begins = stream.said - len(stream.events)
        if not begins <= number <= stream.said:
            raise UnknownStream
        kept = list(stream.events)[number - begins :]
        return [Event(f"{stream.run}-{n}", data, n == stream.last) for n, data in enumerate(kept, number + 1)]

    def forget(self, tenant: str, handle: str) -> None:
        """All streams of a session."""
        for name in [name for name in self._streams if name[:2] == (tenant, handle)]:
            self._drop(name)

    def __len__(self) -> int:
        return len(self._streams)

    def _touched(self, name: Name) -> _Stream:
        """The stream, made if it is not there, kept from now on for the whole time again."""
        self._sweep()
        stream = self._streams.pop(name, None)
        if stream is None:
            if len(self._streams) >= self._most:
                self._forget_first()
            stream = _Stream(next(self._runs), 0)
        self._streams[name] = stream
        stream.until = self._clock() + self._ttl_s
        return stream

    def _sweep(self) -> None:
        while self._streams and next(iter(self._streams.values())).until <= self._clock():
            self._forget_first()

    def _make_room(self, written: _Stream) -> None:
        while self._bytes > _MOST_BYTES:
            name, stream = next(iter(self._streams.items()))
            if stream is written:
                self._bytes -= len(stream.events.popleft())
            else:
                self._drop(name)

    def _forget_first(self) -> None:
        self._drop(next(iter(self._streams)))

    def _drop(self, name: Name) -> None:
        self._bytes -= self._streams.pop(name).size
