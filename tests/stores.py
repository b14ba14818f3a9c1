"""Both kinds of stores, with a time that tests can let pass."""

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, cast
from uuid import uuid4

from redis.asyncio import Redis

from shared.core.settings import Settings
from shared.state.bus import Bus, Replicas
from shared.state.keys import KeyRing
from shared.state.local_bus import LocalBus, LocalReplicas
from shared.state.local_notices import LocalNotices
from shared.state.local_sessions import LocalSessions
from shared.state.notices import Notices
from shared.state.redis import open_redis
from shared.state.redis_bus import open_redis_bus
from shared.state.redis_notices import RedisNotices
from shared.state.redis_replicas import RedisReplicas
from shared.state.redis_sessions import RedisSessions
from shared.state.sessions import Session, Sessions, handle_of

RING = KeyRing([b"k" * 32])


class World(Protocol):
    """What a contract is tested on."""

    @property
    def sessions(self) -> Sessions: ...
    @property
    def bus(self) -> Bus: ...
    @property
    def notices(self) -> Notices: ...
    @property
    def replicas(self) -> Replicas: ...

    async def passes(self, seconds: float, tenant: str) -> None:
        """Let that much time pass for everything kept of the tenant."""
        ...


@dataclass
class LocalWorld:
    settings: Settings
    now: float = 1000.0
    bus: LocalBus = field(default_factory=LocalBus)
    replicas: LocalReplicas = field(default_factory=LocalReplicas)
    sessions: LocalSessions = field(init=False)
    notices: LocalNotices = field(init=False)

    def __post_init__(self) -> None:
        self.sessions = LocalSessions(self.bus, self.settings, clock=lambda: self.now)
        self.notices = LocalNotices(self.bus, clock=lambda: self.now)

    async def passes(self, seconds: float, tenant: str) -> None:
        self.now += seconds


@dataclass
class RedisWorld:
    redis: Redis
    sessions: RedisSessions
    bus: Bus
    notices: RedisNotices
    replicas: RedisReplicas

    async def passes(self, seconds: float, tenant: str) -> None:
        for key in await self.keys(tenant):
            left = await self.redis.pttl(key) - seconds * 1000
            assert left > -seconds * 1000, f"{key} would be kept for ever"
            await (self.redis.pexpire(key, int(left)) if left > 0 else self.redis.delete(key))

    async def keys(self, tenant: str) -> list[str]:
        found = await cast("Any", self.redis).keys(f"suite:{{{tenant}}}:*")
        return sorted(key.decode() for key in found)

    async def values(self, tenant: str) -> bytes:
        """Everything kept of the tenant, as it is."""
        redis: Any = self.redis
        read: dict[bytes, Callable[[str], Any]] = {
            b"string": redis.get,
            b"hash": redis.hgetall,
            b"stream": redis.xrange,
            b"set": redis.smembers,
            b"zset": lambda key: redis.zrange(key, 0, -1),
            b"list": lambda key: redis.lrange(key, 0, -1),
        }
        keys = await self.keys(tenant)
        return b"".join([repr(await read[await redis.type(key)](key)).encode() for key in keys])


@asynccontextmanager
async def redis_world(url: str, settings: Settings, ring: KeyRing = RING) -> AsyncGenerator[RedisWorld]:
    """One replica over a Redis."""
    async with open_redis(url, settings) as redis, open_redis_bus(redis, settings) as bus:
        sessions, notices = RedisSessions(redis, settings, ring), RedisNotices(redis, settings, bus)
        yield RedisWorld(redis, sessions, bus, notices, RedisReplicas(redis, settings))


def a_session(**facts: Any) -> Session:
    """A new session of Jane, of a tenant of its own."""
    plain = Session(
        handle=handle_of("server", uuid4().hex),
        tenant=f"t{uuid4().hex}",
        issuer="https://idp.example",
        subject="jane@acme.example",
        client="desk",
        version="2025-11-25",
        initialize={"clientInfo": {"name": "Jane's editor"}, "capabilities": {"elicitation": {}}},
        opened_at=time.time(),
    )
    return replace(plain, **facts)


def another(session: Session, **facts: Any) -> Session:
    """One more of the same person, a little younger."""
    younger = {"handle": handle_of("server", uuid4().hex), "opened_at": session.opened_at + 1}
    return replace(session, **{**younger, **facts})
