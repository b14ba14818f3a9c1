from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import anyio
import pytest

from compose.idp import personas
from shared.state import switch_table
from shared.state.database import connect
from shared.state.embedded_redis import EmbeddedRedis
from tests.board.server import server
from tests.harness import Databases, Suite, open_suite
from tests.shared.edge.web.browsing import Browser

Stop = Callable[..., Awaitable[None]]

_WHO = {
    "writer": ("manager", ("board:write",), "writer-of-acme"),
    "other": ("admin", ("board:write",), "writer-of-globex"),
    "reader": ("manager", ("board:read",), "reader-of-acme"),
    "stranger": ("approver", ("customers:read",), "stranger-of-acme"),
}


@pytest.fixture(scope="package", autouse=True)
def people() -> Generator[None]:
    """Personas who may use the board, and one who may not."""
    with pytest.MonkeyPatch.context() as patch:
        for key, (role, scopes, subject) in _WHO.items():
            tenant = "globex" if key == "other" else "acme"
            like = personas.PERSONAS["support"]
            who = replace(like, key=key, subject=subject, tenant=tenant, roles=(role,), scopes=scopes)
            patch.setitem(personas.PERSONAS, key, who)
        yield


@pytest.fixture(scope="package")
async def board(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Suite]:
    """The board alone."""
    folder = tmp_path_factory.mktemp("board")
    urls = await databases.fresh()
    async with open_suite(urls, folder, databases.admin_url, served=[server], streams_per_user=3) as opened:
        yield opened


@pytest.fixture
async def browser(board: Suite) -> AsyncGenerator[Browser]:
    """A browser that nobody used yet; the board is empty again afterwards."""
    async with Browser(board.url("board")) as opened:
        yield opened
    board.parts.opened["board"].clear()


@pytest.fixture
async def another(board: Suite) -> AsyncGenerator[Browser]:
    """A second browser, perhaps of somebody else."""
    async with Browser(board.url("board")) as opened:
        yield opened


@pytest.fixture
async def replicas(
    databases: Databases, redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[list[Suite]]:
    """Two processes' worth of the board over one Redis, under one name; the first is also the provider."""
    urls = await databases.fresh()
    folder = tmp_path_factory.mktemp("replicas")
    async with AsyncExitStack() as stack:
        made: list[Suite] = []
        for _ in range(2):
            name = {"public_url": made[0].settings.base_url} if made else {}
            opening = open_suite(urls, folder, served=[server], redis_url=redis_server.url, **name)
            made.append(await stack.enter_async_context(opening))
        yield made


@pytest.fixture
async def stop(board: Suite) -> AsyncGenerator[Stop]:
    """Stop somebody or something, wait until the process knows, and lift it at the end."""
    connection = await connect(board.urls.operator, "test")
    lifted: list[int] = []

    async def known(change: Awaitable[Any]) -> Any:
        before = board.parts.switches.version
        made = await change
        with anyio.fail_after(10):
            while board.parts.switches.version == before:
                await anyio.sleep(0.01)
        return made

    async def stopping(kind: Any, **parts: Any) -> None:
        made = await known(switch_table.stop(connection, kind, reason="a leak", set_by="ops", **parts))
        lifted.append(made[0].id)

    yield stopping
    for switch_id in lifted:
        await known(switch_table.lift(connection, switch_id))
    await connection.close()
