"""A process that dies between a write and its answer."""

import signal
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from shared.state.database import connect
from shared.state.roles import Urls
from shared.steps.audit.query import Filter, query
from tests.harness import Databases, modern, modern_headers
from tests.processes import Process, process
from tests.servers.tickets.jira.fake import FakeJira, open_jira
from tests.servers.tickets.jira.faults import Fault
from tests.servers.tickets.jira.site import basic, everybody, key, wish

pytestmark = pytest.mark.anyio


async def ask(served: Process, arguments: dict[str, Any]) -> dict[str, Any]:
    """What create_ticket answers."""
    params = {"name": "create_ticket", "arguments": arguments}
    token = served.provider().mint("manager", served.address.resource, sid="one-login")
    headers = modern_headers("tools/call", params) | {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(timeout=20) as client:
        answer = await client.post(served.address.resource, json=modern("tools/call", params), headers=headers)
    shown: dict[str, Any] = answer.json()["result"]["structuredContent"]
    return shown


async def test_the_repeat_sends_nothing_again_and_learns_the_truth(databases: Databases, tmp_path: Path) -> None:
    urls = await databases.fresh()
    async with open_jira(everybody) as jira:
        settings = {**basic(jira.url), "answer_s": 1.5}
        async with process(urls, tmp_path, "tickets", upstreams={"jira": settings}) as served:
            await served.start()
            arrived, never = wish("Arrived"), wish("Never arrived")
            await _killed_while_sending(served, jira, arrived, never)
            await served.start()
            assert await _recovered(urls) == ["outcome_unknown"] * 2
            assert (await _in_the_end(served, arrived))["ticket"]["title"] == "Arrived"
            assert (await _in_the_end(served, never))["error"]["code"] == "conflict"
            assert [each.body["fields"]["summary"] for each in jira.writes] == ["Arrived", "Never arrived"]
            assert "ticket" in await ask(served, {**never, "idempotency_key": key()})
        assert len({marker for each in jira.writes for marker in each.markers}) == 3


async def _recovered(urls: Urls) -> list[str]:
    """What the audit says became of the calls whose process died."""
    reader = await connect(urls.reader, "test")
    try:
        return [str(each["outcome"]) for each in await query(reader, Filter(limit=100)) if each["kind"] == "recovered"]
    finally:
        await reader.close()


async def _in_the_end(served: Process, asked: dict[str, Any]) -> dict[str, Any]:
    with anyio.fail_after(30):
        while (told := await ask(served, asked)).get("error", {}).get("retryable"):
            await anyio.sleep(0.1)
    return told


async def _killed_while_sending(
    served: Process, jira: FakeJira, arrived: dict[str, Any], never: dict[str, Any]
) -> None:
    """The process dies while two writes are under way, of which one took effect."""
    jira.fails(Fault("slow_after", method="POST", path="/issue$"), Fault("slow_before", method="POST", path="/issue$"))

    async def ask_in_vain(asked: dict[str, Any]) -> None:
        with pytest.raises(httpx.TransportError):
            await ask(served, asked)

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for count, asked in enumerate((arrived, never), start=1):
                tasks.start_soon(ask_in_vain, asked)
                while len(jira.writes) < count:
                    await anyio.sleep(0.01)
            served.end(signal.SIGKILL)
