"""The matrix' world, with its state in this process or in a Redis of its own."""

from collections.abc import AsyncGenerator

import pytest

from tests.harness import Databases
from tests.own_redis import own_redis
from tests.servers.customers.tenant_hop.world import Hop, open_hop


@pytest.fixture(scope="module", params=["local", "redis"])
async def hop(
    request: pytest.FixtureRequest, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Hop]:
    folder = tmp_path_factory.mktemp("hop")
    if request.param == "local":
        async with open_hop(databases, folder) as opened:
            yield opened
        return
    with own_redis(folder) as redis:
        async with open_hop(databases, folder, redis_url=redis.url) as opened:
            yield opened
