"""Metadata that tools keep, through the application: whose it is, and when it is no more."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any, cast

import anyio
import httpx
import pytest
from sqlalchemy import func, literal_column, select

from servers.customers.server import server as customers
from shared.core.caller import Caller
from shared.core.metrics import METADATA_LOOKUPS
from shared.core.tool import Answer, Arguments, Call, Queries, Risk, WriteArguments
from shared.core.toolset import Toolset
from shared.state.announcements import announce
from shared.state.database import Statement, connect
from shared.state.embedded_redis import EmbeddedRedis
from shared.state.redis_bus import RedisBus
from tests.conversation import Conversation
from tests.generous import EVERYBODY
from tests.harness import Databases, Suite, open_suite

pytestmark = pytest.mark.anyio

Make = Callable[..., Awaitable[Suite]]

tools = Toolset()
shelf: list[str] = []
made: list[str] = []

WHOSE = Statement(
    select(
        func.current_setting(literal_column("'app.tenant'")).label("tenant"),
        func.current_setting(literal_column("'app.rights'"), True).label("rights"),
    )
)


class Ask(Arguments):
    kind: str


class Put(WriteArguments):
    title: str


class Titles(Answer):
    titles: list[str]
    tenant: str
    rights: str


async def titles_of(database: Queries, kind: str) -> Titles:
    made.append(kind)
    whose = await database.row(WHOSE)
    assert whose is not None
    return Titles(titles=list(shelf), tenant=whose["tenant"], rights=whose["rights"] or "")


@tools.read("customers:read")
async def list_titles(call: Call, query: Ask) -> Titles:
    """List titles."""
    return await call.metadata(titles_of, query.kind)


@tools.write("customers:write", risk=Risk.LOW)
async def put_title(call: Call, query: Put) -> Titles:
    """Put a title on the shelf."""
    found = await call.metadata(titles_of, "before the change")
    shelf.append(query.title)
    call.changed(f"shelf://{query.title}")
    return found


def rights_of(caller: Caller) -> list[str]:
    return [f"role:{role}" for role in sorted(caller.roles)]


plain = replace(customers, tools=tools, workers=(), views=None, policy=EVERYBODY)
entitled = replace(plain, rights=rights_of)


@pytest.fixture(autouse=True)
def empty_shelf() -> None:
    shelf[:] = ["a"]
    made.clear()


@dataclass
class Pair:
    """Two replicas over one database and one Redis, and somebody who talks to both."""

    suites: list[Suite]
    client: Conversation

    async def titles(self, at: int) -> list[str]:
        return (await self.client.call(at, "list_titles", kind="books"))["titles"]

    async def put(self, at: int, title: str) -> None:
        assert "titles" in await self.client.call(at, "put_title", title=title)

    async def until_found(self, at: int, expected: list[str]) -> None:
        with anyio.fail_after(10):
            while await self.titles(at) != expected:
                await anyio.sleep(0.01)


@pytest.fixture
async def pair(
    databases: Databases, redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Pair]:
    urls = await databases.fresh()
    folder = tmp_path_factory.mktemp("replicas")
    async with AsyncExitStack() as stack:
        opened: list[Suite] = []
        for _ in range(2):
            name = {"public_url": opened[0].settings.base_url} if opened else {}
            opening = open_suite(urls, folder, served=[plain], redis_url=redis_server.url, **name)
            opened.append(await stack.enter_async_context(opening))
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=10))
        client = Conversation(opened, opened[0].token("manager"), "customers", http)
        await client.initialize()
        yield Pair(opened, client)


async def test_what_was_written_at_one_replica_is_read_there_at_once_and_soon_at_the_other(pair: Pair) -> None:
    hits = METADATA_LOOKUPS.value("customers", "hit")
    for title in "bc":
        for at in (0, 1, 0, 1):
            assert await pair.titles(at) == shelf
        await pair.put(0, title)
        assert await pair.titles(0) == shelf
        await pair.until_found(1, shelf)
    assert METADATA_LOOKUPS.value("customers", "hit") >= hits + 4


async def test_who_writes_reads_it_there_however_slow_the_bus_is(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [await pair.titles(at) for at in (0, 1)] == [["a"]] * 2

    def lose(_bus: RedisBus, _channel: bytes, _message: bytes) -> None: ...

    monkeypatch.setattr(RedisBus, "_deliver", lose)
    await pair.put(0, "b")
    assert [await pair.titles(at) for at in (0, 1)] == [["a", "b"], ["a"]], "the other heard of nothing"


async def test_what_a_command_changed_is_read_at_every_replica(pair: Pair) -> None:
    assert [await pair.titles(at) for at in (0, 1)] == [["a"]] * 2
    shelf.append("b")
    command = await connect(pair.suites[0].urls.app, "test")
    async with command.transaction():
        await command.execute("SELECT set_config('app.tenant', 'acme', true)")
        await announce(command, "customers", "acme", ["shelf://b"])
    await command.close()
    for at in (0, 1):
        await pair.until_found(at, ["a", "b"])


async def titles(suite: Suite, persona: str = "manager", kind: str = "books") -> list[str]:
    answer = await suite.call(persona, "list_titles", {"kind": kind})
    return cast("list[str]", answer["titles"])


async def put(suite: Suite, title: str) -> None:
    assert "titles" in await suite.call("manager", "put_title", {"title": title})


async def test_it_is_made_once_for_all_of_a_tenant_and_for_each_parameter(
    own_suite: Make, redis_server: EmbeddedRedis
) -> None:
    suite = await own_suite(served=[plain], redis_url=redis_server.url)
    hits = METADATA_LOOKUPS.value("customers", "hit")
    for persona in ("manager", "support", "admin"):
        assert await titles(suite, persona) == ["a"]
        assert await titles(suite, persona, "films") == ["a"]
    assert made == ["books", "films"]
    assert METADATA_LOOKUPS.value("customers", "hit") == hits + 4
    other = await suite.call("outsider", "list_titles", {"kind": "books"})
    assert (other["tenant"] != "acme", len(made)) == (True, 3)


async def test_where_rows_are_seen_by_rights_it_is_made_for_each_set_of_them(
    own_suite: Make, redis_server: EmbeddedRedis
) -> None:
    suite = await own_suite(served=[entitled], redis_url=redis_server.url)
    told: dict[str, Any] = {}
    for persona in ("manager", "support", "manager", "support"):
        told[persona] = await suite.call(persona, "list_titles", {"kind": "books"})
    assert len(made) == 2
    assert {told["manager"]["tenant"], told["support"]["tenant"]} == {"acme"}
    assert told["manager"]["rights"] != told["support"]["rights"]
    assert "manager" in told["manager"]["rights"]


async def test_a_dry_run_drops_nothing_that_is_kept(own_suite: Make, redis_server: EmbeddedRedis) -> None:
    suite = await own_suite(served=[plain], redis_url=redis_server.url)
    await titles(suite)
    await suite.call("manager", "put_title", {"title": "b", "dry_run": True})
    assert await titles(suite) == ["a"]
    await put(suite, "c")
    assert await titles(suite) == ["a", "b", "c"]


async def test_nothing_is_kept_of_a_companys_own_database(own_suite: Make) -> None:
    suite = await own_suite(served=[plain])
    assert suite.parts.pipeline(plain).metadata is suite.parts.stores.metadata
    parts = replace(suite.parts, domains={"customers": cast("Any", suite.parts.database)})
    assert parts.pipeline(plain).metadata is None


async def test_it_can_be_switched_off(own_suite: Make) -> None:
    suite = await own_suite(served=[plain], metadata_entries=0)
    for _ in range(3):
        assert await titles(suite) == ["a"]
    assert made == ["books"] * 3
