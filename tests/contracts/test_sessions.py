"""One contract for both places where sessions are kept. The server is real: without one these tests fail."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import pytest

from shared.core.errors import Unavailable
from shared.core.settings import Settings
from shared.state.embedded_redis import EmbeddedRedis
from shared.state.keys import KeyRing
from shared.state.local_bus import LocalBus
from shared.state.local_sessions import LocalSessions
from shared.state.local_streams import LocalStreams
from shared.state.redis import open_redis
from shared.state.redis_sessions import RedisSessions
from shared.state.sessions import (
    MOST_EVENTS,
    Origin,
    Session,
    Sessions,
    TooManySessions,
    UnknownStream,
    handle_of,
    stream_topic,
)
from tests.lossy_line import LossyLine
from tests.own_redis import own_redis
from tests.stores import RING, LocalWorld, RedisWorld, World, a_session, another, redis_world

pytestmark = pytest.mark.anyio

SETTINGS = Settings()
ORIGIN = Origin("replica-b", 7)


@pytest.fixture(params=["local", "redis"])
async def world(request: pytest.FixtureRequest) -> AsyncGenerator[World]:
    if request.param == "local":
        yield LocalWorld(SETTINGS)
        return
    server: EmbeddedRedis = request.getfixturevalue("redis_server")
    async with redis_world(server.url, SETTINGS) as opened:
        yield opened


@pytest.fixture
async def redis(redis_server: EmbeddedRedis) -> AsyncGenerator[RedisWorld]:
    async with redis_world(redis_server.url, SETTINGS) as opened:
        yield opened


async def opened(sessions: Sessions, session: Session | None = None, *, most: int = 10) -> Session:
    session = session or a_session()
    assert await sessions.open(session, most=most, replace=True) == []
    return session


# Sessions


async def test_a_session_is_found_as_it_was_opened(world: World) -> None:
    session = await opened(world.sessions)
    assert await world.sessions.find(session.tenant, session.handle) == session


async def test_another_tenant_or_handle_finds_nothing(world: World) -> None:
    session = await opened(world.sessions)
    assert await world.sessions.find("globex", session.handle) is None
    assert await world.sessions.find(session.tenant, handle_of("server", "another")) is None
    assert await world.sessions.end("globex", session.handle) is False
    assert await world.sessions.find(session.tenant, session.handle) == session


async def test_a_session_lives_as_long_as_it_is_found_in_time(world: World) -> None:
    session = await opened(world.sessions)
    for _ in range(3):
        await world.passes(SETTINGS.session_ttl_s - 1, session.tenant)
        assert await world.sessions.find(session.tenant, session.handle) == session
    await world.passes(SETTINGS.session_ttl_s + 1, session.tenant)
    assert await world.sessions.find(session.tenant, session.handle) is None


async def test_a_session_in_use_ends_at_its_greatest_age(world: World) -> None:
    young = await opened(world.sessions, a_session(opened_at=time.time() - SETTINGS.session_max_age_s + 60))
    old = await opened(world.sessions, a_session(opened_at=time.time() - SETTINGS.session_max_age_s - 1))
    assert await world.sessions.find(young.tenant, young.handle) == young
    assert await world.sessions.find(old.tenant, old.handle) is None
    assert await world.sessions.subscribe(old, "a:1", most=1) is False


async def test_the_eleventh_session_ends_the_oldest(world: World) -> None:
    first = await opened(world.sessions)
    others = [first]
    for _ in range(9):
        others.append(await opened(world.sessions, another(others[-1], client=f"client-{len(others)}")))
    eleventh = another(others[-1])
    assert await world.sessions.open(eleventh, most=10, replace=True) == [first.handle]
    assert await world.sessions.find(first.tenant, first.handle) is None
    left = await world.sessions.listed(first.tenant)
    assert [session.handle for session in left] == [session.handle for session in [*others[1:], eleventh]]


async def test_the_eleventh_session_is_refused_where_nothing_is_to_be_ended(world: World) -> None:
    session = await opened(world.sessions)
    with pytest.raises(TooManySessions):
        await world.sessions.open(another(session), most=1, replace=False)
    assert [one.handle for one in await world.sessions.listed(session.tenant)] == [session.handle]


async def test_a_lowered_limit_ends_as_many_as_it_takes(world: World) -> None:
    first = await opened(world.sessions)
    second = await opened(world.sessions, another(first))
    third = await opened(world.sessions, another(second))
    newest = another(third)
    assert await world.sessions.open(newest, most=2, replace=True) == [first.handle, second.handle]


@pytest.mark.parametrize("other", [{"subject": "joe"}, {"issuer": "https://other.example"}, {"tenant": "u"}])
async def test_other_people_have_sessions_of_their_own(world: World, other: dict[str, str]) -> None:
    other = {name: uuid4().hex if name == "tenant" else value for name, value in other.items()}
    session = await opened(world.sessions, most=1)
    assert await world.sessions.open(another(session, **other), most=1, replace=False) == []


async def test_sessions_that_are_over_do_not_count(world: World) -> None:
    old = time.time() - SETTINGS.session_max_age_s - 1
    session = await opened(world.sessions, a_session(opened_at=old), most=1)
    second = await opened(world.sessions, another(session, opened_at=time.time()), most=1)
    assert await world.sessions.end(second.tenant, second.handle)
    third = await opened(world.sessions, another(second), most=1)
    await world.passes(SETTINGS.session_ttl_s + 1, third.tenant)
    await opened(world.sessions, another(third), most=1)


async def test_many_opened_at_once_are_never_more_than_allowed(world: World) -> None:
    first = a_session()
    opening = [world.sessions.open(another(first), most=3, replace=True) for _ in range(20)]
    with anyio.fail_after(10):
        ended = [handle for handles in await asyncio.gather(*opening) for handle in handles]
    assert len(ended) == len(set(ended)) == 17
    assert len(await world.sessions.listed(first.tenant)) == 3


async def test_sessions_are_listed_by_tenant_and_subject_the_oldest_first(world: World) -> None:
    session = await opened(world.sessions)
    older = await opened(world.sessions, another(session, opened_at=session.opened_at - 10, subject="joe"))
    elsewhere = await opened(world.sessions, a_session())
    assert await world.sessions.listed(session.tenant) == [older, session]
    assert await world.sessions.listed(session.tenant, "joe") == [older]
    everywhere = await world.sessions.listed()
    assert [one for one in everywhere if one in (session, older, elsewhere)] == [older, session, elsewhere]


async def test_after_the_end_nothing_brings_a_session_back(world: World) -> None:
    session = await opened(world.sessions)
    await world.sessions.subscribe(session, "a:1", most=9)
    await world.sessions.ask(session, "q", "replica-b", ttl_s=60)
    await world.sessions.begin(session, "s", ORIGIN)
    await world.sessions.append(session, "s", b"one")
    assert await world.sessions.end(session.tenant, session.handle) is True
    left = await world.keys(session.tenant) if isinstance(world, RedisWorld) else []
    await _speak_to_the_dead(world.sessions, session)
    assert await world.sessions.end(session.tenant, session.handle) is False
    assert await world.sessions.listed(session.tenant) == []
    if isinstance(world, RedisWorld):
        assert await world.keys(session.tenant) == left
        await world.passes(SETTINGS.session_max_age_s, session.tenant)
        assert await world.keys(session.tenant) == []


async def _speak_to_the_dead(sessions: Sessions, session: Session) -> None:
    assert await sessions.reply(session, "q", b"yes") is None
    assert await sessions.replied(session, "q") is None
    await sessions.ask(session, "r", "replica-b", ttl_s=60)
    assert await sessions.reply(session, "r", b"yes") is None
    assert await sessions.subscribe(session, "a:2", most=9) is False
    await sessions.unsubscribe(session, "a:1")
    assert await sessions.subscribed(session, ["a:1", "a:2"]) == []
    assert await sessions.append(session, "s", b"two") is None
    await sessions.begin(session, "t", ORIGIN)
    for stream in ("s", "t"):
        with pytest.raises(UnknownStream):
            await sessions.origin(session, stream)
        with pytest.raises(UnknownStream):
            await sessions.read(session, stream, "0")
    assert await sessions.find(session.tenant, session.handle) is None


# Subscriptions


async def test_a_session_subscribes_up_to_a_limit(world: World) -> None:
    session = await opened(world.sessions)
    assert [await world.sessions.subscribe(session, uri, most=2) for uri in ("a:1", "a:2", "a:3", "a:1")] == [
        *(True, True, False, True),
    ]
    assert await world.sessions.subscribed(session, ["a:3", "a:2", "a:1"]) == ["a:2", "a:1"]
    await world.sessions.unsubscribe(session, "a:2")
    assert await world.sessions.subscribe(session, "a:3", most=2)
    assert await world.sessions.subscribed(session, ["a:3", "a:2", "a:1"]) == ["a:3", "a:1"]
    assert await world.sessions.subscribed(session, []) == []


async def test_subscriptions_are_of_one_session(world: World) -> None:
    session = await opened(world.sessions)
    await world.sessions.subscribe(session, "a:1", most=9)
    assert await world.sessions.subscribed(await opened(world.sessions, another(session)), ["a:1"]) == []
    assert await world.sessions.subscribed(replace(session, tenant="globex"), ["a:1"]) == []


async def test_subscriptions_live_as_long_as_the_session(world: World) -> None:
    session = await opened(world.sessions)
    await world.sessions.subscribe(session, "a:1", most=9)
    for _ in range(3):
        await world.passes(SETTINGS.session_ttl_s - 1, session.tenant)
        await world.sessions.find(session.tenant, session.handle)
    assert await world.sessions.subscribed(session, ["a:1"]) == ["a:1"]


# Questions


async def test_an_answer_reaches_the_replica_that_waits_once(world: World) -> None:
    session = await opened(world.sessions)
    await world.sessions.ask(session, "q", "replica-b", ttl_s=60)
    assert await world.sessions.replied(session, "q") is None
    assert await world.sessions.reply(session, "q", b'{"action":"accept"}') == "replica-b"
    assert await world.sessions.reply(session, "q", b"again") is None
    assert await world.sessions.replied(session, "q") == b'{"action":"accept"}'
    assert await world.sessions.replied(session, "q") is None
    assert await world.sessions.reply(session, "q", b"and again") is None


async def test_what_was_not_asked_is_not_answered(world: World) -> None:
    session = await opened(world.sessions)
    other = await opened(world.sessions, another(session))
    await world.sessions.ask(session, "q", "replica-b", ttl_s=60)
    assert await world.sessions.reply(session, "p", b"yes") is None
    assert await world.sessions.reply(other, "q", b"yes") is None
    assert await world.sessions.reply(replace(session, tenant="globex"), "q", b"yes") is None
    assert await world.sessions.replied(session, "q") is None


async def test_a_question_is_forgotten_in_time_and_its_answer_waits_a_while(world: World) -> None:
    session = await opened(world.sessions)
    for question in ("late", "just in time"):
        await world.sessions.ask(session, question, "replica-b", ttl_s=60)
    await world.passes(59, session.tenant)
    assert await world.sessions.reply(session, "just in time", b"yes") == "replica-b"
    await world.passes(2, session.tenant)
    assert await world.sessions.reply(session, "late", b"yes") is None
    assert await world.sessions.replied(session, "just in time") == b"yes"


# Streams


async def test_a_stream_is_read_from_any_of_its_events(world: World) -> None:
    session = await opened(world.sessions)
    await world.sessions.begin(session, "s", ORIGIN)
    assert await world.sessions.read(session, "s", "0") == []
    ids = [await world.sessions.append(session, "s", data) for data in (b"", b"one", b"two")]
    events = await world.sessions.read(session, "s", "0")
    assert [(event.id, event.data, event.last) for event in events] == [
        *zip(ids, (b"", b"one", b"two"), (False, False, False), strict=True),
    ]
    assert [event.data for event in await world.sessions.read(session, "s", ids[0] or "")] == [b"one", b"two"]
    assert await world.sessions.read(session, "s", ids[2] or "") == []


async def test_nothing_is_kept_after_the_last_event(world: World) -> None:
    session = await opened(world.sessions)
    await world.sessions.append(session, "s", b"one")
    assert await world.sessions.append(session, "s", b"answer", last=True)
    assert await world.sessions.append(session, "s", b"late") is None
    assert await world.sessions.append(session, "s", b"late", last=True) is None
    events = await world.sessions.read(session, "s", "0")
    assert [(event.data, event.last) for event in events] == [(b"one", False), (b"answer", True)]


async def test_a_stream_tells_where_it_comes_from_after_its_first_events_are_gone(world: World) -> None:
    session = await opened(world.sessions)
    for origin, stream in ((ORIGIN, "s"), (Origin("replica-c", "a b"), "t")):
        await world.sessions.begin(session, stream, origin)
        for number in range(MOST_EVENTS + 5):
            await world.sessions.append(session, stream, str(number).encode())
        assert await world.sessions.origin(session, stream) == origin


async def test_events_that_are_no_longer_kept_are_not_skipped_in_silence(world: World) -> None:
    session = await opened(world.sessions)
    ids = [await world.sessions.append(session, "s", str(number).encode()) or "" for number in range(MOST_EVENTS + 5)]
    for gone in ("0", ids[0], ids[3]):
        with pytest.raises(UnknownStream):
            await world.sessions.read(session, "s", gone)
    events = await world.sessions.read(session, "s", ids[4])
    assert [event.id for event in events] == ids[5:]


@pytest.mark.parametrize("after", ["", "1", "x-1", "1-1-1", "-", "+", "1-9999999999999999999999", "0-0", "99-0"])
async def test_an_id_of_no_event_is_refused(world: World, after: str) -> None:
    session = await opened(world.sessions)
    await world.sessions.append(session, "s", b"one")
    with pytest.raises(UnknownStream):
        await world.sessions.read(session, "s", after)


async def test_an_id_beyond_the_newest_event_is_refused(world: World) -> None:
    session = await opened(world.sessions)
    newest = await world.sessions.append(session, "s", b"one")
    run, _, number = (newest or "").partition("-")
    with pytest.raises(UnknownStream):
        await world.sessions.read(session, "s", f"{run}-{int(number) + 1}")


async def test_streams_are_of_one_session_and_tenant(world: World) -> None:
    session = await opened(world.sessions)
    await world.sessions.begin(session, "s", ORIGIN)
    await world.sessions.append(session, "s", b"one")
    other = await opened(world.sessions, another(session))
    for whose, stream in ((other, "s"), (replace(session, tenant="globex"), "s"), (session, "t")):
        with pytest.raises(UnknownStream):
            await world.sessions.read(whose, stream, "0")
        with pytest.raises(UnknownStream):
            await world.sessions.origin(whose, stream)


async def test_a_stream_is_kept_for_a_while_after_its_last_event(world: World) -> None:
    session = await opened(world.sessions)
    await world.sessions.begin(session, "s", ORIGIN)
    await world.passes(SETTINGS.stream_ttl_s - 1, session.tenant)
    await world.sessions.append(session, "s", b"answer", last=True)
    await world.passes(SETTINGS.stream_ttl_s - 1, session.tenant)
    assert [event.data for event in await world.sessions.read(session, "s", "0")] == [b"answer"]
    await world.passes(2, session.tenant)
    with pytest.raises(UnknownStream):
        await world.sessions.read(session, "s", "0")
    with pytest.raises(UnknownStream):
        await world.sessions.origin(session, "s")


async def test_a_stream_that_somebody_reads_is_kept_until_it_is_over(world: World) -> None:
    session = await opened(world.sessions)
    await world.sessions.begin(session, "s", ORIGIN)
    first = await world.sessions.append(session, "s", b"question") or ""
    for _ in range(3):
        await world.passes(SETTINGS.stream_ttl_s - 1, session.tenant)
        assert await world.sessions.read(session, "s", first) == []
    assert await world.sessions.origin(session, "s") == ORIGIN


async def test_ids_of_a_forgotten_stream_do_not_pass_for_those_of_a_new_one(world: World) -> None:
    session = await opened(world.sessions)
    old = await world.sessions.append(session, "s", b"old") or ""
    await world.passes(SETTINGS.stream_ttl_s + 1, session.tenant)
    assert await world.sessions.append(session, "s", b"new") != old
    with pytest.raises(UnknownStream):
        await world.sessions.read(session, "s", old)
    assert [event.data for event in await world.sessions.read(session, "s", "0")] == [b"new"]


async def test_events_appended_at_once_are_all_kept_in_one_order(world: World) -> None:
    session = await opened(world.sessions)
    with anyio.fail_after(10):
        ids = await asyncio.gather(
            *(world.sessions.append(session, "s", str(number).encode()) for number in range(100))
        )
    events = await world.sessions.read(session, "s", "0")
    assert {event.id: event.data for event in events} == {
        event_id: str(number).encode() for number, event_id in enumerate(ids)
    }


async def test_whoever_follows_a_stream_is_told_of_each_event(world: World) -> None:
    session = await opened(world.sessions)
    async with world.bus.listening(stream_topic(session, "s")) as inbox:
        event_id = await world.sessions.append(session, "s", b"one")
        assert await inbox.next(5) == (event_id or "").encode()
        await world.sessions.append(session, "t", b"elsewhere")
        assert await world.sessions.append(session, "s", b"two", last=True) is not None
        assert await inbox.next(5) is not None
        assert await world.sessions.append(session, "s", b"late") is None
        assert await inbox.next(0.05) is None


# Only with a server


async def test_nothing_that_people_said_or_are_called_can_be_read_in_redis(redis: RedisWorld) -> None:
    session = await opened(redis.sessions, a_session(client="a-secret-client", initialize={"name": "a-secret-editor"}))
    await redis.sessions.subscribe(session, "customers://a-secret-resource", most=9)
    await redis.sessions.ask(session, "q", "replica-b", ttl_s=60)
    await redis.sessions.reply(session, "q", b"a-secret-answer")
    await redis.sessions.begin(session, "s", Origin("replica-b", "a-secret-id"))
    await redis.sessions.append(session, "s", b"a-secret-event", last=True)
    raw, keys = await redis.values(session.tenant), await redis.keys(session.tenant)
    assert len(keys) == 6
    for word in ("secret", "jane", "idp.example", "editor"):
        assert word.encode() not in raw
        assert not any(word in key for key in keys)


async def test_what_is_sealed_opens_under_no_other_key(redis: RedisWorld) -> None:
    mine = await opened(redis.sessions)
    yours = await opened(redis.sessions, another(mine, subject="joe"))
    mine_at, yours_at = (f"suite:{{{mine.tenant}}}:session:{one.handle}" for one in (mine, yours))
    await redis.redis.set(mine_at, await redis.redis.get(yours_at) or b"")
    assert await redis.sessions.find(mine.tenant, mine.handle) is None
    await redis.redis.set(yours_at, b"no seal")
    assert await redis.sessions.find(yours.tenant, yours.handle) is None
    assert await redis.sessions.listed(mine.tenant) == []


async def test_a_rotated_ring_opens_what_the_old_key_sealed(redis: RedisWorld) -> None:
    old, new = b"o" * 32, b"n" * 32
    before, during, after = (RedisSessions(redis.redis, SETTINGS, KeyRing(ring)) for ring in ([old], [new, old], [new]))
    session = await opened(before)
    await before.append(session, "s", b"one")
    assert await during.find(session.tenant, session.handle) == session
    assert [event.data for event in await during.read(session, "s", "0")] == [b"one"]
    assert await after.find(session.tenant, session.handle) is None
    with pytest.raises(UnknownStream):
        await after.read(session, "s", "0")
    younger = await opened(during, another(session))
    assert await after.find(younger.tenant, younger.handle) == younger


async def test_a_tenant_with_any_name_has_keys_in_one_slot(redis: RedisWorld) -> None:
    tenant = f"a}}c{{me:session:*[{uuid4().hex}"
    session = await opened(redis.sessions, a_session(tenant=tenant))
    assert await redis.sessions.find(tenant, session.handle) == session
    assert await redis.sessions.listed(tenant) == [session]


async def test_finding_a_session_is_one_command(redis: RedisWorld) -> None:
    session = await opened(redis.sessions)
    before = await _commands(redis)
    await redis.sessions.find(session.tenant, session.handle)
    after = await _commands(redis)
    assert {name: count - before.get(name, 0) for name, count in after.items() if count != before.get(name, 0)} == {
        "cmdstat_getex": 1
    }


async def _commands(world: RedisWorld) -> dict[str, int]:
    stats: dict[str, Any] = await world.redis.info("commandstats")  # pyright: ignore[reportUnknownMemberType]
    return {name: stat["calls"] for name, stat in stats.items() if name not in {"cmdstat_info", "cmdstat_ping"}}


async def test_what_was_done_and_is_asked_for_again_is_not_done_twice(redis_server: EmbeddedRedis) -> None:
    async with LossyLine(redis_server.url).open() as line, open_redis(line.url, SETTINGS) as client:
        sessions = RedisSessions(client, SETTINGS, RING)

        async def told_twice(work: Callable[[], Awaitable[Any]]) -> Any:
            lost = line.lost
            line.lose_reply()
            answer = await work()
            assert line.lost == lost + 1
            return answer

        first = await opened(sessions)
        second = another(first)
        assert await told_twice(lambda: sessions.open(second, most=1, replace=True)) == [first.handle]
        await sessions.append(second, "s", b"one")
        appended = await told_twice(lambda: sessions.append(second, "s", b"two"))
        ended = await told_twice(lambda: sessions.append(second, "s", b"three", last=True))
        events = await sessions.read(second, "s", "0")
        assert [event.data for event in events] == [b"one", b"two", b"three"]
        assert [event.id for event in events[1:]] == [appended, ended]
        await sessions.ask(second, "q", "replica-b", ttl_s=60)
        assert await told_twice(lambda: sessions.reply(second, "q", b"yes")) == "replica-b"
        assert await told_twice(lambda: sessions.replied(second, "q")) == b"yes"
        assert await sessions.replied(second, "q") is None
        assert await told_twice(lambda: sessions.end(second.tenant, second.handle)) is True


async def test_without_the_server_nobody_can_tell_and_afterwards_they_can(tmp_path: Path) -> None:
    settings = Settings(redis_timeout_s=0.5)
    with own_redis(tmp_path) as server:
        async with redis_world(server.url, settings) as world:
            session = await opened(world.sessions)
            server.kill()
            for ask in (
                lambda: world.sessions.open(another(session), most=1, replace=True),
                lambda: world.sessions.find(session.tenant, session.handle),
                lambda: world.sessions.append(session, "s", b"one"),
                world.sessions.listed,
            ):
                with pytest.raises(Unavailable, match="retry in a moment"):
                    await ask()
            server.start()
            assert await world.sessions.find(session.tenant, session.handle) is None
            await opened(world.sessions, session)
            assert await world.sessions.append(session, "s", b"one") is not None


# Only in one process


async def test_the_twin_refuses_new_sessions_when_full_and_ends_nobodys() -> None:
    sessions = LocalSessions(LocalBus(), SETTINGS, most=3)
    kept = [await opened(sessions) for _ in range(3)]
    with pytest.raises(Unavailable):
        await sessions.open(a_session(), most=10, replace=True)
    assert await sessions.open(another(kept[0]), most=1, replace=True) == [kept[0].handle]


async def test_the_twin_forgets_the_quietest_streams_when_full() -> None:
    streams = LocalStreams(lambda: 0.0, 300, most=3)
    for stream in ("a", "b", "c", "a", "d"):
        streams.append(("acme", "h", stream), b"x", last=False)
    assert len(streams) == 3
    assert [event.data for event in streams.read(("acme", "h", "a"), "0")] == [b"x", b"x"]
    with pytest.raises(UnknownStream):
        streams.read(("acme", "h", "b"), "0")


async def test_the_twin_keeps_no_more_than_64_mib_of_events() -> None:
    streams = LocalStreams(lambda: 0.0, 300)
    large = b"x" * 2**20
    for number in range(200):
        streams.append(("acme", "h", "one" if number < 80 else str(number)), large, last=False)
    assert len(streams) == 64
    for number in range(80):
        streams.append(("acme", "h", "two"), large, last=False)
        assert len(streams) == max(1, 64 - number)
