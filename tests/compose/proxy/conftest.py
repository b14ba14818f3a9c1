from collections.abc import AsyncGenerator, Callable
from functools import partial

import pytest

from tests.compose.proxy.site import Site, open_site
from tests.reporting import say


@pytest.fixture
def tell(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Shows a line at the end of the run's output."""
    return partial(say, pytestconfig, "load balancers")


@pytest.fixture(scope="module", params=["haproxy", "nginx"])
async def site(request: pytest.FixtureRequest) -> AsyncGenerator[Site]:
    """Shared by the tests of a module that leave it as it was."""
    async with open_site(request.param) as opened:
        yield opened


@pytest.fixture(params=["haproxy", "nginx"])
async def own_site(request: pytest.FixtureRequest) -> AsyncGenerator[Site]:
    """For a test that breaks it."""
    async with open_site(request.param) as opened:
        yield opened


@pytest.fixture
async def haproxy_site() -> AsyncGenerator[Site]:
    """For a test that breaks it, of what HAProxy alone can do."""
    async with open_site("haproxy") as opened:
        yield opened


@pytest.fixture(scope="module")
async def haproxy_kept() -> AsyncGenerator[Site]:
    """Shared by the tests of a module, of what HAProxy alone can do."""
    async with open_site("haproxy") as opened:
        yield opened
