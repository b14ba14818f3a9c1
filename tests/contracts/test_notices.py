"""One contract for both logs of notices. The server is real: without one these tests fail."""

from collections.abc import AsyncGenerator, Sequence
from functools import partial
from pathlib import Path
from uuid import uuid4

import anyio
import pytest

from shared.core.metrics import BUS_LOST
from shared.core.settings import Settings
from shared.state import inbox as inboxes
from shared.state import local_bus, redis_bus
from shared.state.embedded_redis import EmbeddedRedis
from shared.state.local_bus import LocalBus
from shared.state.local_notices import LocalNotices
from shared.state.notices import KEPT_S, MOST, NOW, Following, Notice, position_of
from shared.state.redis import open_redis
from shared.state.redis_notices import RedisNotices
from tests.lossy_line import LossyLine
from tests.own_redis import own_redis
from tests.stores import LocalWorld, RedisWorld, World, redis_world

pytestmark = pytest.mark.anyio

SETTINGS = Settings()
QUICK = Settings(redis_timeout_s=0.3)
SERVER = "customers"


@pytest.fixture(params=["local", "redis"])
async def world(request: pytest.FixtureRequest) -> AsyncGenerator[World]:
    if request.param == "local":
        yield LocalWorld(SETTINGS)
        return
    server: EmbeddedRedis = request.getfixturevalue("redis_server")
    async with redis_world(server.url, SETTINGS) as opened:
        yield opened


@pytest.fixture
def tenant() -> str:
    return f"t{uuid4().hex}"


async def told(following: Following, count: int) -> list[str]:
    """The URIs of that many notices, and a moment later that there were no more."""
    found: list[Notice] = []
    with anyio.fail_after(20):
        while len(found) < count:
            found += await following.next(5)
    found += await following.next(0.05)
    assert [position_of(notice.id) for notice in found] == sorted({position_of(notice.id) for notice in found})
    return [notice.uri for notice in found]


def uris(numbers: Sequence[int]) -> list[str]:
    return [f"customers://customers/C-{number}" for number in numbers]


async def test_followers_are_told_in_order_of_what_changes_from_now_on(world: World, tenant: str) -> None:
    await world.notices.publish(SERVER, tenant, uris([0]))
    async with world.notices.following(SERVER, tenant) as one, world.notices.following(SERVER, tenant, NOW) as two:
        await world.notices.publish(SERVER, tenant, uris([1, 2]))
        await world.notices.publish(SERVER, tenant, [])
        await world.notices.publish(SERVER, tenant, uris([1]))
        assert await told(one, 3) == await told(two, 3) == uris([1, 2, 1])


async def test_other_tenants_and_servers_are_not_told(world: World, tenant: str) -> None:
    async with (
        world.notices.following(SERVER, f"{tenant}x", "0-0") as other,
        world.notices.following("tickets", tenant, "0-0") as elsewhere,
    ):
        await world.notices.publish(SERVER, tenant, uris([1]))
        assert await told(other, 0) == await told(elsewhere, 0) == []


async def test_who_comes_back_is_told_what_was_missed_and_what_comes(world: World, tenant: str) -> None:
    async with world.notices.following(SERVER, tenant) as following:
        await world.notices.publish(SERVER, tenant, uris([1]))
        [seen] = await following.next(5)
    await world.notices.publish(SERVER, tenant, uris([2, 3]))
    async with world.notices.following(SERVER, tenant, seen.id) as following:
        await world.notices.publish(SERVER, tenant, uris([4]))
        assert await told(following, 3) == uris([2, 3, 4])


@pytest.mark.parametrize("after", ["", "0", "0-0", "x", "1-x", "00-007", "-", "(1-0", "9-99999999999999999999999"])
async def test_who_comes_back_with_no_id_is_told_all_that_is_kept(world: World, tenant: str, after: str) -> None:
    await world.notices.publish(SERVER, tenant, uris([1, 2]))
    async with world.notices.following(SERVER, tenant, after) as following:
        assert await told(following, 2) == uris([1, 2])


async def test_the_log_is_bounded(world: World, tenant: str) -> None:
    for start in range(0, 3 * MOST, 100):
        await world.notices.publish(SERVER, tenant, uris(range(start, start + 100)))
    async with world.notices.following(SERVER, tenant, "0-0") as following:
        kept = await told(following, MOST)
    assert kept == uris(range(3 * MOST - len(kept), 3 * MOST))
    assert len(kept) <= MOST * 1.2


async def test_notices_are_kept_for_a_while(world: World, tenant: str) -> None:
    await world.notices.publish(SERVER, tenant, uris([1]))
    await world.passes(KEPT_S - 5, tenant)
    async with world.notices.following(SERVER, tenant, "0-0") as following:
        assert await told(following, 1) == uris([1])
    await world.passes(10, tenant)
    async with world.notices.following(SERVER, tenant, "0-0") as following:
        assert await told(following, 0) == []


async def test_what_overflowed_on_the_way_is_read_from_the_log(
    world: World, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (local_bus, redis_bus):
        monkeypatch.setattr(module, "BoundedInbox", partial(inboxes.BoundedInbox, most=5))
    async with world.notices.following(SERVER, tenant) as following:
        await world.notices.publish(SERVER, tenant, uris(range(50)))
        assert await told(following, 50) == uris(range(50))
        await world.notices.publish(SERVER, tenant, uris([99]))
        assert await told(following, 1) == uris([99])


async def test_nothing_of_a_tenant_is_kept_for_ever(redis_server: EmbeddedRedis, tenant: str) -> None:
    async with redis_world(redis_server.url, SETTINGS) as world:
        await world.notices.publish(SERVER, tenant, uris([1]))
        await world.passes(KEPT_S + 1, tenant)
        assert await world.keys(tenant) == []


async def test_none_is_missed_and_none_told_twice_while_connections_are_killed(
    redis_server: EmbeddedRedis, tenant: str
) -> None:
    async with (
        redis_world(redis_server.url, SETTINGS) as here,
        redis_world(redis_server.url, SETTINGS) as there,
        here.notices.following(SERVER, tenant) as following,
    ):
        found: list[str] = []
        for number in range(300):
            if number % 60 == 30:
                await _kill_listeners(there)
            await there.notices.publish(SERVER, tenant, uris([number]))
            found += [notice.uri for notice in await following.next(0)]
        assert found + await told(following, 300 - len(found)) == uris(range(300))


async def _kill_listeners(world: RedisWorld) -> None:
    await world.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")  # pyright: ignore[reportUnknownMemberType]


async def test_a_notice_whose_reply_was_lost_is_told_once(redis_server: EmbeddedRedis, tenant: str) -> None:
    async with (
        redis_world(redis_server.url, SETTINGS) as world,
        world.notices.following(SERVER, tenant) as following,
        LossyLine(redis_server.url).open() as line,
        open_redis(line.url, SETTINGS) as client,
    ):
        notices = RedisNotices(client, SETTINGS, LocalBus())
        await notices.publish(SERVER, tenant, uris([1]))
        line.lose_reply()
        await notices.publish(SERVER, tenant, uris([2]))
        assert line.lost == 1
        assert await told(following, 2) == uris([1, 2])


async def test_publishing_never_fails_and_followers_go_on_after_the_server_was_away(
    tmp_path: Path, tenant: str
) -> None:
    with own_redis(tmp_path) as server:
        async with redis_world(server.url, QUICK) as world, world.notices.following(SERVER, tenant) as before:
            await world.notices.publish(SERVER, tenant, uris([1]))
            assert await told(before, 1) == uris([1])
            server.kill()
            not_sent = BUS_LOST.value("not_sent")
            await world.notices.publish(SERVER, tenant, uris([2, 3]))
            assert BUS_LOST.value("not_sent") == not_sent + 2
            async with world.notices.following(SERVER, tenant) as meanwhile:
                assert await meanwhile.next(0.05) == []
                server.start()
                await world.notices.publish(SERVER, tenant, uris([4]))
                assert await told(before, 1) == uris([4])
                assert await told(meanwhile, 1) == uris([4])


async def test_the_twin_keeps_few_logs() -> None:
    notices = LocalNotices(LocalBus(), most_logs=3)
    for tenant in "abcad":
        await notices.publish(SERVER, tenant, uris([1]))
    kept: list[int] = []
    for tenant in "abcd":
        async with notices.following(SERVER, tenant, "0-0") as following:
            kept.append(len(await following.next(0)))
    assert kept == [2, 0, 1, 1]
