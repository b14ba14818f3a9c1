"""Three replicas of the drill server over one Redis and one PostgreSQL, and conversations with them."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.state.embedded_redis import EmbeddedRedis
from shared.state.services import migrate
from tests.conversation import Conversation
from tests.drill.server import server
from tests.harness import LEGACY, Databases, Suite, open_suite

Talk = Callable[..., Conversation]


@asynccontextmanager
async def open_replicas(
    databases: Databases, folder: Path, number: int, each: Sequence[dict[str, Any]] = (), **settings: Any
) -> AsyncGenerator[list[Suite]]:
    """Replicas that share keys, as a fleet's settings would make them, and the name of the first.

    Args:
        each: Settings of single replicas, by their place.
    """
    urls = await databases.fresh()
    assert server.migrations
    await migrate(urls.owner, {server.name: server.migrations})
    async with AsyncExitStack() as stack:
        replicas: list[Suite] = []
        for place in range(number):
            name = {"public_url": replicas[0].settings.base_url} if replicas else {}
            own = each[place] if place < len(each) else {}
            opening = open_suite(urls, folder, databases.admin_url, served=[server], **{**name, **settings, **own})
            replicas.append(await stack.enter_async_context(opening))
        yield replicas


@pytest.fixture(scope="module")
async def replicas(
    databases: Databases, redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[list[Suite]]:
    folder = tmp_path_factory.mktemp("replicas")
    async with open_replicas(databases, folder, 3, redis_url=redis_server.url, sessions_per_user=1000) as opened:
        yield opened


@pytest.fixture
async def talk(replicas: list[Suite]) -> AsyncGenerator[Talk]:
    """A maker of conversations with the replicas."""
    async with httpx.AsyncClient(timeout=20) as http:

        def make(persona: str = "admin", version: str = LEGACY, **claims: Any) -> Conversation:
            scopes = claims.pop("scopes", ["drill:read", "drill:write"])
            token = replicas[0].provider.mint(persona, replicas[0].url("drill"), scopes=scopes, **claims)
            return Conversation(replicas, token, "drill", http, version)

        yield make
