"""From asking to the answer: a call that somebody else has to approve, by every kind of client there is."""

import json
import ssl
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import ElicitRequestParams, ElicitResult

import servers
from shared.core.approvals import ApprovalState
from shared.core.settings import Settings
from shared.state.approvals.inbox import Inbox
from shared.state.database import open_database
from tests.clients.local import Local
from tests.clients.wire import wired
from tests.docs.fences import ROOT, claimed
from tests.harness import ERAS, MODERN, Databases, modern, modern_headers
from tests.treasury.house import Treasury, approver, open_treasury

pytestmark = pytest.mark.anyio

TOLD, ONE_MORE_LINE = claimed("docs/approvals.md", 2)
_NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
EXTENSION = "io.modelcontextprotocol/tasks"


@pytest.fixture(scope="module")
async def opened(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Treasury]:
    async with open_treasury(databases, tmp_path_factory.mktemp("treasury")) as [treasury]:
        yield treasury


@pytest.fixture
async def treasury(opened: Treasury) -> AsyncGenerator[Treasury]:
    yield opened.fresh()
    for table in ("treasury.payments", "suite.approvals", "suite.approval_queue"):
        await opened.suite.sql(f"DELETE FROM {table}")


async def agree(context: Any, params: ElicitRequestParams) -> ElicitResult:
    """A client that says yes to whatever it is asked, and shows nobody."""
    del context, params
    return ElicitResult(action="accept", content={"confirmed": True})


async def pay(treasury: Treasury, era: str, amount: int, *, asks: bool) -> dict[str, Any]:
    """The same call by a real client of that era: it could ask its user, or it could not."""
    suite = treasury.suite
    token = suite.token("manager", "treasury", scopes=["treasury:write"], acr="aal2")
    headers = {"Authorization": f"Bearer {token}"}
    mode = "legacy" if era == "legacy" else MODERN
    async with httpx2.AsyncClient(headers=headers, timeout=30, verify=_NO_AUTHORITIES) as http:
        transport = streamable_http_client(suite.url("treasury"), http_client=http)
        async with Client(transport, mode=mode, elicitation_callback=agree if asks else None) as client:
            arguments = {"payee": "printer", "amount": amount, "idempotency_key": treasury.key}
            answer: Any = await client.call_tool("pay", arguments)
    shown = answer.structured_content
    return shown["error"] if answer.is_error else shown


def assert_is_told_as_the_page_shows(told: dict[str, Any]) -> None:
    """The page shows another tool's words, cut, and some of the details."""
    shown = json.loads(TOLD)["error"]
    details = shown.pop("details")
    tool, not_done, reason = shown.pop("message").removesuffix(" …").partition(" was not done yet. ")
    assert shown.items() <= told.items()
    assert told["message"].startswith(f"pay{not_done}")
    assert f'@reason("{reason}' in (ROOT / "servers" / "tickets" / "policy.cedar").read_text("utf-8")
    assert tool in servers.load("tickets").tools.tools
    varies = {"approval_id", "expires_at", "review_url"}
    assert details.keys() - varies == {"status", "approvals", "missing"}
    assert {name: told["details"][name] for name in details.keys() - varies} == {
        name: details[name] for name in details.keys() - varies
    }
    assert varies <= told["details"].keys()
    page = told["details"]["review_url"].partition("/console/")[2]
    assert page == f"approvals/{told['details']['approval_id']}"


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("asks", [True, False], ids=["with elicitation", "without"])
async def test_it_is_asked_approved_done_and_answered(treasury: Treasury, era: str, *, asks: bool) -> None:
    told = await pay(treasury, era, 5000, asks=asks)
    assert_is_told_as_the_page_shows(told)
    kept = await treasury.inbox.one("acme", told["details"]["approval_id"])
    assert kept is not None
    assert kept.kind == "approve"
    await treasury.decide(kept)
    assert (await treasury.settled(kept)).state is ApprovalState.DONE
    assert (await pay(treasury, era, 5000, asks=asks))["amount"] == 5000
    assert len(await treasury.payments()) == 1


@pytest.mark.parametrize("era", ERAS)
async def test_the_callers_own_yes_is_asked_for_where_the_client_can(treasury: Treasury, era: str) -> None:
    assert (await pay(treasury, era, 500, asks=True))["amount"] == 500
    assert await treasury.inbox.waiting("acme") == []


@pytest.mark.parametrize("era", ERAS)
async def test_and_at_the_console_where_it_cannot(treasury: Treasury, era: str) -> None:
    told = await pay(treasury, era, 500, asks=False)
    assert "your own confirmation" in told["message"]
    kept = await treasury.inbox.one("acme", told["details"]["approval_id"])
    assert kept is not None
    await treasury.decide(kept, by=kept.subject, who={"issuer": kept.issuer})
    assert (await treasury.settled(kept)).state is ApprovalState.DONE
    assert (await pay(treasury, era, 500, asks=False))["amount"] == 500


async def test_a_client_that_knows_tasks_is_given_one_that_completes(treasury: Treasury) -> None:
    suite = treasury.suite
    token = suite.token("manager", "treasury", scopes=["treasury:write"], acr="aal2")
    meta: dict[str, Any] = {"io.modelcontextprotocol/clientCapabilities": {"extensions": {EXTENSION: {}}}}

    async def ask(method: str, params: dict[str, Any], **headers: str) -> dict[str, Any]:
        sent = modern_headers(method, params) | {"Authorization": f"Bearer {token}"} | headers
        async with suite.http() as http:
            body = modern(method, {**params, "_meta": meta})
            return (await http.post(suite.url("treasury"), json=body, headers=sent)).json()["result"]

    arguments = {"payee": "printer", "amount": 5000, "idempotency_key": treasury.key}
    created = await ask("tools/call", {"name": "pay", "arguments": arguments})
    assert (created["resultType"], created["status"]) == ("task", "working")
    assert created["ttlMs"] == 86_400_000
    task_id = created["taskId"]
    waiting = await ask("tasks/get", {"taskId": task_id}, **{"Mcp-Name": task_id})
    assert (waiting["status"], waiting["statusMessage"]) == ("working", "waits for approval")
    kept = await treasury.inbox.one("acme", task_id)
    assert kept is not None
    await treasury.decide(kept)
    with anyio.fail_after(10):
        while (task := await ask("tasks/get", {"taskId": task_id}, **{"Mcp-Name": task_id}))["status"] == "working":
            await anyio.sleep(0.05)
    assert task["status"] == "completed"
    assert task["result"]["structuredContent"]["amount"] == 5000
    assert task["result"]["isError"] is False
    assert len(await treasury.payments()) == 1


async def test_a_task_that_people_reject_is_completed_with_the_refusal(treasury: Treasury) -> None:
    kept = await treasury.asked()
    await treasury.decide(kept, verdict="reject", reason="too dear")
    token = treasury.suite.token("manager", "treasury", scopes=["treasury:write"], acr="aal2")
    params: dict[str, Any] = {"taskId": kept.id}
    capabilities: dict[str, Any] = {"extensions": {EXTENSION: {}}}
    meta = {"io.modelcontextprotocol/clientCapabilities": capabilities}
    headers = modern_headers("tasks/get", params) | {"Authorization": f"Bearer {token}", "Mcp-Name": kept.id}
    async with treasury.suite.http() as http:
        body = modern("tasks/get", {**params, "_meta": meta})
        task = (await http.post(treasury.suite.url("treasury"), json=body, headers=headers)).json()["result"]
    assert (task["status"], task["result"]["isError"]) == ("completed", True)
    assert task["result"]["structuredContent"]["error"]["code"] == "rejected"


@pytest.mark.parametrize("era", ERAS)
async def test_over_stdio_a_line_of_policy_is_enough(databases: Databases, tmp_path: Path, era: str) -> None:
    folder, policies = tmp_path / "data", tmp_path / "policies"
    folder.mkdir(mode=0o700)
    policies.mkdir()
    (policies / "customers.more.cedar").write_text(ONE_MORE_LINE)
    local = Local(await databases.fresh(), folder, "customers:write customers:pii")
    arguments = {"name": "Ada", "country": "DE", "segment": "consumer", "idempotency_key": "ada-key-1"}
    async with wired({**local.env, "SUITE_POLICY_DIR": str(policies)}, local.errors, era) as wire:
        await wire.greet()
        told = (await wire.call("create_customer", arguments))["structuredContent"]["error"]
        assert told["code"] == "needs_approval"
        settings = Settings(pool_min=1, pool_max=2, data_dir=folder)
        async with open_database(local.urls.console, settings) as database:
            inbox = Inbox(database)
            kept = await inbox.one("acme", told["details"]["approval_id"])
            assert kept is not None
            assert (kept.issuer, kept.subject) == ("stdio", "local-user")
            await inbox.decide("acme", kept.id, approver(), "approve", payload=kept.payload)
            with anyio.fail_after(15):
                while (now := await inbox.one("acme", kept.id)) is None or not now.state.ended:
                    await anyio.sleep(0.05)
            assert now.state is ApprovalState.DONE, now.outcome
        answer = (await wire.call("create_customer", arguments))["structuredContent"]
        assert answer["customer"]["name"] == "Ada"
    rows = await local.rows("SELECT count(*) FROM customers.customers WHERE name = 'Ada'")
    assert rows[0]["count"] == 1
