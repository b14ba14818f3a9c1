"""Redis, PostgreSQL and the identity provider go away and come back: the table of fail modes, no replica restarted."""

import signal
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
from mcp import Client, MCPError
from mcp_types import INTERNAL_ERROR

from tests.e2e.drills.audited import UNAUDITED
from tests.e2e.drills.length import OUTAGE_S
from tests.e2e.fleet import Drill

pytestmark = pytest.mark.anyio

READ = ("get_customer", {"customer_id": "C-000001"})
NEW = {"name": "Outage", "segment": "consumer", "country": "DE"}
SERVICE_UNAVAILABLE = 503
MOST_WRITES = 5000


def error_of(answer: httpx.Response) -> dict[str, Any]:
    """The error object of a tool's answer; empty if it went well."""
    return answer.json()["result"]["structuredContent"].get("error", {})


async def refused_everywhere(drill: Drill, check: str) -> None:
    """Every replica refuses reads and writes as retryable, and says what is missing."""
    write = ("create_customer", {**NEW, "idempotency_key": f"refused-{check}"})
    for replica in drill.fleet.replicas["customers"]:
        for tool, arguments in (READ, write):
            error = error_of(await drill.ask(replica, tool, arguments))
            assert (error["code"], error["retryable"]) == ("unavailable", True), (replica.name, tool, error)
        status, checks = await drill.readiness(replica)
        assert (status, checks[check]) == (SERVICE_UNAVAILABLE, "unavailable"), checks


async def serves_everywhere(drill: Drill, key: str) -> None:
    write = ("create_customer", {**NEW, "idempotency_key": key})
    for replica in drill.fleet.replicas["customers"]:
        for tool, arguments in (READ, write):
            assert error_of(await drill.ask(replica, tool, arguments)) == {}, (replica.name, tool)


@asynccontextmanager
async def nobody_restarts(drill: Drill) -> AsyncGenerator[None]:
    before = drill.pids()[1:]
    yield
    assert drill.pids()[1:] == before


async def throughout(work: Callable[[], Awaitable[None]]) -> int:
    """Again and again for as long as the outage lasts; how often."""
    until, times = time.monotonic() + OUTAGE_S, 0
    while times == 0 or time.monotonic() < until:
        await work()
        times += 1
    return times


async def through_the_balancer(drill: Drill) -> None:
    """All replicas are in rotation again, and a client of each era is served."""
    await drill.fleet.ready()
    for era in ("modern", "legacy"):
        async with drill.connect(era=era) as client:
            assert (await client.call_tool(*READ)).structured_content


@asynccontextmanager
async def both_eras(drill: Drill) -> AsyncGenerator[dict[str, Client]]:
    """A client of each era that never tries again, connected through the balancer."""
    async with (
        drill.connect(era="modern", through=drill.patient(0)) as modern,
        drill.connect(era="legacy", through=drill.patient(0)) as legacy,
    ):
        yield {"modern": modern, "legacy": legacy}


async def told_to_wait(client: Client) -> None:
    """By the balancer, which knows no replica that is ready, or by a replica; and the client stays connected."""
    try:
        answer = await client.call_tool(*READ)
    except MCPError as error:
        waits = error.code == INTERNAL_ERROR
    else:
        said: dict[str, Any] = answer.structured_content or {}
        waits = said["error"]["retryable"]
    assert waits


async def test_without_redis_everything_is_refused_until_it_is_back(drill: Drill, show: Callable[..., None]) -> None:
    async with nobody_restarts(drill), both_eras(drill) as clients:
        drill.redis.stop()
        times = await throughout(lambda: refused_everywhere(drill, "limits"))
        for client in clients.values():
            await told_to_wait(client)
        drill.redis.start()
        await through_the_balancer(drill)
        await serves_everywhere(drill, "redis-is-back")
        assert (await clients["modern"].call_tool(*READ)).structured_content
        with pytest.raises(MCPError, match="Session"):  # it went with Redis: clients begin another one
            await clients["legacy"].call_tool(*READ)
    show(f"no Redis for {OUTAGE_S:g} s: refused on all replicas {times} times, then served again without a restart")


async def test_without_postgresql_everything_is_refused_until_it_is_back(
    drill: Drill, show: Callable[..., None]
) -> None:
    async with nobody_restarts(drill), both_eras(drill) as clients:
        drill.postgres.stop()
        times = await throughout(lambda: refused_everywhere(drill, "database"))
        for client in clients.values():
            await told_to_wait(client)
        drill.postgres.start()
        await through_the_balancer(drill)
        await serves_everywhere(drill, "postgresql-is-back")
        for client in clients.values():
            assert (await client.call_tool(*READ)).structured_content
    refusals = await drill.sql("SELECT count(*) FROM suite.audit WHERE outcome = 'unavailable'")
    assert refusals[0][0] >= times * len(drill.fleet.replicas["customers"]), "the spools were not taken in"
    show(f"no PostgreSQL for {OUTAGE_S:g} s: refused on all replicas {times} times, each refusal in the audit since")


async def test_writes_cut_off_with_postgresql_are_done_once_when_repeated(drill: Drill) -> None:
    replicas = drill.fleet.replicas["customers"]
    answers: dict[int, dict[str, Any]] = {}

    async def write(number: int) -> None:
        arguments = {**NEW, "name": f"Cut off {number}", "idempotency_key": f"cut-off-{number}"}
        answer = await drill.ask(replicas[number % len(replicas)], "create_customer", arguments)
        answers[number] = answer.json()["result"]["structuredContent"]

    async def go_on(numbers: Iterator[int]) -> None:
        """Write until something is cut off: however fast the machine is, some write is then under way."""
        for number in numbers:
            await write(number)
            if "error" in answers[number]:
                return

    async def all_of_them() -> None:
        async with anyio.create_task_group() as tasks:
            for number in list(answers):
                tasks.start_soon(write, number)

    async with anyio.create_task_group() as tasks:
        numbers = iter(range(MOST_WRITES))
        for _ in range(20):
            tasks.start_soon(go_on, numbers)
        while len(answers) < 10:
            await anyio.sleep(0.001)
        await anyio.to_thread.run_sync(drill.postgres.stop)
    told = {number: answer for number, answer in answers.items() if "error" not in answer}
    lost = [answer["error"] for answer in answers.values() if "error" in answer]
    drill.postgres.start()
    await drill.fleet.ready()
    assert lost
    assert all(error["retryable"] for error in lost), lost

    await all_of_them()
    assert {number: answers[number] for number in told} == told
    assert [answer for answer in answers.values() if "error" in answer] == []
    made = await drill.sql("SELECT count(*) FROM customers.customers WHERE name LIKE 'Cut off %'")
    assert made[0][0] == len(answers)
    assert await drill.sql(UNAUDITED) == [(0,)]
    assert (await drill.verify()).problems == []


async def test_without_the_identity_provider_known_keys_go_on_and_unknown_ones_wait(
    drill: Drill, show: Callable[..., None]
) -> None:
    replicas = drill.fleet.replicas["customers"]
    await serves_everywhere(drill, "keys-are-known")
    async with nobody_restarts(drill):
        drill.fleet.provider.send(signal.SIGTERM)
        await drill.fleet.provider.ended()
        times = await throughout(lambda: serves_everywhere(drill, "no-provider"))
        drill.mint.rotate()
        token = drill.token()
        for replica in replicas:
            answer = await drill.ask(replica, *READ, token)
            assert answer.status_code == SERVICE_UNAVAILABLE
            assert int(answer.headers["retry-after"]) > 0

        drill.fleet.provider.start()
        await drill.fleet.ready()
        for replica in replicas:
            with anyio.fail_after(30):
                while (await drill.ask(replica, *READ, token)).status_code == SERVICE_UNAVAILABLE:
                    await anyio.sleep(0.1)
            assert error_of(await drill.ask(replica, *READ, token)) == {}
    show(f"no identity provider for {OUTAGE_S:g} s: {times} rounds served with known keys; a new key refused with 503")
