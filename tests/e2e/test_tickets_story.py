"""The same story of a ticket in both eras, over HTTP through two replicas and over stdio."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import pytest
from mcp import Client, StdioServerParameters

from servers.tickets.server import server
from shared.state.embedded_redis import EmbeddedRedis
from tests.clients.documents import connected
from tests.clients.local import Local
from tests.clients.tickets import story
from tests.clients.wire import COMMAND
from tests.generous import LIMITS
from tests.harness import ERAS, MODERN, Databases, Suite, open_suite

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("era", ERAS)]


@pytest.fixture(scope="module")
async def replicas(
    databases: Databases, redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[list[Suite]]:
    urls, folder = await databases.fresh(), tmp_path_factory.mktemp("data")
    async with AsyncExitStack() as stack:
        opened: list[Suite] = []
        for _ in range(2):
            name = {"public_url": opened[0].settings.base_url} if opened else {}
            opening = open_suite(urls, folder, databases.admin_url, served=[server], redis_url=redis_server.url, **name)
            opened.append(await stack.enter_async_context(opening))
        yield opened


async def test_over_http_every_step_at_another_replica(replicas: list[Suite], era: str) -> None:
    known_as = replicas[0].settings.base_url
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(connected(replica, "manager", era, [], known_as, "tickets"))
            for replica in replicas
        ]
        await story(clients, "acme-sales-manager")
    records = await replicas[0].records(subject="acme-sales-manager")
    assert {"create_ticket", "merge_tickets", "undo_change"} <= {record["target"] for record in records}
    assert (await replicas[0].verify()).problems == []


async def test_over_stdio(databases: Databases, tmp_path: Path, era: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    local = Local(await databases.fresh(), folder, scopes="tickets:admin")
    command = [word.replace("customers", "tickets") for word in COMMAND]
    limits = {f"SUITE_{name.upper()}": str(value) for name, value in LIMITS.items()}
    process = StdioServerParameters(command=command[0], args=command[1:], env=local.env | limits)
    with anyio.fail_after(60):
        async with Client(process, mode="legacy" if era == "legacy" else MODERN) as client:
            await story([client], "local-user")
    records, report = await local.audit()
    assert report.problems == []
    assert {"create_ticket", "merge_tickets", "undo_change"} <= {record["target"] for record in records}
