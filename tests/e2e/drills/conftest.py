"""One fleet for all drills of this folder; each finds it whole."""

from collections.abc import AsyncGenerator

import pytest

from tests.e2e.fleet import Drill, open_drill


@pytest.fixture(scope="package")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Drill]:
    async with open_drill(tmp_path_factory.mktemp("drills")) as opened:
        yield opened


@pytest.fixture
async def drill(running: Drill) -> Drill:
    """The fleet, all of it ready."""
    await running.restore()
    return running
