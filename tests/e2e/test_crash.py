"""Kill -9 in the middle of 200 concurrent writes, restart, repeat them all: each was done once, and the audit knows."""

import random
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
import pytest

from shared.state.database import connect
from shared.state.keys import load_keys
from shared.steps.audit.chain import COLUMNS
from shared.steps.audit.verify import verify
from tests.harness import Databases, modern, modern_headers
from tests.processes import Process, process

pytestmark = pytest.mark.anyio

CALLS = 200
AT_ONCE = 60
EACH = 20
OPEN_INTENTS = """
SELECT count(*) FROM suite.audit i WHERE kind = 'intent' AND NOT EXISTS (
    SELECT FROM suite.audit o WHERE o.intent = i.id AND o.kind IN ('outcome', 'recovered'))
"""
CREATED = "SELECT count(*) FROM customers.customers WHERE name LIKE 'Drill %'"
INTENTS = "SELECT count(*) FROM suite.audit WHERE kind = 'intent'"
UNEXPLAINED = """
SELECT count(*) FROM suite.ledger l WHERE answer IS NOT NULL AND NOT (
    EXISTS (SELECT FROM suite.audit i WHERE i.kind = 'intent' AND i.id = l.intent) AND
    EXISTS (SELECT FROM suite.audit o WHERE o.intent = l.intent AND o.outcome = 'ok'
            AND o.kind IN ('outcome', 'recovered')))
"""


async def create(client: httpx.AsyncClient, running: Process, token: str, number: int) -> dict[str, Any] | None:
    """The structured answer, or None if the connection was lost."""
    arguments = {"name": f"Drill {number:03}", "segment": "consumer", "country": "DE"}
    params = {"name": "create_customer", "arguments": {**arguments, "idempotency_key": f"drill-key-{number:03}"}}
    headers = modern_headers("tools/call", params) | {"Authorization": f"Bearer {token}"}
    try:
        answer = await client.post(running.address.resource, json=modern("tools/call", params), headers=headers)
    except httpx.TransportError:
        return None
    return answer.json()["result"]["structuredContent"]


async def create_all(running: Process, token: str, answers: dict[int, Any]) -> None:
    limiter = anyio.CapacityLimiter(AT_ONCE)

    async def one(client: httpx.AsyncClient, number: int) -> None:
        async with limiter:
            answers[number] = await create(client, running, token, number)

    limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
    async with httpx.AsyncClient(timeout=60, limits=limits) as client, anyio.create_task_group() as tasks:
        for number in range(CALLS):
            tasks.start_soon(one, client, number)


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
    with anyio.fail_after(seconds):
        while not await condition():
            await anyio.sleep(0.005)  # between looks at another process


async def test_two_hundred_writes_survive_a_kill(databases: Databases, tmp_path: Path) -> None:
    urls = await databases.fresh()
    database = urlsplit(urls.app).path
    admin = await connect(urlsplit(databases.admin_url)._replace(path=database).geturl(), "drill")
    before: dict[int, Any] = {}
    after: dict[int, Any] = {}
    async with process(urls, tmp_path) as running:
        await running.start()
        token = running.provider().mint("manager", running.address.resource)

        async def enough_committed() -> bool:
            told = sum(answer is not None for answer in before.values())
            return told >= EACH and await admin.fetchval(CREATED) >= EACH + 5

        async def enough_in_flight() -> bool:
            return await admin.fetchval(OPEN_INTENTS) >= EACH

        committed = in_flight = not_begun = 0
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(create_all, running, token, before)
            await until(enough_committed)
            async with admin.transaction():
                # Holds every write that is not committed yet, so that the kill meets each kind of call.
                await admin.execute("LOCK TABLE customers.customers IN SHARE MODE")
                await until(enough_in_flight)
                committed = await admin.fetchval(CREATED)
                in_flight = await admin.fetchval(OPEN_INTENTS)
                not_begun = CALLS - await admin.fetchval(INTENTS)
                assert running.end(signal.SIGKILL) == -signal.SIGKILL
            tasks.cancel_scope.cancel()
        assert min(committed, in_flight, not_begun) >= EACH, (committed, in_flight, not_begun)
        await running.start()
        await create_all(running, token, after)
        running.end(signal.SIGTERM)

    assert [number for number, answer in after.items() if answer is None or "error" in answer] == []
    told = {number: answer for number, answer in before.items() if answer is not None}
    assert len(told) >= EACH
    assert {number: after[number] for number in told} == told
    assert await admin.fetchval(CREATED) == CALLS
    assert await admin.fetchval("SELECT count(*) FROM suite.ledger WHERE answer IS NOT NULL") == CALLS
    assert await admin.fetchval(UNEXPLAINED) == 0
    assert await admin.fetchval(OPEN_INTENTS) == 0
    assert await admin.fetchval("SELECT count(*) FROM suite.audit WHERE kind = 'recovered'") >= EACH
    ring = load_keys(running.settings).audit
    report = await verify(admin, ring)
    assert (report.problems, report.chains) == ([], 2)
    await _every_change_is_named(admin, ring)
    await admin.close()


async def _every_change_is_named(admin: Any, ring: Any) -> None:
    """Change each column of a stored record in turn, of a record drawn for each."""
    stored = await admin.fetch("SELECT id, chain, seq FROM suite.audit ORDER BY chain, seq")
    draw = random.Random(7)
    for column in COLUMNS:
        row = draw.choice(stored)
        change = {
            **dict.fromkeys(("chain", "id", "intent"), "gen_random_uuid()"),
            **{"seq": "seq + 100000", "duration_us": "coalesce(duration_us, 0) + 1", "at": "at + interval '1 us'"},
            **dict.fromkeys(("prev_hash", "hash"), f"sha256({column}::text::bytea)"),
            "body": "body || ' '::bytea",  # of what is no text the database would make no entry of its index
            "key_id": "'00000000'",
        }.get(column, f"coalesce({column}, '') || 'x'")
        transaction = admin.transaction(isolation="repeatable_read")
        await transaction.start()
        await admin.execute(f"UPDATE suite.audit SET {column} = {change} WHERE id = $1", row["id"])
        found = (await verify(admin, ring)).problems
        await transaction.rollback()
        assert any(
            f"{row['chain']}/{row['seq']}" in problem.where or str(row["id"]) in problem.where for problem in found
        ), column
