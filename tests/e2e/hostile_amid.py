"""What is wrong with the world while a row is played. Each yields what its call needs to know of it."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any
from uuid import uuid4

import anyio
from redis.asyncio import Redis
from redis.exceptions import ConnectionError  # noqa: A004 - Redis's own

from shared.state.database import connect
from tests.e2e.hostile_world import Place, World, message

Amid = Callable[[World, Place], AbstractAsyncContextManager[Mapping[str, Any]]]

NEW = {"name": "Hostile", "segment": "consumer", "country": "DE"}
LOCK = "LOCK TABLE customers.customers IN ACCESS EXCLUSIVE MODE"
BLOCKED = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'customers.customers'::regclass"


@asynccontextmanager
async def peace(world: World, place: Place) -> AsyncGenerator[Mapping[str, Any]]:
    yield {}


@asynccontextmanager
async def database_away(world: World, place: Place) -> AsyncGenerator[Mapping[str, Any]]:
    await world.suite.allow_connections(allowed=False)
    try:
        yield {}
    finally:
        await world.suite.allow_connections(allowed=True)
        await world.recovers()


@asynccontextmanager
async def audit_away(world: World, place: Place) -> AsyncGenerator[Mapping[str, Any]]:
    """The database answers, but takes no records."""
    await world.suite.sql("REVOKE INSERT ON suite.audit FROM suite_app")
    try:
        yield {}
    finally:
        await world.suite.sql("GRANT INSERT ON suite.audit TO suite_app")
        await world.recovers()


@asynccontextmanager
async def outcomes_away(world: World, place: Place) -> AsyncGenerator[Mapping[str, Any]]:
    """The audit takes intents, and is gone when the change has been made."""
    await world.suite.sql("ALTER TABLE suite.audit ADD CONSTRAINT away CHECK (kind <> 'outcome') NOT VALID")
    try:
        yield {"name": f"Unknown {uuid4().hex}", "idempotency_key": f"unknown-{uuid4()}"}
    finally:
        await world.suite.sql("ALTER TABLE suite.audit DROP CONSTRAINT away")
        await world.recovers()


@asynccontextmanager
async def redis_gone(world: World, place: Place) -> AsyncGenerator[Mapping[str, Any]]:
    """For good: these rows are the last of their world."""
    assert world.suite.settings.redis_url is not None
    async with Redis.from_url(world.suite.settings.redis_url.get_secret_value()) as redis:  # pyright: ignore[reportUnknownMemberType]
        with suppress(ConnectionError):
            await redis.shutdown(nosave=True)  # pyright: ignore[reportUnknownMemberType]
    yield {}


@asynccontextmanager
async def locked(world: World, place: Place) -> AsyncGenerator[Mapping[str, Any]]:
    """Somebody holds the table for longer than anybody waits."""
    blocker = await connect(world.suite.urls.owner, "test")
    try:
        async with blocker.transaction():
            await blocker.execute(LOCK)
            yield {}
    finally:
        await blocker.close()


@asynccontextmanager
async def broken(world: World, place: Place) -> AsyncGenerator[Mapping[str, Any]]:
    """A column is not called what our statements call it, as after a mistaken migration."""
    await world.suite.sql("ALTER TABLE customers.customers RENAME COLUMN city TO town")
    try:
        yield {}
    finally:
        await world.suite.sql("ALTER TABLE customers.customers RENAME COLUMN town TO city")


@asynccontextmanager
async def twin(world: World, place: Place) -> AsyncGenerator[Mapping[str, Any]]:
    """The same call with the same key is still running."""
    arguments = {**NEW, "name": f"Twin {place}", "idempotency_key": f"twin-{uuid4()}"}
    first = message(place.era, "tools/call", {"name": "create_customer", "arguments": arguments}).replace(
        b'"row"', b'"first"'
    )
    async with locked(world, place), anyio.create_task_group() as tasks:
        if place.transport == "stdio":
            await world.wires[place.era].send(first)
        else:
            headers = await world.headers(place.era, "tools/call", {"name": "create_customer"}, "of a manager")
            tasks.start_soon(world.request, "POST", first, headers, False)
        await _until_blocked(world)
        yield arguments
        tasks.cancel_scope.cancel()


async def _until_blocked(world: World) -> None:
    with anyio.fail_after(10):
        while not (await world.suite.sql(BLOCKED))[0][0]:
            await anyio.sleep(0.01)


@asynccontextmanager
async def key_taken(world: World, place: Place) -> AsyncGenerator[Mapping[str, Any]]:
    """The idempotency key was used for another call."""
    key = f"taken-{uuid4()}"
    await _call(world, place, "create_customer", {**NEW, "name": "First", "idempotency_key": key})
    yield {"idempotency_key": key}


@asynccontextmanager
async def moved_on(world: World, place: Place) -> AsyncGenerator[Mapping[str, Any]]:
    """Somebody changed the customer since it was read."""
    created = await _call(world, place, "create_customer", {**NEW, "name": "Moved"})
    customer_id = created["customer"]["id"]
    await _call(
        world, place, "update_customer", {"customer_id": customer_id, "version": 1, "changes": {"city": "Bonn"}}
    )
    yield {"customer_id": customer_id}


@asynccontextmanager
async def somebody_elses_cursor(world: World, place: Place) -> AsyncGenerator[Mapping[str, Any]]:
    async with world.suite.connect("support") as client:
        found = await client.call_tool("search_customers", {"query": "an", "limit": 1})
    assert found.structured_content is not None
    yield {"cursor": found.structured_content["next_cursor"]}


@asynccontextmanager
async def another_querys_cursor(world: World, place: Place) -> AsyncGenerator[Mapping[str, Any]]:
    found = await _call(world, place, "search_customers", {"query": "ma", "limit": 1})
    assert found["next_cursor"]
    yield {"cursor": found["next_cursor"]}


@asynccontextmanager
async def another_tenants_customer(world: World, place: Place) -> AsyncGenerator[Mapping[str, Any]]:
    yield {"customer_id": await _of_globex(world)}


@asynccontextmanager
async def another_tenants_resource(world: World, place: Place) -> AsyncGenerator[Mapping[str, Any]]:
    yield {"uri": f"customer://{await _of_globex(world)}"}


async def _of_globex(world: World) -> str:
    """Of the other tenant alone: the ids of the demo repeat between tenants."""
    await world.suite.sql(
        "INSERT INTO customers.customers (tenant_id, id, name, country, locale, status, segment) "
        "VALUES ('globex', 'C-GLOBEX1', 'Foreign Person', 'DE', 'en', 'active', 'consumer') ON CONFLICT DO NOTHING"
    )
    return "C-GLOBEX1"


def spent(tool: str, arguments: Mapping[str, Any]) -> Amid:
    """The caller used up what it may ask of the tool."""

    @asynccontextmanager
    async def amid(world: World, place: Place) -> AsyncGenerator[Mapping[str, Any]]:
        with anyio.fail_after(10):
            while "retry_after_s" not in str(await _call(world, place, tool, arguments)):
                pass
        yield {}

    return amid


def spent_on(tool: str, token: str, arguments: Callable[[int], Mapping[str, Any]]) -> Amid:
    """The caller made calls, each another one, until there is no more for such."""

    @asynccontextmanager
    async def amid(world: World, place: Place) -> AsyncGenerator[Mapping[str, Any]]:
        for number in range(100):
            if "retry_after_s" in str(await _call(world, place, tool, arguments(number), token)):
                break
        yield {}

    return amid


async def _call(
    world: World, place: Place, tool: str, arguments: Mapping[str, Any], token: str = "of a manager"
) -> dict[str, Any]:
    """The structured answer of a call by the row's caller, or the error."""
    params = {"name": tool, "arguments": dict(arguments)}
    content = message(place.era, "tools/call", params)
    if place.transport == "stdio":
        answer = await world.say(place.era, content, silent=False)
    else:
        headers = await world.headers(place.era, "tools/call", params, token)
        answer = await world.request("POST", content, headers, chunked=False)
    return answer.body["result"]["structuredContent"] if "result" in answer.body else answer.body
