"""The circuit breaker, as callers meet it."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.harness import Databases, Suite
from tests.servers.tickets.jira.faults import Fault
from tests.servers.tickets.jira.site import call, over_jira, wish

pytestmark = pytest.mark.anyio

STRICT: dict[str, Any] = {"attempts": 1, "breaker_failures": 3, "breaker_open_s": 0.5}


async def read(suite: Suite) -> dict[str, Any]:
    return (await call(suite, "get_tickets", ticket_ids=["SUP-1"])).get("error", {})


async def until_asked_again(suite: Suite, asked: int, log: list[Any]) -> dict[str, Any]:
    """What the first caller is told whose call leaves this process."""
    with anyio.fail_after(10):
        while True:
            told = await read(suite)
            if len(log) > asked:
                return told
            await anyio.sleep(0.02)


async def test_it_opens_sheds_lets_one_through_and_closes(databases: Databases, tmp_path: Path) -> None:
    async with over_jira(databases, tmp_path, **STRICT) as (suite, jira):
        jira.fails(Fault("error_before", path="bulkfetch", times=4))
        assert [(await read(suite))["code"] for _ in range(3)] == ["unavailable"] * 3
        shed = await read(suite)
        assert (shed["code"], shed["retryable"], len(jira.log)) == ("unavailable", True, 3)
        assert 0 < shed["details"]["retry_after_s"] <= 1
        assert "not asked now" in shed["message"]
        written = (await call(suite, "create_ticket", **wish()))["error"]
        assert (written["code"], written["retryable"]) == ("unavailable", True)
        assert "Nothing was done" in written["message"]
        assert len(jira.log) == 3
        # Half open: the one that is let through fails, and it is open again.
        assert (await until_asked_again(suite, 3, jira.log))["code"] == "unavailable"
        assert "not asked now" in (await read(suite))["message"]
        assert len(jira.log) == 4
        # Half open: the one that is let through succeeds, and everybody is let through.
        assert await until_asked_again(suite, 4, jira.log) == {}
        assert [await read(suite) for _ in range(5)] == [{}] * 5
        assert len(jira.log) == 10


async def test_half_open_it_lets_one_of_many_through(databases: Databases, tmp_path: Path) -> None:
    async with over_jira(databases, tmp_path, **STRICT, answer_s=5) as (suite, jira):
        jira.fails(Fault("error_before", path="bulkfetch", times=3), Fault("slow_after", path="bulkfetch"))
        for _ in range(3):
            await read(suite)
        jira.hold = anyio.Event()
        told: list[dict[str, Any]] = []

        async def ask() -> None:
            told.append(await read(suite))

        with anyio.fail_after(15):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(until_asked_again, suite, 3, jira.log)
                while len(jira.log) == 3:
                    await anyio.sleep(0.01)
                for _ in range(10):
                    tasks.start_soon(ask)
                while len(told) < 10:
                    await anyio.sleep(0.01)
                assert len(jira.log) == 4
                jira.hold.set()
        assert {each["code"] for each in told} == {"unavailable"}


async def test_refusals_are_no_failures(databases: Databases, tmp_path: Path) -> None:
    async with over_jira(databases, tmp_path, **STRICT) as (suite, jira):
        for _ in range(5):
            assert (await call(suite, "get_ticket", ticket_id="SUP-404"))["error"]["code"] == "not_found"
        assert len(jira.log) == 5
