import logging
from collections.abc import AsyncGenerator, Generator

import pytest
import structlog

from tests.harness import Databases, Suite, open_suite
from tests.servers.documents.permissions.canaries import World, fill, world
from tests.servers.documents.permissions.matrix import trusting


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Generator[None]:
    """Thousands of lines of log are a fifth of the time."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    yield
    structlog.configure(**before)


@pytest.fixture(scope="session")
def documents() -> World:
    return world()


@pytest.fixture(scope="module")
async def suite(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory, documents: World
) -> AsyncGenerator[Suite]:
    """With these documents in a database of its own, and another issuer that vouches for the same tenants."""
    folder = tmp_path_factory.mktemp("data")
    async with open_suite(await databases.fresh(), folder, databases.admin_url, issuers=trusting) as made:
        await fill(made, documents)
        yield made
