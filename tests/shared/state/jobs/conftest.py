from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from shared.core.settings import Settings
from shared.state.database import open_database
from tests.harness import Databases
from tests.pgbouncer import pooled
from tests.shared.state.jobs.counting import Bench, pace


@pytest.fixture
async def bench(databases: Databases, tmp_path: Path) -> AsyncGenerator[Bench]:
    urls = await databases.fresh()
    settings = Settings(**pooled(urls), data_dir=tmp_path, pool_min=1, pool_max=10, job_lease_s=2)
    async with open_database(urls.app, settings) as database:
        yield Bench(database, settings)


@pytest.fixture(autouse=True)
def fresh_pace() -> Generator[None]:
    yield
    pace.__init__()
