from collections.abc import AsyncGenerator

import pytest

from tests.harness import ERAS, Databases, Suite, open_suite
from tests.shelf.reader import Reader
from tests.shelf.server import server


@pytest.fixture(scope="module")
async def shelf(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Suite]:
    folder = tmp_path_factory.mktemp("shelf")
    async with open_suite(await databases.fresh(), folder, databases.admin_url, served=[server]) as opened:
        yield opened


@pytest.fixture(params=ERAS)
def reader(shelf: Suite, request: pytest.FixtureRequest) -> Reader:
    return Reader(shelf, request.param)
