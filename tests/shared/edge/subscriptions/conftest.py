from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack

import pytest

from shared.state.embedded_redis import EmbeddedRedis
from tests.harness import Databases, Suite, open_suite
from tests.shared.edge.subscriptions.shelf import served, shelf


@pytest.fixture(scope="module")
async def small(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Suite]:
    folder = tmp_path_factory.mktemp("data")
    limits = {"streams_per_user": 3, "subscriptions_per_stream": 30}
    async with open_suite(await databases.fresh(), folder, databases.admin_url, served=[served], **limits) as opened:
        yield opened


@pytest.fixture(autouse=True)
def fresh_shelf() -> Generator[None]:
    yield
    shelf.__init__()


@pytest.fixture
async def replicas(
    databases: Databases, redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[list[Suite]]:
    urls = await databases.fresh()
    folder = tmp_path_factory.mktemp("replicas")
    async with AsyncExitStack() as stack:
        made: list[Suite] = []
        for _ in range(2):
            name = {"public_url": made[0].settings.base_url} if made else {}
            opening = open_suite(urls, folder, served=[served], redis_url=redis_server.url, **name)
            made.append(await stack.enter_async_context(opening))
        yield made
