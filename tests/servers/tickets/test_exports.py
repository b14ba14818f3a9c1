"""50,000 tickets as a task: seen to go on, its worker killed twice, the file whole; cancelled within a second."""

import signal
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
import orjson
import pytest

from shared.state.database import connect
from shared.state.roles import Urls
from tests.harness import Databases, modern, modern_headers
from tests.processes import Process, free_port, process
from tests.reporting import say

pytestmark = pytest.mark.anyio

TICKETS = 50_000
PART_ROWS = 500
PARTS = TICKETS // PART_ROWS
_BEGUN_S = 30
TASKS: dict[str, Any] = {
    "io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}}
}
MANY = """
INSERT INTO tickets.tickets (id, type, title, body, priority, status, queue, due_at, created_by, marks, tenant_id)
SELECT 'T-X' || lpad(n::text, 6, '0'), 'request', 'Ticket ' || n, 'Text of ' || n, 'low', 'new', 'many', now(),
    'somebody', '{tenant:acme}', 'acme'
FROM generate_series(1, $1) AS n
"""
FILE = """
SELECT md5(string_agg(rows::text, '' ORDER BY part)), sum(jsonb_array_length(rows))::int, count(*)::int
FROM suite.job_parts WHERE job_id = $1
"""
IDS = """
SELECT row ->> 'id' AS id FROM suite.job_parts, jsonb_array_elements(rows) WITH ORDINALITY AS e (row, place)
WHERE job_id = $1 ORDER BY part, place
"""
EXPORT = {"where": {"queue": "many"}}


class Client:
    """A modern client of the tasks extension, at one of several processes."""

    def __init__(self, http: httpx.AsyncClient, at: Process, persona: str) -> None:
        self.http = http
        self.at = at
        self.persona = persona

    async def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """The result, or the error."""
        params = {**params, "_meta": TASKS}
        url = self.at.address.resource
        token = self.at.provider().mint(self.persona, url)
        headers = modern_headers(method, params) | {"Authorization": f"Bearer {token}"}
        if "taskId" in params:
            headers["Mcp-Name"] = params["taskId"]
        body = (await self.http.post(url, json=modern(method, params), headers=headers)).json()
        return body.get("result") or {"error": body["error"]}

    async def begin(self, **arguments: Any) -> str:
        params: dict[str, Any] = {"name": "export_tickets", "arguments": arguments}
        with anyio.fail_after(_BEGUN_S):
            # An export can wait: a process that is busy, as this machine may be, asks for that.
            while (created := await self.ask("tools/call", params)).get("error", {}).get("data", {}).get(
                "code"
            ) == "shed":
                await anyio.sleep(0.1)
        assert created.get("resultType") == "task", created
        return created["taskId"]

    async def task(self, task_id: str, told_as: str = "") -> dict[str, Any]:
        """The task; in an error, the id as if it was another."""
        answer = await self.ask("tasks/get", {"taskId": task_id})
        return orjson.loads(orjson.dumps(answer).replace(task_id.encode(), (told_as or task_id).encode()))

    async def done(self, task_id: str) -> int:
        """How many tickets are in it by now."""
        said = (await self.task(task_id))["statusMessage"].split()[0]
        return int(said) if said.isdigit() else 0

    async def until(self, task_id: str, *, rows: int) -> dict[str, Any]:
        """The task once it has so many rows, or has ended; its progress never goes back."""
        before = 0
        with anyio.fail_after(60):
            while True:
                task, done = await self.task(task_id), await self.done(task_id)
                assert done >= before
                before = done
                if task["status"] != "working" or done >= rows:
                    return task
                await anyio.sleep(0.02)  # between looks at another process

    async def part(self, uri: str) -> dict[str, Any]:
        read = await self.ask("resources/read", {"uri": uri})
        return orjson.loads(read["contents"][0]["text"])


@pytest.fixture(scope="module")
async def site(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator["Site"]:
    """A database with 50,000 tickets more in a queue, for replicas that come and go."""
    urls = await databases.fresh()
    name = urlsplit(urls.app).path
    admin = await connect(urlsplit(databases.admin_url)._replace(path=name).geturl(), "test")
    await admin.execute("INSERT INTO tickets.queues (tenant_id, name, title) VALUES ('acme', 'many', 'Many')")
    await admin.execute(MANY, TICKETS)
    await admin.execute("ANALYZE tickets.tickets")
    async with httpx.AsyncClient(timeout=30) as http:
        yield Site(urls, tmp_path_factory.mktemp("replicas"), admin, http, free_port())
    await admin.close()


@dataclass(frozen=True)
class Site:
    """What the replicas share: a database, a folder of keys, and one after the other a port."""

    urls: Urls
    folder: Path
    admin: Any
    http: httpx.AsyncClient
    port: int

    @asynccontextmanager
    async def replica(self, persona: str = "manager") -> AsyncGenerator[Client]:
        """A replica that works on one job at a time, and a client of it."""
        settings = {"job_lease_s": 2, "jobs_at_a_time": 1, "port": self.port}
        async with process(self.urls, self.folder, "tickets", **settings) as running:
            await running.start()
            yield Client(self.http, running, persona)

    async def file(self, task_id: str) -> Any:
        """The digest of all that was made, and how many tickets are in how many parts."""
        [row] = await self.admin.fetch(FILE, task_id)
        return tuple(row)

    async def ids(self, task_id: str) -> list[str]:
        """Of all tickets in it, in order."""
        return [row["id"] for row in await self.admin.fetch(IDS, task_id)]


async def test_a_worker_killed_twice_makes_the_same_file_and_no_part_twice(site: Site) -> None:
    task_id = ""
    found: list[int] = []
    for stop_at in (20, 60, PARTS + 1):
        async with site.replica() as client:
            task_id = await client.begin(**EXPORT, idempotency_key="the-whole-queue")
            found.append(await client.done(task_id))
            task = await client.until(task_id, rows=stop_at * PART_ROWS)
            if stop_at < PARTS:
                assert task["status"] == "working"
                client.at.end(signal.SIGKILL)
                continue
            assert task["status"] == "completed", task
            assert found[0] < found[1] < found[2], "what was made before the kill is not made again"
            assert found[1] >= 20 * PART_ROWS
            whole = await client.begin(**EXPORT)
            assert (await client.until(whole, rows=TICKETS + 1))["status"] == "completed"
            assert await site.file(whole) == await site.file(task_id)
            assert (await site.file(whole))[1:] == (TICKETS, PARTS)
            assert await site.ids(task_id) == [f"T-X{number:06}" for number in range(1, TICKETS + 1)]
            answer = task["result"]["structuredContent"]
            assert (answer["done"], answer["expected"], answer["truncated"]) == (TICKETS, TICKETS, False)
            last = await client.part(answer["parts"][-1])
            assert (last["part"], last["parts"], last["tickets"][-1]["title"]) == (PARTS, PARTS, f"Ticket {TICKETS}")
            client.persona = "admin"
            other = await client.task(task_id)
            assert other == await client.task("J-" + "0" * 26, told_as=task_id)


async def test_a_cancelled_export_stops_and_the_next_begins(site: Site, pytestconfig: pytest.Config) -> None:
    async with site.replica() as client:
        one = await client.begin(**EXPORT)
        two = await client.begin(where={"queue": "billing"})
        await client.until(one, rows=PART_ROWS)
        asked = time.monotonic()
        assert (await client.ask("tasks/cancel", {"taskId": one}))["resultType"] == "complete"
        assert (await client.task(one))["status"] == "cancelled"
        # The replica works on one at a time: the next is not done before the first has stopped.
        with anyio.fail_after(20):
            assert (await client.until(two, rows=TICKETS))["status"] == "completed"
        took_s = time.monotonic() - asked
        say(pytestconfig, "jobs", f"an export was cancelled, and the next one done, in {took_s:.2f} s")
        assert (await client.task(one))["status"] == "cancelled"
        assert await site.ids(one) == []
