"""Workers as processes, killed and paused in the middle of a job."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack
from pathlib import Path

import anyio
import pytest

from shared.core.settings import Settings
from shared.state.database import open_database
from tests.harness import Databases
from tests.pgbouncer import straight
from tests.shared.state.jobs.counting import Bench

pytestmark = pytest.mark.anyio

TO = 120
Start = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
async def world(databases: Databases, tmp_path: Path) -> AsyncGenerator[tuple[Bench, Start]]:
    urls, settings = await databases.fresh(), Settings(data_dir=tmp_path, pool_min=1, job_lease_s=2)
    url = straight(urls.app)  # its own process knows of no pooler
    command = [sys.executable, "-m", "tests.shared.state.jobs.slow_worker", url, str(tmp_path)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SUITE_")}
    with ExitStack() as stack:

        def start() -> "subprocess.Popen[bytes]":
            running = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
            stack.callback(running.wait, 10)
            stack.callback(running.kill)
            return running

        async with open_database(url, settings) as database:
            yield Bench(database, settings), start


async def reaches(bench: Bench, job_id: str, done: int) -> None:
    with anyio.fail_after(30):
        while (await bench.find(job_id)).done < done:
            await anyio.sleep(0.02)


async def parts(bench: Bench) -> dict[int, str]:
    """Which transaction made each part."""
    return {row["part"]: row["made"] for row in await bench.sql("SELECT part, xmin::text AS made FROM suite.job_parts")}


async def test_killed_twice_and_paused_once_it_makes_no_part_twice(world: tuple[Bench, Start]) -> None:
    bench, start = world
    job_id = await bench.begin(to=TO)
    first = start()
    await reaches(bench, job_id, 20)
    first.send_signal(signal.SIGKILL)
    first.wait(10)
    before, second = await parts(bench), start()
    await reaches(bench, job_id, len(before) * 10 + 20)
    second.send_signal(signal.SIGSTOP)
    made, third = await parts(bench), start()
    assert made.items() >= before.items()
    await reaches(bench, job_id, len(made) * 10 + 20)
    second.send_signal(signal.SIGCONT)
    job = await bench.until(job_id, "done", "failed")
    third.terminate()
    assert (job.state, job.done, len(job.parts)) == ("done", TO, TO // 10)
    assert await bench.numbers(job_id) == [*range(1, TO + 1)]
    assert (await parts(bench)).items() >= made.items(), "what was kept is as it was"
