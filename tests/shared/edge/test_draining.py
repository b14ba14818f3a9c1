"""Who is told that the process stops, and when."""

from dataclasses import replace

import anyio
import pytest

from servers.customers.server import server as customers
from shared.core.background import Background
from shared.edge.draining import Draining
from shared.workers import open_workers
from tests.harness import Suite

pytestmark = pytest.mark.anyio


async def test_whoever_holds_something_open_is_told_once_when_the_drain_begins() -> None:
    draining = Draining()
    told: list[str] = []
    with draining.on_begin(lambda: told.append("open")):
        with draining.on_begin(lambda: told.append("closed before")):
            pass
        draining.announce()
        assert (draining.announced, draining.begun, told) == (True, False, [])
        draining.begin()
        draining.begin()
    assert (draining.begun, told) == (True, ["open"])


async def test_whoever_comes_after_it_has_begun_is_told_at_once() -> None:
    draining = Draining()
    draining.begin()
    told: list[str] = []
    with draining.on_begin(lambda: told.append("late")):
        assert told == ["late"]
    with anyio.fail_after(1):
        await draining.wait_announced()
        await draining.wait()


async def test_one_can_wait_for_either_step() -> None:
    draining = Draining()
    steps: list[str] = []

    async def announced() -> None:
        await draining.wait_announced()
        steps.append("announced")

    async def begun() -> None:
        await draining.wait()
        steps.append("begun")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(begun)
        tasks.start_soon(announced)
        await anyio.wait_all_tasks_blocked()
        draining.announce()
        await anyio.wait_all_tasks_blocked()
        assert steps == ["announced"]
        draining.begin()
    assert steps == ["announced", "begun"]


async def test_what_works_in_the_background_stops_when_the_process_is_told_to(suite: Suite) -> None:
    draining, started, stopped = Draining(), anyio.Event(), anyio.Event()

    async def work(_background: Background) -> None:
        started.set()
        try:
            await anyio.sleep_forever()
        finally:
            stopped.set()

    async with open_workers(suite.parts, [replace(customers, workers=(work,))], draining):
        with anyio.fail_after(20):
            await started.wait()
            assert not stopped.is_set()
            draining.announce()
            await stopped.wait()
