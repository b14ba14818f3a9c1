"""One contract for both memories of what callers were given. The server is real: without one these tests fail."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, cast
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from shared.core.caller import Caller
from shared.core.errors import Unavailable
from shared.core.labels import Label
from shared.core.settings import Settings
from shared.state.embedded_redis import EmbeddedRedis
from shared.state.keys import load_keys
from shared.state.local_seen import LocalSeen
from shared.state.redis import open_redis
from shared.state.redis_seen import RedisSeen
from shared.state.seen import Seen
from shared.state.stores import open_stores
from tests.elapsing import elapse
from tests.own_redis import own_redis

pytestmark = pytest.mark.anyio

SETTINGS = Settings()
WINDOW_S = SETTINGS.flow_window_s
SLACK_S = WINDOW_S / 60
EVERY = frozenset(Label)


class World(Protocol):
    """A memory, seen from two places that share it."""

    @property
    def here(self) -> Seen: ...
    @property
    def there(self) -> Seen: ...

    async def passes(self, seconds: float) -> None: ...


@dataclass
class LocalWorld:
    now: float = 1000.0
    here: LocalSeen = field(init=False)

    def __post_init__(self) -> None:
        self.here = LocalSeen(SETTINGS, clock=lambda: self.now)

    @property
    def there(self) -> Seen:
        return self.here

    async def passes(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class RedisWorld:
    """Two replicas; time passes for what is kept of the tenants of this test."""

    redis: Redis
    other: Redis
    now: float = 1000.0
    here: RedisSeen = field(init=False)
    there: RedisSeen = field(init=False)

    def __post_init__(self) -> None:
        self.here = RedisSeen(self.redis, SETTINGS, clock=lambda: self.now)
        self.there = RedisSeen(self.other, SETTINGS, clock=lambda: self.now)

    async def passes(self, seconds: float) -> None:
        self.now += seconds
        await elapse(self.redis, "suite:{*}:seen:*", seconds)

    async def keys(self) -> Sequence[str]:
        found = await cast("Any", self.redis).keys("suite:{*}:seen:*")
        return [key.decode() for key in found]


@asynccontextmanager
async def redis_world(url: str) -> AsyncGenerator[RedisWorld]:
    async with open_redis(url, SETTINGS) as one, open_redis(url, SETTINGS) as two:
        yield RedisWorld(one, two)


@pytest.fixture
async def redis(redis_server: EmbeddedRedis) -> AsyncGenerator[RedisWorld]:
    async with redis_world(redis_server.url) as opened:
        yield opened


@pytest.fixture(params=["local", "redis"])
async def world(request: pytest.FixtureRequest) -> AsyncGenerator[World]:
    if request.param == "local":
        yield LocalWorld()
        return
    server: EmbeddedRedis = request.getfixturevalue("redis_server")
    async with redis_world(server.url) as opened:
        yield opened


def a_caller(**facts: Any) -> Caller:
    """Jane, of a tenant of its own."""
    plain = Caller("jane@acme.example", "https://idp.example", "desk", f"t{uuid4().hex}", frozenset({"outward:read"}))
    return replace(plain, **facts)


async def test_nothing_was_seen_before_anything_was_noted(world: World) -> None:
    jane = a_caller()
    assert await world.here.lately(jane) == frozenset()
    await world.here.note(jane, [])
    assert await world.here.lately(jane) == frozenset()


async def test_what_was_noted_is_known_everywhere(world: World) -> None:
    jane = a_caller()
    await world.here.note(jane, [Label.UNTRUSTED])
    assert await world.there.lately(jane) == {Label.UNTRUSTED}
    await world.there.note(jane, [Label.CONFIDENTIAL, Label.PERSONAL])
    assert await world.here.lately(jane) == await world.there.lately(jane) == EVERY


async def test_labels_that_come_once_are_all_noted(world: World) -> None:
    jane = a_caller()
    await world.here.note(jane, (label for label in (Label.PERSONAL, Label.UNTRUSTED)))
    assert await world.there.lately(jane) == {Label.PERSONAL, Label.UNTRUSTED}


async def test_each_label_is_forgotten_after_its_own_window(world: World) -> None:
    jane = a_caller()
    await world.here.note(jane, [Label.UNTRUSTED])
    await world.passes(WINDOW_S / 2)
    await world.here.note(jane, [Label.CONFIDENTIAL])
    await world.passes(WINDOW_S / 2 - 1)
    assert await world.here.lately(jane) == {Label.UNTRUSTED, Label.CONFIDENTIAL}
    await world.passes(SLACK_S + 2)
    assert await world.here.lately(jane) == {Label.CONFIDENTIAL}
    await world.passes(WINDOW_S / 2)
    assert await world.here.lately(jane) == frozenset()


async def test_one_that_is_noted_again_does_not_keep_another(world: World) -> None:
    jane = a_caller()
    await world.here.note(jane, [Label.UNTRUSTED])
    await world.here.note(jane, [Label.CONFIDENTIAL])
    await world.passes(WINDOW_S - 1)
    await world.here.note(jane, [Label.UNTRUSTED])
    await world.passes(SLACK_S + 2)
    assert await world.here.lately(jane) == {Label.UNTRUSTED}


@pytest.mark.parametrize("pause_s", [0.0, SLACK_S / 2, SLACK_S - 0.5, SLACK_S, SLACK_S + 1])
async def test_whatever_was_noted_last_is_remembered_for_the_whole_window(world: World, pause_s: float) -> None:
    jane = a_caller()
    await world.here.note(jane, [Label.UNTRUSTED])
    for _ in range(3):
        await world.passes(pause_s)
        await world.here.note(jane, [Label.UNTRUSTED])
    await world.passes(WINDOW_S - 0.2)
    assert await world.there.lately(jane) == {Label.UNTRUSTED}


@pytest.mark.parametrize(
    "other", [{"tenant": f"t{uuid4().hex}"}, {"issuer": "https://else.example"}, {"subject": "joe"}]
)
async def test_other_people_have_memories_of_their_own(world: World, other: dict[str, str]) -> None:
    jane = a_caller()
    await world.here.note(jane, EVERY)
    assert await world.there.lately(replace(jane, **other)) == frozenset()


@pytest.mark.parametrize(
    "other",
    [{"tenant": f"t{uuid4().hex}"}, {"issuer": "https://else.example"}, {"subject": "joe"}, {"actors": ("agent",)}],
)
async def test_who_is_given_the_same_at_the_same_place_is_remembered_too(world: World, other: dict[str, Any]) -> None:
    jane = a_caller()
    second = replace(jane, **other)
    for one in (jane, second):
        await world.here.note(one, [Label.UNTRUSTED])
    assert await world.there.lately(second) == {Label.UNTRUSTED}
    # Of somebody who acts, also what only that one has of it.
    assert await world.there.lately(replace(second, subject="another")) == {Label.UNTRUSTED for _ in second.actors}


@pytest.mark.parametrize(
    "other", [{"client": "another"}, {"session_id": "another"}, {"token_id": "another"}, {"scopes": frozenset[str]()}]
)
async def test_another_client_or_login_of_the_same_person_knows(world: World, other: dict[str, Any]) -> None:
    jane = a_caller()
    await world.here.note(jane, [Label.CONFIDENTIAL])
    assert await world.there.lately(replace(jane, **other)) == {Label.CONFIDENTIAL}


async def test_what_an_agent_read_for_one_person_counts_when_it_acts_for_another(world: World) -> None:
    jane = a_caller(trust="delegated", actors=("agent",))
    joe = replace(jane, subject="joe")
    await world.here.note(jane, [Label.UNTRUSTED])
    assert await world.there.lately(joe) == {Label.UNTRUSTED}


async def test_what_an_agent_read_by_itself_counts_when_it_acts_for_somebody_and_the_other_way_round(
    world: World,
) -> None:
    jane = a_caller(trust="delegated", actors=("agent",))
    itself = replace(jane, subject="agent", client="agent", trust="service", actors=())
    await world.here.note(itself, [Label.UNTRUSTED])
    await world.here.note(jane, [Label.CONFIDENTIAL])
    both = {Label.UNTRUSTED, Label.CONFIDENTIAL}
    assert await world.there.lately(jane) == await world.there.lately(itself) == both


async def test_what_an_agent_read_for_a_person_the_person_has_read(world: World) -> None:
    jane = a_caller(trust="delegated", actors=("agent",))
    await world.here.note(jane, [Label.CONFIDENTIAL])
    assert await world.there.lately(replace(jane, actors=())) == {Label.CONFIDENTIAL}
    assert await world.there.lately(replace(jane, actors=("another",))) == {Label.CONFIDENTIAL}


async def test_who_sends_another_agent_ahead_is_known_behind_it(world: World) -> None:
    jane = a_caller(trust="delegated", actors=("planner",))
    await world.here.note(jane, [Label.UNTRUSTED])
    assert await world.there.lately(replace(jane, subject="joe", actors=("sender", "planner"))) == {Label.UNTRUSTED}
    assert await world.there.lately(replace(jane, subject="joe", actors=("sender",))) == frozenset()


async def test_an_agent_is_another_one_in_another_tenant(world: World) -> None:
    jane = a_caller(trust="delegated", actors=("agent",))
    await world.here.note(jane, EVERY)
    assert await world.there.lately(replace(jane, tenant=f"t{uuid4().hex}", subject="joe")) == frozenset()


async def test_many_notes_at_once_are_all_remembered(world: World) -> None:
    people = [a_caller(subject=f"person-{number}") for number in range(20)]
    places = [world.here, world.there]
    await asyncio.gather(
        *(places[turn % 2].note(one, [label]) for one in people for turn, label in enumerate([*Label, *Label]))
    )
    assert [await world.there.lately(one) for one in people] == [EVERY] * len(people)


async def test_the_stores_of_a_process_have_the_memory_that_fits_them(
    redis_server: EmbeddedRedis, tmp_path: Path
) -> None:
    keys, jane = load_keys(Settings(data_dir=tmp_path)), a_caller()
    shared = {"redis_url": redis_server.url}
    async with AsyncExitStack() as stack:
        alone, one, two = [
            (await stack.enter_async_context(open_stores(Settings.model_validate(more), keys))).seen
            for more in ({}, shared, shared)
        ]
        await one.note(jane, [Label.PERSONAL])
        assert await two.lately(jane) == {Label.PERSONAL}
        assert await alone.lately(jane) == frozenset()


# Only over Redis


async def test_reading_the_same_again_costs_no_round_trip_until_it_matters(redis: RedisWorld) -> None:
    jane = a_caller()
    await redis.here.note(jane, EVERY)
    before = await _asked(redis)
    for labels in ([Label.UNTRUSTED], EVERY, [Label.PERSONAL, Label.PERSONAL]):
        await redis.here.note(jane, labels)
    assert await _asked(redis) == before
    await redis.there.note(jane, EVERY)  # what another replica noted is its own to know
    assert await _asked(redis) == before + 1
    await redis.passes(SLACK_S)
    await redis.here.note(jane, EVERY)
    assert await _asked(redis) == before + 2


async def test_looking_is_one_round_trip_whoever_acts(redis: RedisWorld) -> None:
    before = await _asked(redis)
    await redis.here.lately(a_caller(actors=("sender", "planner")))
    assert await _asked(redis) == before + 1


async def _asked(world: RedisWorld) -> int:
    stats: dict[str, Any] = await world.redis.info("commandstats")  # pyright: ignore[reportUnknownMemberType]
    return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("evalsha", "eval"))


async def test_what_was_not_noted_is_asked_for_again(tmp_path: Path) -> None:
    settings, jane = Settings(redis_timeout_s=0.5), a_caller()
    with own_redis(tmp_path) as server:
        async with open_redis(server.url, settings) as client:
            seen = RedisSeen(client, settings)
            await seen.note(jane, [Label.UNTRUSTED])
            server.kill()
            for _ in range(2):
                with pytest.raises(Unavailable, match="retry in a moment"):
                    await seen.note(jane, [Label.CONFIDENTIAL])
            with pytest.raises(Unavailable, match="retry in a moment"):
                await seen.lately(jane)
            server.start()
            await seen.note(jane, [Label.CONFIDENTIAL])
            assert await seen.lately(jane) == {Label.CONFIDENTIAL}


async def test_nobody_can_be_read_in_redis(redis: RedisWorld) -> None:
    jane = a_caller(actors=("a-secret-agent",))
    await redis.here.note(jane, [Label.UNTRUSTED])
    keys = [key for key in await redis.keys() if jane.tenant in key]
    assert len(keys) == 2
    for key in keys:
        assert key.startswith(f"suite:{{{jane.tenant}}}:seen:")
        assert not any(word in key for word in ("jane", "idp.example", "secret", "desk"))
        assert await redis.redis.get(key) == b"1"


async def test_a_tenant_with_any_name_has_keys_in_one_slot(redis: RedisWorld) -> None:
    jane = a_caller(tenant=f"a}}c{{me:seen:*[{uuid4().hex}", actors=("agent",))
    await redis.here.note(jane, EVERY)
    assert await redis.there.lately(jane) == EVERY


async def test_a_process_remembers_few_of_its_own_notes_and_forgets_none(redis_server: EmbeddedRedis) -> None:
    people = [a_caller(subject=f"person-{number}") for number in range(6)]
    async with open_redis(redis_server.url, SETTINGS) as client:
        seen = RedisSeen(client, SETTINGS, most=3)
        for one in people * 2:
            await seen.note(one, [Label.UNTRUSTED])
        assert len(seen) == 3
        assert [await seen.lately(one) for one in people] == [{Label.UNTRUSTED}] * len(people)


# Only in one process


async def test_the_twin_gives_nothing_new_when_full_and_forgets_nothing() -> None:
    now = 1000.0
    seen = LocalSeen(SETTINGS, clock=lambda: now, most=3)
    jane, joe = a_caller(), a_caller(subject="joe")
    await seen.note(jane, [Label.UNTRUSTED, Label.PERSONAL])
    with pytest.raises(Unavailable):
        await seen.note(joe, [Label.UNTRUSTED, Label.PERSONAL])
    assert await seen.lately(joe) == frozenset()
    await seen.note(joe, [Label.UNTRUSTED])
    await seen.note(jane, [Label.UNTRUSTED, Label.PERSONAL])
    assert await seen.lately(jane) == {Label.UNTRUSTED, Label.PERSONAL}
    now += WINDOW_S
    await seen.note(joe, [Label.CONFIDENTIAL])
    assert len(seen) == 1
