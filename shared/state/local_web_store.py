import time
from collections.abc import Callable

from shared.core.errors import Unavailable
from shared.state.keys import CannotOpen, KeyRing
from shared.state.web_store import named


class LocalWebStore:
    """The twin of `RedisWebStore` inside one process: what it keeps ends with it.

    Args:
        clock: Seconds that never run backwards.
        most: Values at once. Beyond it new ones are refused rather than other people's ended.
    """

    def __init__(self, ring: KeyRing, clock: Callable[[], float] = time.monotonic, most: int = 10_000) -> None:
        self._ring = ring
        self._clock = clock
        self._most = most
        self._kept: dict[str, tuple[bytes, float]] = {}
        """Sealed, and until when."""

    async def put(self, kind: str, name: str, value: bytes, ttl_s: float) -> None:
        key, now = named(kind, name), self._clock()
        if key not in self._kept and len(self._kept) >= self._most:
            self._kept = {other: kept for other, kept in self._kept.items() if kept[1] > now}
            if len(self._kept) >= self._most:
                raise Unavailable("Too many people at once; try again in a minute.")
        self._kept[key] = self._ring.seal(value, key.encode()), now + ttl_s

    async def replace(self, kind: str, name: str, value: bytes, ttl_s: float) -> bool:
        there = self._live(named(kind, name)) is not None
        if there:
            await self.put(kind, name, value, ttl_s)
        return there

    async def get(self, kind: str, name: str, ttl_s: float | None = None) -> bytes | None:
        key = named(kind, name)
        sealed = self._live(key)
        if sealed is None:
            return None
        if ttl_s is not None:
            self._kept[key] = sealed, self._clock() + ttl_s
        return self._open(sealed, key)

    async def take(self, kind: str, name: str) -> bytes | None:
        key = named(kind, name)
        sealed = self._live(key)
        self._kept.pop(key, None)
        return self._open(sealed, key) if sealed is not None else None

    async def claim(self, kind: str, name: str, ttl_s: float) -> bool:
        if self._live(named(kind, name)) is not None:
            return False
        await self.put(kind, name, b"", ttl_s)
        return True

    def __len__(self) -> int:
        return len(self._kept)

    def _live(self, key: str) -> bytes | None:
        sealed, until = self._kept.get(key, (b"", 0.0))
        return sealed if until > self._clock() else None

    def _open(self, sealed: bytes, key: str) -> bytes | None:
        try:
            return self._ring.open(sealed, key.encode())
        except CannotOpen:
            return None
