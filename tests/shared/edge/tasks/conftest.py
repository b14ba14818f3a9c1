from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack

import pytest

from shared.state.embedded_redis import EmbeddedRedis
from tests.harness import Databases, Suite, open_suite
from tests.shared.edge.tasks.talking import Talk
from tests.shared.state.jobs.counting import pace, served


@pytest.fixture(scope="module")
async def small(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Suite]:
    folder = tmp_path_factory.mktemp("data")
    async with open_suite(await databases.fresh(), folder, databases.admin_url, served=[served]) as opened:
        yield opened


@pytest.fixture
def talk(small: Suite) -> Talk:
    return Talk(small, small.token("manager"))


@pytest.fixture(autouse=True)
async def fresh(small: Suite) -> AsyncGenerator[None]:
    """Nothing is left of the jobs of a test: a caller may have few at a time."""
    yield
    pace.__init__()
    for table in ("job_queue", "jobs"):  # as a worker locks them
        await small.sql(f"DELETE FROM suite.{table}")


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
