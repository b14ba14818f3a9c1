"""How long web sessions last, and what a store of them keeps, in both kinds of store."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from shared.core.caller import Caller
from shared.core.errors import Unavailable
from shared.core.settings import Settings
from shared.edge.web.oidc import Tokens
from shared.edge.web.sessions import WebSessions
from shared.state.embedded_redis import EmbeddedRedis
from shared.state.keys import KeyRing
from shared.state.local_bus import LocalBus
from shared.state.local_web_store import LocalWebStore
from shared.state.redis import open_redis
from shared.state.redis_web_store import RedisWebStore
from shared.state.web_store import WebStore, named

pytestmark = pytest.mark.anyio

JANE = Caller(subject="jane", issuer="https://login.example", client="console", tenant="acme", scopes=frozenset())
TOKENS = Tokens("access", "refresh")
RING = KeyRing([b"k" * 32])


@dataclass
class Clock:
    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def stored(kind: str, redis_server: EmbeddedRedis, ring: KeyRing = RING) -> AsyncGenerator[WebStore]:
    if kind == "local":
        yield LocalWebStore(ring)
        return
    settings = Settings()
    async with open_redis(redis_server.url, settings) as redis:
        yield RedisWebStore(redis, settings, ring)


@pytest.mark.parametrize("kind", ["local", "redis"])
async def test_a_store_keeps_takes_replaces_and_claims(kind: str, redis_server: EmbeddedRedis) -> None:
    async with stored(kind, redis_server) as store:
        name = f"one of {kind}"
        assert not await store.replace("session", name, b"x", 60)
        await store.put("session", name, b"first", 60)
        assert await store.get("session", name, 60) == b"first"
        assert await store.get("typed", name) is None
        assert await store.replace("session", name, b"second", 60)
        assert [await store.take("session", name) for _ in range(2)] == [b"second", None]
        assert [await store.claim("renewal", name, 60) for _ in range(2)] == [True, False]


async def test_redis_sees_neither_what_is_kept_nor_its_name(redis_server: EmbeddedRedis) -> None:
    async with stored("redis", redis_server) as store, open_redis(redis_server.url, Settings()) as redis:
        await store.put("session", "a secret id", b"a secret token", 60)
        raw = await redis.get(f"suite:{{web}}:{named('session', 'a secret id')}")
        assert isinstance(raw, bytes)
        assert b"secret" not in raw
    async with stored("redis", redis_server, KeyRing([b"o" * 32])) as another:
        assert await another.get("session", "a secret id") is None


async def test_a_full_process_refuses_new_sessions_and_ends_nobodys() -> None:
    clock = Clock()
    store = LocalWebStore(RING, clock, most=2)
    await store.put("session", "one", b"1", 10)
    await store.put("session", "two", b"2", 100)
    with pytest.raises(Unavailable):
        await store.put("session", "three", b"3", 10)
    clock.now += 11
    await store.put("session", "three", b"3", 10)
    assert await store.get("session", "two") == b"2"


async def test_a_session_that_nobody_uses_ends() -> None:
    clock = Clock()
    sessions = WebSessions(LocalWebStore(RING, clock), LocalBus(), Settings(), clock)
    session = await sessions.open(TOKENS, JANE, None)
    for _ in range(3):
        clock.now += 1700
        assert await sessions.find(session.id) == session
    clock.now += 1000
    assert await sessions.find(session.id, used=False) == session
    clock.now += 900
    assert await sessions.find(session.id) is None


async def test_a_session_ends_after_eight_hours_however_it_is_used() -> None:
    clock = Clock()
    sessions = WebSessions(LocalWebStore(RING, clock), LocalBus(), Settings(), clock)
    session = await sessions.open(TOKENS, JANE, None)
    for _ in range(8 * 4 - 1):
        clock.now += 900
        assert await sessions.find(session.id) is not None
    clock.now += 900
    assert await sessions.find(session.id) is None


async def test_renewing_a_session_that_was_ended_does_not_bring_it_back() -> None:
    sessions = WebSessions(LocalWebStore(RING), LocalBus(), Settings())
    session = await sessions.open(TOKENS, JANE, None)
    await sessions.end(session)
    assert await sessions.renew(session, Tokens("another", None)) is None
    assert await sessions.find(session.id) is None
