"""`mcp-suite serve customers` told to stop: first it says so, then it answers what it accepted, and nothing is left."""

import json
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
import pytest
from anyio.abc import ByteStream

from shared.state.database import connect
from tests.clients.processes import processes_of
from tests.harness import LEGACY, Databases, modern, modern_headers
from tests.processes import Process, process

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="/proc tells which processes are left"),
]

NEW = {"name": "In Flight", "segment": "consumer", "country": "DE", "idempotency_key": "in-flight-1"}
PARAMS: dict[str, Any] = {"name": "create_customer", "arguments": NEW}
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'customers.customers'::regclass"
LISTEN = "subscriptions/listen"
PROBE = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
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
            with anyio.move_on_after(0.1):  # shortly before it is refused, nobody answers
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


@dataclass
class Load:
    """Clients that call without a pause, each on a connection that it keeps until it is told to close it.

    Attributes:
        answers: Of those that were answered, how.
        closing: How many answers closed their connection.
        refused: Clients that were not let in any more: nothing of their last call was sent.
    """

    running: Process
    answers: Counter[int] = field(default_factory=Counter[int])
    closing: int = 0
    refused: int = 0

    async def client(self) -> None:
        params: dict[str, Any] = {"name": "get_customer", "arguments": {"customer_id": "C-000001"}}
        token = self.running.provider().mint("admin", self.running.address.resource)
        headers = modern_headers("tools/call", params) | {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(headers=headers, timeout=30) as client:
            while True:
                try:
                    answer = await client.post(self.running.address.resource, json=modern("tools/call", params))
                except httpx.ConnectError:
                    self.refused += 1
                    return
                self.answers[answer.status_code] += 1
                self.closing += answer.headers.get("connection") == "close"


async def ended(running: Process) -> int:
    assert running.running is not None
    return await anyio.to_thread.run_sync(running.running.wait, 15)


async def test_a_call_in_flight_is_answered_while_new_ones_are_refused(databases: Databases, tmp_path: Path) -> None:
    urls = await databases.fresh()
    answers: list[httpx.Response] = []
    async with administrator(databases, urls.app) as admin, process(urls, tmp_path) as running:
        await running.start()
        assert running.running is not None
        early = await anyio.connect_tcp("127.0.0.1", running.settings.port)
        async with in_flight(running, admin, answers), early:
            running.running.send_signal(signal.SIGTERM)
            await until_refused(running)
            await early.send(PROBE)  # its connection was there before we stopped listening
            assert (await early.receive()).startswith(b"HTTP/1.1 200 OK")
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


async def test_before_it_refuses_anything_it_says_for_a_while_that_it_will(
    databases: Databases, tmp_path: Path
) -> None:
    urls = await databases.fresh()
    answers: list[httpx.Response] = []
    async with administrator(databases, urls.app) as admin, process(urls, tmp_path, drain_notice_s=60) as running:
        await running.start()
        assert running.running is not None
        root = f"http://127.0.0.1:{running.settings.port}"
        token = running.provider().mint("admin", running.address.resource)
        headers = modern_headers("tools/list", {}) | {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient() as early, httpx.AsyncClient() as late:
            assert "connection" not in (await early.get(f"{root}/livez")).headers
            async with in_flight(running, admin, answers):
                running.running.send_signal(signal.SIGTERM)
                with anyio.fail_after(10):
                    while (ready := await late.get(f"{root}/readyz")).status_code == 200:
                        await anyio.sleep(0.005)
            assert (ready.status_code, ready.json()["status"]) == (503, "draining")
            assert (await late.get(f"{root}/livez")).status_code == 200
            url, listing = running.address.resource, modern("tools/list", {})
            answers += [await client.post(url, json=listing, headers=headers) for client in (early, late)]
        assert [(answer.status_code, answer.headers["connection"]) for answer in answers] == [(200, "close")] * 3
        assert running.end(signal.SIGTERM) == 0  # the second signal ends the wait


async def test_under_load_no_request_that_was_sent_fails(databases: Databases, tmp_path: Path) -> None:
    urls = await databases.fresh()
    async with administrator(databases, urls.app) as admin, process(urls, tmp_path, drain_notice_s=0.5) as running:
        await running.start()
        assert running.running is not None
        load = Load(running)
        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                for _ in range(8):
                    tasks.start_soon(load.client)
                while load.answers.total() < 200:
                    await anyio.sleep(0.005)
                running.running.send_signal(signal.SIGTERM)
        assert await ended(running) == 0
        assert load.answers.keys() == {200}
        assert (load.refused, load.closing > 8) == (8, True)
        audited = await admin.fetchval("SELECT count(*) FROM suite.audit WHERE kind = 'call' AND outcome = 'ok'")
        assert audited == load.answers.total()
    assert "Traceback" not in running.log.read_text()


async def test_streams_that_would_stay_open_end_as_their_eras_expect(databases: Databases, tmp_path: Path) -> None:
    wanted = {"notifications": {"resourceSubscriptions": ["customer://C-000001"]}}
    hello = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    opening = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}
    async with process(await databases.fresh(), tmp_path, drain_s=300) as running:
        await running.start()
        assert running.running is not None
        url = running.address.resource
        token = running.provider().mint("admin", url)
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
        async with httpx.AsyncClient(headers=headers, timeout=30) as client:
            session = (await client.post(url, json=opening)).headers["mcp-session-id"]
            of_session = {"Mcp-Session-Id": session, "MCP-Protocol-Version": LEGACY}
            asked, of_listen = modern(LISTEN, wanted), modern_headers(LISTEN, wanted)
            async with (
                client.stream("GET", url, headers=of_session) as standing,
                client.stream("POST", url, json=asked, headers=of_listen) as listening,
            ):
                running.running.send_signal(signal.SIGTERM)
                with anyio.fail_after(20):
                    await standing.aread()  # raises unless the end of the stream was sent
                    last = (await listening.aread()).decode().strip().rpartition("data: ")[2]
                assert json.loads(last)["result"]["resultType"] == "complete"
        assert await ended(running) == 0


async def test_a_second_signal_ends_the_wait_and_what_is_cut_off_has_its_record(
    databases: Databases, tmp_path: Path
) -> None:
    urls = await databases.fresh()
    answers: list[httpx.Response] = []
    async with administrator(databases, urls.app) as admin, process(urls, tmp_path, drain_s=300) as running:
        await running.start()
        assert running.running is not None
        async with in_flight(running, admin, answers):
            running.running.send_signal(signal.SIGTERM)
            await until_refused(running)
            running.running.send_signal(signal.SIGTERM)
            assert await ended(running) == 0
        outcomes = await admin.fetch("SELECT outcome FROM suite.audit WHERE kind = 'outcome'")
        assert [found["outcome"] for found in outcomes] == ["cancelled"]


async def probed(stream: ByteStream) -> bytes:
    """The whole answer to a probe, in however many pieces it comes."""
    await stream.send(PROBE)
    answer = b""
    while not answer.endswith(b"}"):
        answer += await stream.receive()
    return answer


async def test_a_request_whose_headers_do_not_come_is_cut_off_and_an_idle_connection_is_not(
    databases: Databases, tmp_path: Path
) -> None:
    async with process(await databases.fresh(), tmp_path, body_timeout_s=0.2) as running:
        await running.start()
        idle, slow, slow_later = [await anyio.connect_tcp("127.0.0.1", running.settings.port) for _ in range(3)]
        async with idle, slow, slow_later:
            with anyio.fail_after(20):
                for stream in (idle, slow_later):
                    assert b" 200 OK" in await probed(stream)
                for stream in (slow, slow_later):
                    await stream.send(PROBE[:10])
                for stream in (slow, slow_later):
                    with pytest.raises(anyio.EndOfStream):
                        await stream.receive()
                assert b" 200 OK" in await probed(idle)
        assert running.end(signal.SIGTERM) == 0
