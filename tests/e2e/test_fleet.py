"""Two replicas as a fleet runs them: one PostgreSQL, one Redis, plain round robin, and no state of their own."""

import base64
import os
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

import servers
from compose.idp.provider import IdentityProvider
from shared.ops.serving import scopes_of
from shared.state.database import connect
from shared.state.embedded_redis import EmbeddedRedis, embedded_redis
from shared.state.keys import load_keys
from shared.steps.audit.verify import verify
from tests.harness import Databases, modern, modern_headers
from tests.processes import Process, free_port, process, standalone_provider
from tests.services import source

pytestmark = pytest.mark.anyio

RESOURCE = "https://customers.example/mcp"
NEW = {"name": "Fleet", "segment": "consumer", "country": "DE"}


def key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


class Fleet:
    def __init__(self, replicas: list[Process], provider: IdentityProvider, server: EmbeddedRedis) -> None:
        self.replicas = replicas
        self.redis = server
        self._provider = provider

    async def call(self, replica: int, tool: str, arguments: dict[str, Any], persona: str = "manager") -> Any:
        params = {"name": tool, "arguments": arguments}
        headers = modern_headers("tools/call", params) | {"Host": "customers.example"}
        headers["Authorization"] = f"Bearer {self._provider.mint(persona, RESOURCE)}"
        url = f"http://127.0.0.1:{self.replicas[replica].settings.port}/mcp"
        async with httpx.AsyncClient(timeout=30) as client:
            answer = await client.post(url, json=modern("tools/call", params), headers=headers)
        body = answer.json()
        return body["result"]["structuredContent"] if "result" in body else {"error": body["error"]["data"]}


PER_MINUTE, BURST = 60, 20


@pytest.fixture(scope="module")
async def fleet(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Fleet]:
    urls = await databases.fresh()
    folder = tmp_path_factory.mktemp("fleet")
    async with AsyncExitStack() as stack:
        server = stack.enter_context(embedded_redis(folder / "redis", source=source()))
        issuer, resources = f"http://127.0.0.1:{free_port()}", {RESOURCE: scopes_of(servers.load("customers"))}
        keys = _made(folder / "idp")
        await stack.enter_async_context(standalone_provider(issuer, resources, keys))
        provider = IdentityProvider(issuer, resources=resources, keys_dir=keys)
        shared: dict[str, Any] = {
            **{"profile": "fleet", "public_url": "https://customers.example", "issuer": issuer},
            **{"redis_url": server.url, "audit_keys": key(), "ledger_keys": key(), "cursor_keys": key()},
            **{"session_keys": key(), "state_keys": key()},
            **{"calls_per_minute": PER_MINUTE, "tool_calls_per_minute": PER_MINUTE, "burst": BURST},
        }
        replicas: list[Process] = []
        for name in ("a", "b"):
            made = process(urls, _made(folder / name), **shared)
            replicas.append(await stack.enter_async_context(made))
            await replicas[-1].start()
        yield Fleet(replicas, provider, server)


def _made(folder: Path) -> Path:
    folder.mkdir(mode=0o700)
    return folder


async def test_a_retry_on_the_other_replica_is_answered_without_doing_it_again(fleet: Fleet) -> None:
    call = {**NEW, "idempotency_key": "retried-elsewhere"}
    answers = [await fleet.call(replica, "create_customer", call) for replica in (0, 1, 0)]
    assert answers[0]["customer"]["id"]
    assert answers == [answers[0]] * 3


async def test_a_page_begun_on_one_replica_goes_on_at_the_other(fleet: Fleet) -> None:
    search = {"query": "an", "limit": 2}
    first = await fleet.call(0, "search_customers", search)
    second = await fleet.call(1, "search_customers", {**search, "cursor": first["next_cursor"]})
    ids = [found["id"] for page in (first, second) for found in page["customers"]]
    assert len(set(ids)) == 4


async def test_replicas_count_one_rate_together(fleet: Fleet) -> None:
    began = time.monotonic()
    some = [{"customer_id": f"C-{n + 1:06}"} for n in range(60)]
    answers = [await fleet.call(n % 2, "get_customer", one, "approver") for n, one in enumerate(some)]
    refused = [answer for answer in answers if answer.get("error", {}).get("code") == "rate_limited"]
    admitted = len(answers) - len(refused)
    earned = (time.monotonic() - began) * PER_MINUTE / 60
    assert refused
    assert admitted <= BURST + earned + 1, "each replica admitted its own burst"


async def test_without_redis_calls_are_refused_and_the_replica_is_not_ready(fleet: Fleet) -> None:
    """The last test of the module: it takes the fleet's Redis away for good."""
    async with httpx.AsyncClient() as client:
        with redis.Redis.from_url(fleet.redis.url) as connection:  # pyright: ignore[reportUnknownMemberType]
            connection.shutdown(nosave=True)  # pyright: ignore[reportUnknownMemberType]
        for tool, arguments in (("get_customer", {"customer_id": "C-000001"}), ("create_customer", NEW)):
            error = (await fleet.call(0, tool, arguments))["error"]
            assert (error["code"], error["retryable"]) == ("unavailable", True)
        red = await client.get(f"http://127.0.0.1:{fleet.replicas[0].settings.port}/readyz")
    assert (red.status_code, red.json()["checks"]["limits"]) == (503, "unavailable")


async def test_both_chains_verify(fleet: Fleet) -> None:
    settings = fleet.replicas[0].settings
    connection = await connect(fleet.replicas[0].environment["SUITE_DATABASE_READER_URL"], "test")
    try:
        report = await verify(connection, load_keys(settings).audit)
    finally:
        await connection.close()
    assert (report.chains, report.problems) == (2, [])
