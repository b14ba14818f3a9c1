"""`mcp-suite serve customers` told to stop: what was accepted is answered, nothing new is, and nothing is left."""

import signal
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
import pytest

from shared.state.database import connect
from tests.clients.processes import processes_of
from tests.harness import Databases, modern, modern_headers
from tests.processes import Process, process

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="/proc tells which processes are left"),
]

NEW = {"name": "In Flight", "segment": "consumer", "country": "DE", "idempotency_key": "in-flight-1"}
PARAMS: dict[str, Any] = {"name": "create_customer", "arguments": NEW}
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'customers.customers'::regclass"
MADE = "SELECT count(*) FROM customers.customers WHERE name = 'In Flight'"


@asynccontextmanager
async def in_flight(running: Process, admin: Any, answers: list[httpx.Response]) -> AsyncGenerator[Any]:
    """A write that the database holds back for as long as the context lasts; its answer is awaited at the end."""
    token = running.provider().mint("manager", running.address.resource)
    headers = modern_headers("tools/call", PARAMS) | {"Authorization": f"Bearer {token}"}

    async def call() -> None:
        async with httpx.AsyncClient(timeout=30) as client:
            with anyio.CancelScope() as scope:
                try:
                    body = modern("tools/call", PARAMS)
                    answers.append(await client.post(running.address.resource, json=body, headers=headers))
                except httpx.TransportError:
                    scope.cancel()

    async with anyio.create_task_group() as tasks, admin.transaction():
        await admin.execute("LOCK TABLE customers.customers IN SHARE MODE")
        tasks.start_soon(call)
        with anyio.fail_after(10):
            while not await admin.fetchval(WAITING):
                await anyio.sleep(0.005)
        yield


async def until_refused(running: Process) -> None:
    with anyio.fail_after(10):
        while True:
            try:
                stream = await anyio.connect_tcp("127.0.0.1", running.settings.port)
            except OSError:
                return
            await stream.aclose()
            await anyio.sleep(0.005)


@asynccontextmanager
async def administrator(databases: Databases, app_url: str) -> AsyncGenerator[Any]:
    admin = await connect(urlsplit(databases.admin_url)._replace(path=urlsplit(app_url).path).geturl(), "test")
    try:
        yield admin
    finally:
        await admin.close()


async def ended(running: Process) -> int:
    assert running.running is not None
    return await anyio.to_thread.run_sync(running.running.wait, 15)


async def test_a_call_in_flight_is_answered_while_new_ones_are_refused(databases: Databases, tmp_path: Path) -> None:
    urls = await databases.fresh()
    answers: list[httpx.Response] = []
    async with administrator(databases, urls.app) as admin, process(urls, tmp_path) as running:
        await running.start()
        assert running.running is not None
        async with in_flight(running, admin, answers):
            running.running.send_signal(signal.SIGTERM)
            await until_refused(running)
            assert running.running.poll() is None
            assert answers == []
        assert await ended(running) == 0
        assert await admin.fetchval(MADE) == 1
        assert await admin.fetchval("SELECT count(*) FROM suite.audit WHERE kind = 'outcome' AND outcome = 'ok'") == 1
    assert answers[0].json()["result"]["structuredContent"]["customer"]["name"] == "In Flight"
    assert processes_of(tmp_path) == {}
    assert "Traceback" not in running.log.read_text()


async def test_a_call_that_outlasts_the_drain_is_undone_and_recorded_before_the_process_ends(
    databases: Databases, tmp_path: Path
) -> None:
    urls = await databases.fresh()
    answers: list[httpx.Response] = []
    async with administrator(databases, urls.app) as admin, process(urls, tmp_path, drain_s=1) as running:
        await running.start()
        assert running.running is not None
        async with in_flight(running, admin, answers):
            running.running.send_signal(signal.SIGTERM)
            assert await ended(running) == 0
        assert await admin.fetchval(MADE) == 0
        outcomes = await admin.fetch("SELECT outcome FROM suite.audit WHERE kind = 'outcome'")
        assert [found["outcome"] for found in outcomes] == ["cancelled"]
    assert processes_of(tmp_path) == {}


async def test_a_process_with_nothing_to_do_ends_at_once(databases: Databases, tmp_path: Path) -> None:
    async with process(await databases.fresh(), tmp_path) as running:
        await running.start()
        started = time.monotonic()
        assert running.end(signal.SIGTERM) == 0
        assert time.monotonic() - started < 5
    assert processes_of(tmp_path) == {}
