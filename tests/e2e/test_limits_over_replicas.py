"""Three replicas that count in one Redis admit what is configured, and never more.

DRILL_LIMITS_S   seconds that each case lasts; 60 is what is promised, the default shows the same sooner
"""

import math
import os
import sys
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import anyio
import httpx
import pytest

from shared.state.embedded_redis import EmbeddedRedis
from tests.harness import Databases, Suite, modern, modern_headers
from tests.shared.edge.sessions.conftest import open_replicas

pytestmark = pytest.mark.anyio

SECONDS = float(os.environ.get("DRILL_LIMITS_S", "4"))
CALLERS = 50
PER_MINUTE = 1800
SHARE = 0.02

BURST_OF_TENANT = PER_MINUTE // 10
BURST = 40
"""Of one user."""


@dataclass
class Tally:
    """What became of the calls, seen from outside.

    Attributes:
        longest_s: From before the first call was sent until the last answer was there: limits cannot have counted for
            longer.
        shortest_s: From the first answer until the last refused call was sent: they have counted for longer, and what
            was admitted by then was all there was.
    """

    admitted: int = 0
    refused: int = 0
    longest_s: float = 0
    shortest_s: float = 0

    def most(self, burst: int) -> float:
        return PER_MINUTE / 60 * self.longest_s + burst

    def least(self, burst: int) -> float:
        return (PER_MINUTE / 60 * self.shortest_s + burst) * (1 - SHARE)


async def press(replicas: list[Suite], tokens: list[str]) -> Tally:
    """Each caller calls again as soon as it has its answer, every time at another replica."""
    tally = Tally()
    message = modern("tools/call", {"name": "echo", "arguments": {"text": "again"}})
    headers = modern_headers("tools/call", message["params"])
    headers["Host"] = replicas[0].settings.base_url.partition("//")[2]
    urls = [f"http://127.0.0.1:{replica.settings.port}/drill/mcp" for replica in replicas]
    began = time.monotonic()
    first_answered, last_refused = math.inf, began

    async def call_on(number: int, http: httpx.AsyncClient) -> None:
        nonlocal first_answered, last_refused
        mine = headers | {"Authorization": f"Bearer {tokens[number]}"}
        while (sent := time.monotonic()) - began < SECONDS:
            number += 1
            answer = await http.post(urls[number % len(urls)], json=message, headers=mine)
            first_answered = min(first_answered, time.monotonic())
            if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
                tally.refused += 1
                last_refused = max(last_refused, sent)
            else:
                assert answer.json()["result"]["structuredContent"] == {"text": "again"}
                tally.admitted += 1

    limits = httpx.Limits(max_connections=CALLERS)
    async with (
        httpx.AsyncClient(timeout=30, limits=limits, trust_env=False) as http,
        anyio.create_task_group() as tasks,
    ):
        for number in range(CALLERS):
            tasks.start_soon(call_on, number, http)
    tally.longest_s, tally.shortest_s = time.monotonic() - began, last_refused - first_answered
    return tally


@pytest.fixture(scope="module")
async def replicas(
    databases: Databases, redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[list[Suite]]:
    limits: dict[str, Any] = {"calls_per_minute": PER_MINUTE, "burst": BURST, "tenant_calls_per_minute": PER_MINUTE}
    folder = tmp_path_factory.mktemp("limits")
    async with open_replicas(databases, folder, 3, redis_url=redis_server.url, **limits) as opened:
        yield opened


def assert_exact(tally: Tally, burst: int, capsys: pytest.CaptureFixture[str]) -> None:
    said = f"{tally.admitted} admitted, {tally.refused} refused, in {tally.shortest_s:.2f} to {tally.longest_s:.2f} s"
    said += (
        f" at {PER_MINUTE} a minute and {burst} at once: {tally.least(burst):.0f} to {tally.most(burst):.0f} are right"
    )
    with capsys.disabled():
        sys.stdout.writelines(["\n  ", said, "\n"])
    assert tally.least(burst) <= tally.admitted <= tally.most(burst)
    assert tally.shortest_s > SECONDS / 2, "nobody pressed"


async def test_fifty_callers_of_a_tenant_get_the_tenants_rate(
    replicas: list[Suite], capsys: pytest.CaptureFixture[str]
) -> None:
    def token(number: int) -> str:
        claims = {"sub": f"caller-{number}", "tenant": "many", "client_id": f"program-{number}"}
        return replicas[0].token("admin", "drill", scopes=["drill:read"], **claims)

    tally = await press(replicas, [token(number) for number in range(CALLERS)])
    assert_exact(tally, BURST_OF_TENANT, capsys)


async def test_fifty_programs_of_one_user_get_the_users_rate(
    replicas: list[Suite], capsys: pytest.CaptureFixture[str]
) -> None:
    claims = {"sub": "one", "tenant": "few"}
    tokens = [
        replicas[0].token("admin", "drill", scopes=["drill:read"], client_id=f"program-{number}", **claims)
        for number in range(CALLERS)
    ]
    tally = await press(replicas, tokens)
    assert_exact(tally, BURST, capsys)
