"""One fleet of the drill server and of the one for the conformance suite; each test of this folder finds it whole."""

from collections.abc import AsyncGenerator

import pytest

from tests.e2e.fleet import Drill, open_drill


@pytest.fixture(scope="package")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Drill]:
    folder = tmp_path_factory.mktemp("balanced")
    names = ("tests.drill", "tests.conformance.replica")
    async with open_drill(folder, names=names, sessions_per_user=1000, streams_per_user=100) as opened:
        yield opened


@pytest.fixture
async def drill(running: Drill) -> Drill:
    """The fleet, all of it ready."""
    await running.restore()
    return running
