from pathlib import Path

import pytest

from shared.state.roles import Urls
from tests.harness import Databases
from tests.servers.documents.ingesting.workshop import Workshop


@pytest.fixture(scope="module")
async def urls(databases: Databases) -> Urls:
    return await databases.fresh()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys are of one database."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
async def shop(urls: Urls, databases: Databases, data: Path, tmp_path: Path) -> Workshop:
    shop = Workshop.of(urls, databases.admin_url, data, tmp_path / "folder")
    await shop.sql("DELETE FROM suite.announcements")
    return shop
