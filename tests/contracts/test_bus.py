"""One contract for both buses, and for what replicas know of each other. The server is real."""

import asyncio
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from shared.core.errors import Unavailable
from shared.core.metrics import BUS_LOST
from shared.core.settings import Settings
from shared.state import inbox as inboxes
from shared.state import local_bus, redis_bus, redis_replicas
from shared.state.bus import Bus, Inbox, Replicas
from shared.state.embedded_redis import EmbeddedRedis
from shared.state.local_bus import LocalBus, LocalReplicas
from shared.state.redis import open_redis
from shared.state.redis_bus import RedisBus, channel_of, open_redis_bus
from shared.state.redis_replicas import RedisReplicas
from tests.own_redis import OwnRedis, own_redis

pytestmark = pytest.mark.anyio

SETTINGS = Settings()
QUICK = Settings(redis_timeout_s=0.3)


@pytest.fixture(params=["local", "redis"])
async def bus(request: pytest.FixtureRequest) -> AsyncGenerator[Bus]:
    if request.param == "local":
        yield LocalBus()
        return
    server: EmbeddedRedis = request.getfixturevalue("redis_server")
    async with open_redis(server.url, SETTINGS) as client, open_redis_bus(client, SETTINGS) as opened:
        yield opened


@pytest.fixture
async def pair(redis_server: EmbeddedRedis) -> AsyncGenerator[tuple[RedisBus, RedisBus]]:
    """The buses of two replicas."""
    async with AsyncExitStack() as stack:
        buses: list[RedisBus] = []
        for _ in range(2):
            client = await stack.enter_async_context(open_redis(redis_server.url, SETTINGS))
            buses.append(await stack.enter_async_context(open_redis_bus(client, SETTINGS)))
        yield buses[0], buses[1]


@pytest.fixture
def topic() -> str:
    return uuid4().hex


async def heard(inbox: Inbox, most: int = 1000) -> list[bytes]:
    """What comes until nothing comes for a moment."""
    found: list[bytes] = []
    while len(found) < most and (message := await inbox.next(0.1)) is not None:
        found.append(message)
    return found


async def until(ask: Callable[[], Awaitable[Any]]) -> Any:
    with anyio.fail_after(15):
        while not (answer := await ask()):
            await asyncio.sleep(0.01)
    return answer


async def test_everybody_who_listens_hears_everything_in_order_and_nobody_else_does(bus: Bus, topic: str) -> None:
    async with bus.listening(topic) as one, bus.listening(topic) as two, bus.listening(f"{topic}:more") as other:
        for number in range(50):
            await bus.publish(topic, str(number).encode())
        expected = [str(number).encode() for number in range(50)]
        assert [await one.next(5) for _ in range(50)] == expected
        assert [await two.next(5) for _ in range(50)] == expected
        assert await heard(other) == []
        assert not any(inbox.missed for inbox in (one, two, other))


async def test_what_was_said_before_or_after_is_not_heard(bus: Bus, topic: str) -> None:
    await bus.publish(topic, b"before")
    async with bus.listening(topic) as first:
        await bus.publish(topic, b"now")
        assert await first.next(5) == b"now"
    await bus.publish(topic, b"between")
    async with bus.listening(topic) as second:
        assert await heard(second) == []
    assert await heard(first) == []


async def test_a_message_may_be_empty_or_any_bytes(bus: Bus, topic: str) -> None:
    async with bus.listening(topic) as inbox:
        for message in (b"", bytes(range(256)), b"x" * 100_000):
            await bus.publish(topic, message)
            assert await inbox.next(5) == message


async def test_who_waits_is_woken_and_who_waits_in_vain_is_told_in_time(bus: Bus, topic: str) -> None:
    async with bus.listening(topic) as inbox, anyio.create_task_group() as tasks:
        tasks.start_soon(bus.publish, topic, b"now")
        assert await inbox.next(10) == b"now"
        assert await inbox.next(0) is None
        assert await inbox.next(0.01) is None


async def test_an_inbox_that_overflows_says_so_once_and_keeps_what_it_had(
    bus: Bus, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (local_bus, redis_bus):
        monkeypatch.setattr(module, "BoundedInbox", partial(inboxes.BoundedInbox, most=3))
    lost = BUS_LOST.value("inbox_full")
    async with bus.listening(topic) as inbox, bus.listening(topic) as busy:
        for number in range(5):
            await bus.publish(topic, str(number).encode())
            assert await busy.next(5) == str(number).encode()
        assert await inbox.next(5) is None
        assert await heard(inbox) == [b"0", b"1", b"2"]
        assert inbox.missed
        assert not inbox.missed
        assert not busy.missed
        assert BUS_LOST.value("inbox_full") == lost + 2


async def test_an_inbox_is_quiet_once_everything_was_read(bus: Bus, topic: str) -> None:
    async with bus.listening(topic) as inbox:
        assert inbox.quiet
        await bus.publish(topic, b"one")
        await bus.publish(topic, b"two")
        with anyio.fail_after(10):
            while inbox.quiet:
                await asyncio.sleep(0)
        assert [await inbox.next(5), await inbox.next(5)] == [b"one", b"two"]
        assert inbox.quiet


async def test_who_enters_again_and_again_misses_nothing(bus: Bus, topic: str) -> None:
    for number in range(100):
        async with bus.listening(topic) as inbox:
            await bus.publish(topic, str(number).encode())
            assert await inbox.next(5) == str(number).encode()
            assert not inbox.missed


async def test_many_come_and_go_and_each_hears_its_own(bus: Bus) -> None:
    async def one(topic: str) -> None:
        for number in range(5):
            async with bus.listening(topic) as inbox:
                await bus.publish(topic, f"{topic} {number}".encode())
                assert await inbox.next(5) == f"{topic} {number}".encode()

    with anyio.fail_after(20):
        await asyncio.gather(*(one(uuid4().hex) for _ in range(50)))


async def test_a_listener_that_is_cancelled_takes_nobody_with_it(bus: Bus, topic: str) -> None:
    async def listen() -> None:
        async with bus.listening(f"{topic}:other") as inbox:
            await inbox.next(60)

    async with bus.listening(topic) as inbox:
        for pause in (0, 0, 1, 2, 3, 5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(listen)
                for _ in range(pause):
                    await asyncio.sleep(0)
                tasks.cancel_scope.cancel()
        await bus.publish(topic, b"still here")
        assert await inbox.next(5) == b"still here"
        assert not inbox.missed


# Only with a server


async def test_replicas_hear_each_other(pair: tuple[RedisBus, RedisBus], topic: str) -> None:
    here, there = pair
    async with here.listening(topic) as one, there.listening(topic) as two:
        await here.publish(topic, b"from here")
        await there.publish(topic, b"from there")
        for inbox in (one, two):
            assert [await inbox.next(5), await inbox.next(5)] == [b"from here", b"from there"]


async def test_a_topic_is_subscribed_once_and_only_while_somebody_listens(
    pair: tuple[RedisBus, RedisBus], topic: str, redis_server: EmbeddedRedis
) -> None:
    async with open_redis(redis_server.url, SETTINGS) as client:

        async def subscribers() -> int:
            [(_, count)] = await client.pubsub_numsub(channel_of(topic))  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType, reportGeneralTypeIssues]
            return int(count)  # pyright: ignore[reportUnknownArgumentType]

        async def nobody() -> bool:
            return await subscribers() == 0

        async with pair[0].listening(topic):
            async with pair[0].listening(topic):
                assert await subscribers() == 1
            async with pair[1].listening(topic):
                assert await subscribers() == 2
            assert await subscribers() >= 1
        await until(nobody)


async def test_a_connection_that_is_killed_is_made_again_and_listeners_are_told(
    pair: tuple[RedisBus, RedisBus], topic: str, redis_server: EmbeddedRedis
) -> None:
    here, there = pair
    lost = BUS_LOST.value("connection_lost")
    async with open_redis(redis_server.url, SETTINGS) as client, here.listening(topic) as inbox:
        await _kill_listeners(client)
        assert await inbox.next(10) is None
        assert not inbox.quiet
        assert inbox.missed
        assert inbox.quiet
        await there.publish(topic, b"after")
        assert await inbox.next(5) == b"after"
        assert not inbox.missed
        assert BUS_LOST.value("connection_lost") == lost + 1


async def _kill_listeners(client: Redis) -> None:
    await client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")  # pyright: ignore[reportUnknownMemberType]


async def test_nothing_is_lost_unsaid_while_connections_are_killed(
    pair: tuple[RedisBus, RedisBus], topic: str, redis_server: EmbeddedRedis
) -> None:
    here, there = pair
    told: list[bytes] = []
    missed = 0
    async with open_redis(redis_server.url, SETTINGS) as client, here.listening(topic) as inbox:
        for number in range(300):
            if number % 100 == 50:
                await _kill_listeners(client)
            await there.publish(topic, str(number).encode())
            while (message := await inbox.next(0)) is not None:
                told.append(message)
        with anyio.fail_after(10):
            while b"end" not in told:
                await there.publish(topic, b"end")
                message = await inbox.next(0.05)
                missed += inbox.missed
                told += [message] if message is not None else []
    numbers = [int(message) for message in told if message != b"end"]
    assert numbers == sorted(set(numbers))
    assert len(numbers) == 300 or missed


@pytest.fixture
def server(tmp_path: Path) -> Generator[OwnRedis]:
    with own_redis(tmp_path) as running:
        yield running


@pytest.fixture
async def quick(server: OwnRedis) -> AsyncGenerator[RedisBus]:
    async with open_redis(server.url, QUICK) as client, open_redis_bus(client, QUICK) as opened:
        yield opened


async def test_a_server_that_was_away_is_heard_again_without_a_restart(
    server: OwnRedis, quick: RedisBus, topic: str
) -> None:
    async with quick.listening(topic) as before:
        server.kill()
        not_sent = BUS_LOST.value("not_sent")
        await quick.publish(topic, b"in vain")
        assert BUS_LOST.value("not_sent") == not_sent + 1
        async with quick.listening(topic) as meanwhile, quick.listening(f"{topic}:new") as new:
            assert await meanwhile.next(0) is None
            assert not any(inbox.quiet for inbox in (before, meanwhile, new))
            server.start()
            for inbox in (before, meanwhile, new):
                assert await inbox.next(10) is None
                assert inbox.missed
            await quick.publish(topic, b"back")
            assert [await before.next(5), await meanwhile.next(5)] == [b"back", b"back"]


async def test_a_server_that_is_not_there_yet_is_waited_for(server: OwnRedis, topic: str) -> None:
    server.kill()
    async with (
        open_redis(server.url, QUICK) as client,
        open_redis_bus(client, QUICK) as bus,
        bus.listening(topic) as inbox,
    ):
        server.start()
        assert await inbox.next(10) is None
        assert inbox.missed
        await bus.publish(topic, b"now")
        assert await inbox.next(5) == b"now"


async def test_who_enters_while_the_connection_is_made_again_waits_for_it(server: OwnRedis, topic: str) -> None:
    patient = Settings(redis_timeout_s=10)

    async def enter() -> None:
        async with bus.listening(topic) as inbox:
            await bus.publish(topic, b"now")
            assert await inbox.next(5) == b"now"
            assert not inbox.missed

    async with (
        open_redis(server.url, patient) as client,
        open_redis_bus(client, patient) as bus,
        bus.listening(topic),
        anyio.create_task_group() as tasks,
    ):
        with capture_logs() as logs, anyio.fail_after(10):
            server.kill()
            while not logs:
                await asyncio.sleep(0.01)
        tasks.start_soon(enter)
        await asyncio.sleep(0)
        server.start()


async def test_a_frozen_server_is_noticed(
    server: OwnRedis, quick: RedisBus, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_bus, "_PING_S", 0.1)
    async with quick.listening(topic) as inbox:
        server.signal(signal.SIGSTOP)
        try:
            with anyio.fail_after(5):
                await quick.publish(topic, b"in vain")
                async with quick.listening(f"{topic}:new"):
                    assert await inbox.next(0.2) is None
        finally:
            server.signal(signal.SIGCONT)
        assert await inbox.next(10) is None
        assert inbox.missed


# Replicas


@pytest.fixture(params=["local", "redis"])
async def replicas(request: pytest.FixtureRequest) -> AsyncGenerator[Replicas]:
    if request.param == "local":
        yield LocalReplicas()
        return
    redis: EmbeddedRedis = request.getfixturevalue("redis_server")
    async with open_redis(redis.url, SETTINGS) as client:
        yield RedisReplicas(client, SETTINGS)


async def test_a_process_knows_itself_alive_until_it_leaves(replicas: Replicas) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(replicas.beat)
        assert await replicas.alive(replicas.id)
        assert not await replicas.alive("somebody else")
        tasks.cancel_scope.cancel()
    await replicas.leave()
    assert not await replicas.alive(replicas.id)


async def test_replicas_see_each_other_come_and_go(redis_server: EmbeddedRedis) -> None:
    async with open_redis(redis_server.url, SETTINGS) as client:
        here, there = RedisReplicas(client, SETTINGS), RedisReplicas(client, SETTINGS)
        assert here.id != there.id
        assert not await there.alive(here.id)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(here.beat)
            await until(lambda: there.alive(here.id))
            assert 0 < await client.pttl(f"suite:replica:{here.id}") <= 6000
            tasks.cancel_scope.cancel()
        assert await there.alive(here.id)
        await here.leave()
        assert not await there.alive(here.id)


async def test_a_process_goes_on_saying_that_it_lives(
    redis_server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_replicas, "_BEAT_S", 0.02)
    async with open_redis(redis_server.url, SETTINGS) as client:
        here, there = RedisReplicas(client, SETTINGS), RedisReplicas(client, SETTINGS)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(here.beat)
            for _ in range(3):
                await until(lambda: there.alive(here.id))
                await client.delete(f"suite:replica:{here.id}")
            await until(lambda: there.alive(here.id))
            tasks.cancel_scope.cancel()


async def test_nobody_is_declared_dead_because_the_server_was_away(server: OwnRedis) -> None:
    async with open_redis(server.url, QUICK) as client:
        here, there = RedisReplicas(client, QUICK), RedisReplicas(client, QUICK)
        assert not await here.alive(there.id)
        server.kill()
        with pytest.raises(Unavailable):
            await here.alive(there.id)
        server.start()
        assert await here.alive(there.id)
