from collections.abc import AsyncGenerator

import pytest

from tests.compose.proxy.site import Site, open_site

TOLD = pytest.StashKey[list[str]]()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section("load balancers")
    for line in terminalreporter.config.stash.get(TOLD, ["none ran"]):
        terminalreporter.write_line(line)


@pytest.fixture
def told(pytestconfig: pytest.Config) -> list[str]:
    """Lines for the end of the run's output."""
    return pytestconfig.stash.setdefault(TOLD, [])


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
