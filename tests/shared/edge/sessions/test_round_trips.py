"""What a call in a session asks of Redis: the session, and the limits, one round trip each."""

from collections import Counter
from collections.abc import AsyncGenerator
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from redis.asyncio import Redis

from shared.core.settings import Settings
from shared.state.services import migrate
from tests.bench import nulls
from tests.bench.nulls import Control
from tests.conversation import Conversation
from tests.drill.server import server
from tests.harness import Databases, open_suite
from tests.own_redis import own_redis

pytestmark = pytest.mark.anyio

CALLS = 25
BESIDE = {"SET", "ZREM", "HELLO", "CLIENT"}
"""That the replica lives; leases given back that no call took along; connections opened. No call waits for these."""


@asynccontextmanager
async def listened(url: str) -> AsyncGenerator[Counter[str]]:
    """How often each command reached a Redis, those of scripts left out; complete once the context is left."""
    heard: Counter[str] = Counter()
    client: Any = Redis
    async with client.from_url(url) as redis, redis.monitor() as monitor:

        async def listen() -> None:
            commands: Any = monitor.listen()
            async for said in commands:
                if said["command"].startswith("ECHO over"):
                    return
                if said["client_type"] != "lua":
                    heard[said["command"].split()[0].upper()] += 1

        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(listen)
                yield heard
                await redis.echo("over")


async def asked_for(databases: Databases, folder: Path, on: AbstractSet[Control]) -> Counter[str]:
    """What `CALLS` calls in one session ask of Redis, with these controls."""
    with own_redis(folder) as redis, nulls.replaced({*on}, Settings(), ["drill:read"]):
        urls = await databases.fresh()
        await migrate(urls.owner, {"drill": server.migrations} if server.migrations else {})
        opening = open_suite(urls, folder, databases.admin_url, served=[server], redis_url=redis.url)
        async with opening as suite, httpx.AsyncClient(timeout=20) as http:
            token = suite.token("admin", "drill", scopes=["drill:read"])
            client = Conversation([suite], token, "drill", http)
            await client.initialize()
            await client.call(0, "echo", text="the first, which brings the script along")
            async with listened(redis.url) as heard:
                for number in range(CALLS):
                    assert await client.call(0, "echo", text=str(number)) == {"text": str(number)}
            return heard


async def test_a_call_in_a_session_asks_for_the_session_once(databases: Databases, tmp_path: Path) -> None:
    heard = await asked_for(databases, tmp_path, {*Control} - {Control.LIMITS})
    assert heard["GETEX"] == CALLS
    assert heard.keys() - BESIDE == {"GETEX"}


async def test_and_for_its_limits_once(databases: Databases, tmp_path: Path) -> None:
    heard = await asked_for(databases, tmp_path, {*Control})
    assert (heard["GETEX"], heard["EVALSHA"]) == (CALLS, CALLS)
    assert heard.keys() - BESIDE == {"GETEX", "EVALSHA"}
