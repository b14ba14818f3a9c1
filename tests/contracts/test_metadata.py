"""One contract for kept metadata over both buses: what is shown, to whom, and when no more. The server is real."""

import asyncio
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import pytest

from shared.core.errors import Unavailable
from shared.core.metrics import METADATA_LOOKUPS
from shared.core.settings import Settings
from shared.state import metadata as metadata_module
from shared.state import redis_bus
from shared.state.bus import Bus, Inbox
from shared.state.coherent_notices import CoherentNotices
from shared.state.embedded_redis import EmbeddedRedis
from shared.state.local_bus import LocalBus
from shared.state.metadata import Metadata, open_metadata
from shared.state.redis_bus import channel_of
from tests.own_redis import own_redis
from tests.stores import LocalWorld, RedisWorld, World, redis_world

pytestmark = pytest.mark.anyio

SETTINGS = Settings()
QUICK = Settings(redis_timeout_s=0.3)
SERVER = "customers"


@dataclass
class Replica:
    """What one process keeps of a shelf that others can change, too."""

    world: World
    metadata: Metadata
    tenant: str
    shelf: list[str]
    made: int = 0
    slowly: asyncio.Event | None = None
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def notices(self) -> CoherentNotices:
        return CoherentNotices(self.world.notices, self.metadata)

    async def make(self) -> tuple[str, ...]:
        self.made += 1
        found = tuple(self.shelf)
        self.begun.set()
        if self.slowly is not None:
            await self.slowly.wait()
        return found

    async def titles(
        self, *, server: str = SERVER, tenant: str = "", rights: Sequence[str] | None = None, key: Any = "titles"
    ) -> tuple[str, ...]:
        return await self.metadata.of(server, tenant or self.tenant, rights).get(key, self.make)

    async def add(self, title: str) -> None:
        """As a call at this replica does."""
        self.shelf.append(title)
        await self.notices.publish(SERVER, self.tenant, [f"shelf://{title}"])


@asynccontextmanager
async def keeping(bus: Bus, ttl_s: float = 300, most: int = 1000) -> AsyncGenerator[Metadata]:
    async with anyio.create_task_group() as tasks:
        yield Metadata(bus, tasks, ttl_s, most)
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def replica_of(world: World, tenant: str, shelf: list[str], **limits: Any) -> AsyncGenerator[Replica]:
    async with keeping(world.bus, **limits) as metadata:
        yield Replica(world, metadata, tenant, shelf)


@pytest.fixture
def tenant() -> str:
    return f"t{uuid4().hex}"


@pytest.fixture(params=["local", "redis"])
async def world(request: pytest.FixtureRequest) -> AsyncGenerator[World]:
    if request.param == "local":
        yield LocalWorld(SETTINGS)
        return
    server: EmbeddedRedis = request.getfixturevalue("redis_server")
    async with redis_world(server.url, SETTINGS) as opened:
        yield opened


@pytest.fixture
async def replica(world: World, tenant: str) -> AsyncGenerator[Replica]:
    async with replica_of(world, tenant, ["a"]) as made:
        yield made


def followed(metadata: Metadata) -> dict[tuple[str, str], Any]:
    return metadata._followed  # pyright: ignore[reportPrivateUsage, reportReturnType]


def entries(metadata: Metadata) -> dict[Any, Any]:
    return metadata._entries  # pyright: ignore[reportPrivateUsage]


def inbox_of(replica: Replica) -> Inbox:
    return followed(replica.metadata)[SERVER, replica.tenant].inbox


async def until(ask: Callable[[], Awaitable[bool]]) -> None:
    with anyio.fail_after(10):
        while not await ask():
            await asyncio.sleep(0.005)


def counted(server: str = SERVER) -> dict[str, float]:
    return {result: METADATA_LOOKUPS.value(server, result) for result in ("hit", "miss", "bypass")}


def since(before: dict[str, float]) -> dict[str, float]:
    return {result: value - before[result] for result, value in counted().items()}


async def test_what_was_made_is_shown_again_and_counted(replica: Replica) -> None:
    before = counted()
    assert [await replica.titles() for _ in range(3)] == [("a",)] * 3
    assert replica.made == 1
    assert since(before) == {"hit": 2, "miss": 1, "bypass": 0}


async def test_nothing_made_for_one_is_shown_to_another(replica: Replica) -> None:
    others: list[dict[str, Any]] = [
        {},
        {"tenant": f"{replica.tenant}x"},
        {"server": "tickets"},
        {"key": "outlines"},
        {"key": ("titles", "x")},
        {"rights": ["class:internal"]},
        {"rights": ["class:internal", "user:jane"]},
        {"rights": ["class:internal,user:jane"]},
    ]
    for _ in range(2):
        for number, other in enumerate(others):
            replica.shelf[:] = [str(number)]
            assert await replica.titles(**other) == (str(number),)
    assert replica.made == len(others)


async def test_who_changes_something_finds_it_changed(replica: Replica) -> None:
    for number in range(50):
        await replica.titles()
        await replica.add(str(number))
        assert (await replica.titles())[-1] == str(number)


async def test_what_is_delivered_for_another_process_counts_as_well(replica: Replica) -> None:
    await replica.titles()
    replica.shelf.append("b")
    await replica.notices.deliver(SERVER, replica.tenant, ["shelf://b"])
    assert await replica.titles() == ("a", "b")


async def test_a_change_leaves_what_is_kept_of_other_tenants_and_servers(replica: Replica) -> None:
    other, elsewhere = {"tenant": f"{replica.tenant}x"}, {"server": "tickets"}
    for whose in (other, elsewhere):
        await replica.titles(**whose)
    await replica.add("b")
    assert [await replica.titles(**whose) for whose in (other, elsewhere)] == [("a",)] * 2
    assert replica.made == 2


async def test_word_over_the_bus_alone_is_enough(replica: Replica) -> None:
    await replica.titles()
    replica.shelf.append("b")
    await replica.world.notices.publish(SERVER, replica.tenant, ["shelf://b"])

    async def fresh() -> bool:
        return await replica.titles() == ("a", "b")

    await until(fresh)
    assert await replica.titles() == ("a", "b")


async def test_many_who_ask_at_once_have_it_made_once(replica: Replica) -> None:
    replica.slowly = asyncio.Event()
    before = counted()
    asking = [asyncio.create_task(replica.titles()) for _ in range(20)]
    await replica.begun.wait()
    replica.slowly.set()
    assert await asyncio.gather(*asking) == [("a",)] * 20
    assert replica.made == 1
    assert since(before) == {"hit": 19, "miss": 1, "bypass": 0}


@pytest.mark.parametrize("told", ["here", "by the bus"])
async def test_what_was_begun_before_a_change_is_neither_kept_nor_shown_to_who_asks_after_it(
    replica: Replica, told: str
) -> None:
    await replica.titles(key="another")
    held = replica.slowly = asyncio.Event()
    replica.begun.clear()
    early = asyncio.create_task(replica.titles())
    await replica.begun.wait()
    replica.slowly = None
    if told == "here":
        await replica.add("b")
    else:
        replica.shelf.append("b")
        await replica.world.notices.publish(SERVER, replica.tenant, ["shelf://b"])

        async def heard() -> bool:
            return not followed(replica.metadata)[SERVER, replica.tenant].keys

        await until(heard)
    assert await replica.titles() == ("a", "b")
    held.set()
    assert await early == ("a",), "it had asked before"
    assert await replica.titles() == ("a", "b")


async def test_a_failure_is_nobodys_answer_but_the_askers(replica: Replica) -> None:
    trying: list[int] = [0]

    async def fail() -> tuple[str, ...]:
        replica.made += 1
        trying.append(trying[-1] + 1)
        await asyncio.sleep(0)
        trying.append(trying[-1] - 1)
        raise Unavailable(f"attempt {replica.made}")

    kept = replica.metadata.of(SERVER, replica.tenant, None)
    told: Any = await asyncio.gather(*(kept.get("titles", fail) for _ in range(5)), return_exceptions=True)
    assert len({id(failure) for failure in told}) == 5
    assert all(isinstance(failure, Unavailable) for failure in told)
    assert max(trying) == 4, "those who waited in vain do not wait for one another"
    assert await replica.titles() == ("a",)
    assert await replica.titles() == ("a",)
    assert replica.made == 6


async def test_when_who_makes_it_gives_up_another_goes_on(replica: Replica) -> None:
    await replica.titles(key="another")
    replica.slowly = asyncio.Event()
    replica.begun.clear()
    first = asyncio.create_task(replica.titles())
    await replica.begun.wait()
    others = [asyncio.create_task(replica.titles()) for _ in range(5)]
    await asyncio.sleep(0)
    replica.begun.clear()
    first.cancel()
    await replica.begun.wait()
    others[3].cancel()
    replica.slowly.set()
    told = await asyncio.gather(*others, return_exceptions=True)
    assert [answer for answer in told if answer == ("a",)] == [("a",)] * 4
    assert replica.made == 3
    assert first.cancelled()


async def test_entries_live_for_a_while_counted_from_when_they_were_begun(world: World, tenant: str) -> None:
    now = 0.0
    async with anyio.create_task_group() as tasks:
        metadata = Metadata(world.bus, tasks, 300, 1000, clock=lambda: now)
        replica = Replica(world, metadata, tenant, ["a"])

        async def slow() -> tuple[str, ...]:
            nonlocal now
            now += 10
            return await replica.make()

        assert await metadata.of(SERVER, tenant, None).get("titles", slow) == ("a",)
        replica.shelf.append("b")
        now = 299.0
        assert await replica.titles() == ("a",)
        now = 300.0
        assert await replica.titles() == ("a", "b")
        tasks.cancel_scope.cancel()


async def test_only_so_many_are_kept_and_those_asked_for_lately_stay(world: World, tenant: str) -> None:
    async with replica_of(world, tenant, [], most=3) as replica:
        for key in "abc":
            await replica.titles(key=key)
        for key in "ad":
            await replica.titles(key=key, tenant=tenant if key == "a" else f"{tenant}x")
        assert replica.made == 4
        for key in "ac":
            await replica.titles(key=key)
        assert replica.made == 4
        await replica.titles(key="b")
        assert (replica.made, len(entries(replica.metadata))) == (5, 3)


async def test_it_can_be_switched_off(world: World, tenant: str) -> None:
    async with replica_of(world, tenant, ["a"], most=0) as replica:
        before = counted()
        assert [await replica.titles() for _ in range(3)] == [("a",)] * 3
        assert since(before) == {"hit": 0, "miss": 0, "bypass": 3}
        assert followed(replica.metadata) == {}


async def test_beyond_so_many_tenants_nothing_is_kept_of_the_next(
    replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata_module, "_FOLLOWED_MAX", 2)
    for number in (1, 2, 3):
        for _ in range(2):
            await replica.titles(tenant=f"{replica.tenant}-{number}")
    assert replica.made == 4
    assert len(followed(replica.metadata)) == 2


async def test_it_listens_only_while_it_is_used(world: World, tenant: str) -> None:
    async def listening() -> bool:
        if isinstance(world, RedisWorld):
            channel = channel_of(f"notices:{SERVER}:{tenant}")
            [(_, count)] = await world.redis.pubsub_numsub(channel)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType, reportGeneralTypeIssues]
            return bool(count)  # pyright: ignore[reportUnknownArgumentType]
        assert isinstance(world.bus, LocalBus)
        return bool(world.bus._topics)  # pyright: ignore[reportPrivateUsage]

    async def ended() -> bool:
        return not await listening() and not followed(replica.metadata) and not entries(replica.metadata)

    async with replica_of(world, tenant, ["a"], ttl_s=0.1) as replica:
        assert not await listening()
        for _ in range(2):
            replica.shelf.append("more")
            await replica.titles()
            assert await listening()
            await until(ended)
        assert replica.made == 2


async def test_a_bus_that_fails_costs_what_is_kept_and_no_call(
    replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    @asynccontextmanager
    async def broken(_topic: str) -> AsyncGenerator[Any]:
        raise ValueError("broken")
        yield

    monkeypatch.setattr(replica.world.bus, "listening", broken)
    assert [await replica.titles() for _ in range(2)] == [("a",)] * 2
    assert replica.made == 2
    monkeypatch.undo()
    for _ in range(2):
        await replica.titles()
    assert replica.made == 3


@pytest.mark.parametrize(("redis_url", "ttl_s"), [(None, 5), ("redis://127.0.0.1:1", 300)])
async def test_without_redis_it_is_kept_for_seconds_alone(
    redis_url: str | None, ttl_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    settings = Settings.model_validate({"redis_url": redis_url})
    async with open_metadata(LocalBus(), settings) as metadata:
        assert metadata._ttl_s == ttl_s  # pyright: ignore[reportPrivateUsage]


# Only with a server


@pytest.fixture
async def pair(redis_server: EmbeddedRedis, tenant: str) -> AsyncGenerator[tuple[Replica, Replica]]:
    """Two replicas over one Redis and one shelf."""
    shelf = ["a"]
    async with (
        redis_world(redis_server.url, SETTINGS) as one,
        redis_world(redis_server.url, SETTINGS) as two,
        replica_of(one, tenant, shelf) as here,
        replica_of(two, tenant, shelf) as there,
    ):
        yield here, there


async def test_a_change_at_one_replica_is_found_at_the_other(pair: tuple[Replica, Replica]) -> None:
    here, there = pair

    async def fresh() -> bool:
        return await there.titles() == tuple(here.shelf)

    for number in range(20):
        assert await there.titles() == await here.titles()
        await here.add(str(number))
        assert await here.titles() == tuple(here.shelf)
        await until(fresh)


async def test_a_change_told_while_the_connection_was_lost_is_found_all_the_same(pair: tuple[Replica, Replica]) -> None:
    here, there = pair
    world = there.world
    assert isinstance(world, RedisWorld)

    async def fresh() -> bool:
        return await there.titles() == tuple(here.shelf)

    for number in range(5):
        assert await there.titles() == tuple(here.shelf)
        await world.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")  # pyright: ignore[reportUnknownMemberType]
        await here.add(str(number))
        assert await here.titles() == tuple(here.shelf)
        await until(fresh)


async def test_while_the_bus_is_away_nothing_kept_is_shown_and_afterwards_nothing_old(
    tmp_path: Path, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata_module, "_ENTER_S", 10)
    with own_redis(tmp_path) as server:
        async with redis_world(server.url, QUICK) as world, replica_of(world, tenant, ["a"]) as replica:
            for _ in range(2):
                assert await replica.titles() == ("a",)
            assert replica.made == 1
            inbox = inbox_of(replica)

            async def lost() -> bool:
                return not inbox.quiet

            async def back() -> bool:
                return inbox.quiet

            server.kill()
            await until(lost)
            replica.shelf.append("b")
            before = counted()
            assert [await replica.titles() for _ in range(3)] == [("a", "b")] * 3
            assert await replica.titles(tenant=f"{tenant}x") == ("a", "b"), "that nobody asked for before"
            assert since(before) == {"hit": 0, "miss": 0, "bypass": 4}
            server.start()
            await until(back)
            made = replica.made
            for _ in range(2):
                assert await replica.titles() == ("a", "b")
            assert replica.made == made + 1


async def test_what_was_being_made_while_the_bus_was_away_is_not_kept(tmp_path: Path, tenant: str) -> None:
    with own_redis(tmp_path) as server:
        async with redis_world(server.url, QUICK) as world, replica_of(world, tenant, ["a"]) as replica:
            await replica.titles(key="another")
            inbox = inbox_of(replica)
            replica.slowly = asyncio.Event()
            replica.begun.clear()
            early = asyncio.create_task(replica.titles())
            await replica.begun.wait()

            async def lost() -> bool:
                return not inbox.quiet

            async def back() -> bool:
                return inbox.quiet

            server.kill()
            await until(lost)
            replica.shelf.append("b")
            server.start()
            await until(back)
            replica.slowly.set()
            assert await early == ("a",)
            assert await replica.titles() == ("a", "b")


async def test_a_bus_that_hangs_is_noticed(tmp_path: Path, tenant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_bus, "_PING_S", 0.1)
    with own_redis(tmp_path) as server:
        async with redis_world(server.url, QUICK) as world, replica_of(world, tenant, ["a"]) as replica:
            await replica.titles()
            server.signal(signal.SIGSTOP)
            try:
                replica.shelf.append("b")

                async def fresh() -> bool:
                    return await replica.titles() == ("a", "b")

                await until(fresh)
            finally:
                server.signal(signal.SIGCONT)
