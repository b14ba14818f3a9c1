from redis.asyncio import Redis

from shared.core.settings import Settings
from shared.state.keys import CannotOpen, KeyRing
from shared.state.redis_calls import RedisCalls
from shared.state.web_store import named


class RedisWebStore:
    """Web sessions that every replica finds; each value is sealed and bound to its key."""

    def __init__(self, redis: Redis, settings: Settings, ring: KeyRing) -> None:
        self._calls = RedisCalls(redis, settings, "Web sessions")
        self._ring = ring

    async def put(self, kind: str, name: str, value: bytes, ttl_s: float) -> None:
        key = _key(kind, name)
        await self._calls.command("SET", key, self._ring.seal(value, key.encode()), "PX", _ms(ttl_s))

    async def replace(self, kind: str, name: str, value: bytes, ttl_s: float) -> bool:
        key = _key(kind, name)
        sealed = self._ring.seal(value, key.encode())
        return await self._calls.command("SET", key, sealed, "XX", "PX", _ms(ttl_s)) is not None

    async def get(self, kind: str, name: str, ttl_s: float | None = None) -> bytes | None:
        key = _key(kind, name)
        if ttl_s is None:
            return self._open(await self._calls.command("GET", key), key)
        return self._open(await self._calls.command("GETEX", key, "PX", _ms(ttl_s)), key)

    async def take(self, kind: str, name: str) -> bytes | None:
        key = _key(kind, name)
        return self._open(await self._calls.command("GETDEL", key), key)

    async def claim(self, kind: str, name: str, ttl_s: float) -> bool:
        key = _key(kind, name)
        sealed = self._ring.seal(b"", key.encode())
        return await self._calls.command("SET", key, sealed, "NX", "PX", _ms(ttl_s)) is not None

    def _open(self, sealed: bytes | None, key: str) -> bytes | None:
        try:
            return self._ring.open(sealed, key.encode()) if sealed else None
        except CannotOpen:
            return None


def _key(kind: str, name: str) -> str:
    """No tenant's: who asks is not known before it is found."""
    return f"suite:{{web}}:{named(kind, name)}"


def _ms(seconds: float) -> int:
    return max(1, int(seconds * 1000))
