"""Replicas are killed, drained and rolled while 20 clients of both eras work: nobody notices, nothing is done twice."""

import time
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext

import anyio
import pytest

from tests.e2e.drills.audited import UNAUDITED
from tests.e2e.drills.crowd import Crowd
from tests.e2e.drills.length import CALLS
from tests.e2e.drills.work import Tally
from tests.e2e.fleet import Drill
from tests.e2e.patient import RETRIES

pytestmark = pytest.mark.anyio

CLIENTS = 20
KILL_EVERY_S = 3.0
SERVES_S = 0.5
"""What it gets between two kills on a machine so busy that it starts for longer than it may live."""

CREATED = "SELECT name, id FROM customers.customers WHERE name LIKE $1"
NOTED = "SELECT text, id FROM customers.notes WHERE text LIKE $1"


async def lose_replicas(drill: Drill, crowd: Crowd) -> Counter[str]:
    """Kill the first every 3 s; meanwhile drain the second, then roll all; the third is there when both are not."""
    happened: Counter[str] = Counter()
    first = anyio.Lock()
    rolled = anyio.Event()

    async def kill_and_kill() -> None:
        while not rolled.is_set() or crowd.tally.total < CALLS:
            async with first:
                began = time.monotonic()
                await drill.kill(1)
                happened["killed"] += 1
                await drill.start(1)
            await anyio.sleep(max(SERVES_S, began + KILL_EVERY_S - time.monotonic()))

    async def drain_and_roll() -> None:
        assert await drill.drain(2) == 0
        await drill.start(2)
        happened["drained"] += 1
        for number in (3, 2, 1):
            async with first if number == 1 else nullcontext():
                assert await drill.drain(number) == 0
                await drill.start(number)
            happened["rolled"] += 1
        rolled.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(kill_and_kill)
        tasks.start_soon(drain_and_roll)
    crowd.enough.set()
    return happened


async def test_twenty_clients_do_not_notice_that_replicas_come_and_go(drill: Drill, show: Callable[..., None]) -> None:
    crowd = Crowd(drill, "Lost", CLIENTS, RETRIES, CALLS)
    happened: Counter[str] = Counter()
    began = time.monotonic()

    async def lose() -> None:
        await crowd.connected.wait()
        happened.update(await lose_replicas(drill, crowd))

    with anyio.fail_after(300):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(crowd.work)
            tasks.start_soon(lose)
    took = time.monotonic() - began
    show(
        f"{crowd.tally.total} calls of {CLIENTS} clients in {took:.0f} s: {dict(crowd.tally.calls)}",
        f"replicas: {dict(happened)}; answers by life: {dict(sorted(crowd.counted('replicas').items()))}",
        f"retries of clients: {dict(crowd.counted('retried'))}; calls that failed: {len(crowd.tally.failed)}",
        f"sessions of 2025-era clients: {len(crowd.sessions)}; begun anew: {sum(crowd.sessions) - len(crowd.sessions)}",
    )

    assert crowd.tally.failed == []
    assert crowd.sessions == [1] * (CLIENTS // 2)
    await everything_was_done_once_and_audited(drill, "Lost", crowd.tally)


async def test_a_replica_that_is_drained_fails_no_call_of_clients_that_never_try_again(
    drill: Drill, show: Callable[..., None]
) -> None:
    crowd = Crowd(drill, "Drained", 8, 0, 400)

    async def drain() -> None:
        while crowd.tally.total < 200:
            await anyio.sleep(0.01)
        assert await drill.drain(2) == 0
        crowd.enough.set()

    with anyio.fail_after(120):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(crowd.work)
            tasks.start_soon(drain)
    await drill.start(2)
    show(f"a replica drained amid {crowd.tally.total} calls without retries: {len(crowd.tally.failed)} failed")
    assert crowd.tally.failed == []
    await everything_was_done_once_and_audited(drill, "Drained", crowd.tally)


async def everything_was_done_once_and_audited(drill: Drill, name: str, tally: Tally) -> None:
    """Each write that was told to be done is there once, and no other."""
    created = await drill.sql(CREATED, f"{name} %")
    noted = await drill.sql(NOTED, f"{name} %")
    assert sorted((row["name"], row["id"]) for row in created) == sorted(tally.created.items())
    assert sorted((row["text"], row["id"]) for row in noted) == sorted(tally.noted.items())
    assert await drill.sql(UNAUDITED) == [(0,)]
    assert (await drill.verify()).problems == []
