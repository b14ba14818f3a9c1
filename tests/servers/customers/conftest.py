from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from shared.core.settings import Settings
from shared.state.database import open_database
from shared.state.roles import Urls
from tests.harness import Databases
from tests.pgbouncer import pooled
from tests.servers.customers.desk import Desk


@pytest.fixture(scope="module")
async def urls(databases: Databases) -> Urls:
    return await databases.fresh()


@pytest.fixture(scope="module")
async def desk(urls: Urls, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Desk]:
    folder: Path = tmp_path_factory.mktemp("data")
    async with open_database(urls.app, Settings(**pooled(urls), data_dir=folder, pool_min=1, pool_max=10)) as database:
        yield Desk(database)
