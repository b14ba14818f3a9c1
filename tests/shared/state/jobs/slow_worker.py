"""A worker as a process of its own, that counts slowly: `python -m tests.shared.state.jobs.slow_worker URL FOLDER`."""

import sys
from pathlib import Path

import anyio

from shared.core.settings import Settings
from shared.core.work import Working
from shared.state.database import open_database
from tests.shared.state.jobs.counting import Bench, pace


async def slowly(_work: Working) -> None:
    await anyio.sleep(0.1)


async def main(url: str, folder: str) -> None:
    settings = Settings(data_dir=Path(folder), pool_min=1, pool_max=5, job_lease_s=2)
    pace.before = slowly
    async with open_database(url, settings) as database:
        await Bench(database, settings).worker().work()


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2])
