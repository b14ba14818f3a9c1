"""Who may do what, asked by real clients of both eras: what policy says is what happens, and the audit keeps why."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import asyncpg
import httpx2
import pytest
from mcp import Client
from mcp.client.session import ElicitationFnT
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, ElicitResult

from shared.core import metrics
from shared.core.errors import Misconfigured
from tests.clients.local import Local
from tests.clients.wire import wired
from tests.harness import ERAS, MODERN, Databases, Suite

pytestmark = pytest.mark.anyio

KEY_ACCOUNT = {"name": "Ada", "segment": "enterprise", "country": "DE"}
AGENT: dict[str, Any] = {"act": {"sub": "acme-triage"}}
"""A claim: the token's subject is acted for by an agent (RFC 8693)."""
NO_MORE = """
@id("no-more")
@reason("Nobody reads orders today.")
forbid (principal, action == Action::"customers.get_order", resource);
"""


@asynccontextmanager
async def client(suite: Suite, token: str, era: str, tell: ElicitationFnT | None = None) -> AsyncGenerator[Client]:
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=30) as http:
        transport = streamable_http_client(suite.url(), http_client=http)
        mode = "legacy" if era == "legacy" else MODERN
        async with Client(transport, mode=mode, elicitation_callback=tell) as opened:
            yield opened


def shown(result: CallToolResult) -> dict[str, Any]:
    assert result.structured_content is not None
    return result.structured_content


async def two_customers(suite: Suite) -> dict[str, Any]:
    """The arguments of a merge that can be done."""
    made = [
        await suite.call("admin", "create_customer", {"name": "Twin", "segment": "consumer", "country": "DE"})
        for _ in range(2)
    ]
    keep, duplicate = (one["customer"] for one in made)
    return {
        **{"keep_id": keep["id"], "keep_version": keep["version"]},
        **{"duplicate_id": duplicate["id"], "duplicate_version": duplicate["version"]},
    }


async def last(suite: Suite, target: str) -> dict[str, Any]:
    return (await suite.records(target=target, limit=1))[0]


@pytest.mark.parametrize("era", ERAS)
async def test_what_no_role_allows_is_not_listed_and_looks_missing(suite: Suite, era: str) -> None:
    token = suite.token("support", scopes=["customers:admin"])  # whatever the token says
    async with client(suite, token, era) as opened:
        names = {tool.name for tool in (await opened.list_tools()).tools}
        told: list[str] = []
        for name in ("create_customer", "no_such_tool"):
            with pytest.raises(Exception, match=f"Unknown tool: {name}") as refused:
                await opened.call_tool(name, {"name": "Ada"})
            told.append(str(refused.value).replace(name, "X"))
    assert names == {"get_customer", "get_customers", "search_customers", "list_customer_orders", "get_order"} | {
        "list_customer_notes"
    }
    assert told[0] == told[1]
    assert (await last(suite, "create_customer"))["outcome"] == "unknown_target"


async def test_a_scope_that_the_role_may_not_hold_unmasks_nothing(suite: Suite) -> None:
    answers: dict[str, str] = {}
    for persona in ("support", "manager"):
        token = suite.token(persona, scopes=["customers:read", "customers:pii"])
        params = {"name": "get_customer", "arguments": {"customer_id": "C-000001"}}
        answer = await suite.post(token, "tools/call", params)
        answers[persona] = answer.json()["result"]["structuredContent"]["email"]
    assert "…" in answers["support"] or "*" in answers["support"]
    assert answers["support"] != answers["manager"]


@pytest.mark.parametrize("era", ERAS)
async def test_a_denial_tells_why_and_the_audit_keeps_it(suite: Suite, era: str) -> None:
    token = suite.token("manager", roles=["sales"])
    async with client(suite, token, era) as opened:
        result = await opened.call_tool("create_customer", KEY_ACCOUNT)
    assert result.is_error
    error: dict[str, Any] = shown(result)["error"]
    assert (error["code"], error["retryable"]) == ("denied", False)
    assert error["details"]["policies"] == ["customers-key-accounts"]
    assert "Ask one of them" in error["message"]
    record = await last(suite, "create_customer")
    assert (record["decision"], record["policies"]) == ("deny", ["customers-key-accounts"])
    assert record["reason"].startswith("Only managers")
    assert (await suite.verify()).problems == []


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(("says", "code"), [(True, None), (False, "declined")])
async def test_an_agent_asks_its_person_before_something_of_high_risk(
    suite: Suite, era: str, says: bool, code: str | None
) -> None:
    asked: list[str] = []

    async def tell(context: Any, params: Any) -> ElicitResult:
        del context
        asked.append(params.message)
        return ElicitResult(action="accept", content={"confirmed": says})

    merge = await two_customers(suite)
    token = suite.token("manager", acr="aal2", **AGENT)
    async with client(suite, token, era, tell) as opened:
        result = await opened.call_tool("merge_customers", merge)
    assert shown(result).get("error", {}).get("code") == code
    assert len(asked) == 1
    assert all(part in asked[0] for part in ("in your name", "merge_customers", merge["keep_id"]))
    archived = await suite.call("admin", "get_customer", {"customer_id": merge["duplicate_id"]})
    assert (archived["status"] == "archived") is says
    record = await last(suite, "merge_customers")
    assert (record["trust"], record["actors"], record["decision"]) == ("delegated", ["acme-triage"], "confirm")


async def test_a_dry_run_by_an_agent_asks_nobody(suite: Suite) -> None:
    merge = await two_customers(suite)
    token = suite.token("manager", acr="aal2", **AGENT)
    answer = await suite.post(token, "tools/call", {"name": "merge_customers", "arguments": {**merge, "dry_run": True}})
    assert answer.json()["result"]["isError"] is False


async def test_what_needs_approval_is_not_done_and_says_by_how_many(suite: Suite) -> None:
    token = suite.token("admin", **AGENT)
    answer = await suite.post(token, "tools/call", {"name": "export_customers", "arguments": {}})
    error = answer.json()["result"]["structuredContent"]["error"]
    assert (error["code"], error["details"]["approvals"]) == ("needs_approval", 1)
    assert error["details"]["policies"] == ["customers-whole-export"]
    assert (await last(suite, "export_customers"))["outcome"] == "needs_approval"


class TestSignIn:
    @pytest.mark.parametrize(
        ("claims", "wanted"),
        [({"acr": "aal1"}, 'acr_values="aal2"'), ({"acr": "aal2", "auth_time": 1}, 'max_age="3600"')],
    )
    async def test_a_weak_or_old_sign_in_is_challenged(self, suite: Suite, claims: dict[str, Any], wanted: str) -> None:
        token = suite.token("manager", **claims)
        params = {"name": "merge_customers", "arguments": await two_customers(suite)}
        answer = await suite.post(token, "tools/call", params)
        challenge = answer.headers["www-authenticate"]
        assert answer.status_code == 401
        assert challenge.startswith('Bearer error="insufficient_user_authentication"')
        assert wanted in challenge
        assert f'resource_metadata="{suite.where["customers"].metadata_url}"' in challenge
        assert 'scope="customers:contact customers:pii customers:read customers:write"' in challenge
        assert (await last(suite, "merge_customers"))["outcome"] == "step_up"

    async def test_the_2025_era_is_challenged_too(self, suite: Suite) -> None:
        headers = await suite.session(suite.token("manager", acr="aal1"))
        params = {"name": "merge_customers", "arguments": await two_customers(suite)}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        async with suite.http() as http:
            answer = await http.post(suite.url(), json=body, headers=headers)
        assert answer.status_code == 401
        assert "insufficient_user_authentication" in answer.headers["www-authenticate"]

    async def test_after_the_sign_in_the_call_is_done(self, suite: Suite) -> None:
        token = suite.token("manager", acr="aal2")
        params = {"name": "merge_customers", "arguments": await two_customers(suite)}
        answer = await suite.post(token, "tools/call", params)
        assert answer.json()["result"]["isError"] is False

    async def test_an_agent_alone_is_sent_for_a_person_and_one_vouched_for_needs_another(self, suite: Suite) -> None:
        alone: dict[str, Any] = {"sub": "acme-sync", "client_id": "acme-sync", "roles": ["service"]}
        params = {"name": "merge_customers", "arguments": await two_customers(suite)}
        answer = await suite.post(suite.token("manager", **alone, acr=None, auth_time=None), "tools/call", params)
        assert answer.status_code == 401
        assert (await last(suite, "merge_customers"))["trust"] == "service"
        vouched = suite.token("manager", **alone, acr="aal2", act={"sub": "acme-sales-manager"})
        answer = await suite.post(vouched, "tools/call", params)
        record = await last(suite, "merge_customers")
        assert (record["trust"], record["decision"]) == ("hybrid", "approve")
        assert answer.json()["result"]["structuredContent"]["error"]["code"] == "needs_approval"


class TestReadOnly:
    async def test_writes_vanish_and_the_database_would_refuse_them(
        self, own_suite: Callable[..., Awaitable[Suite]]
    ) -> None:
        suite = await own_suite(read_only=True)
        async with suite.connect("admin") as opened:
            names = {tool.name for tool in (await opened.list_tools()).tools}
            answer = await opened.call_tool("get_customer", {"customer_id": "C-000001"})
        assert not answer.is_error
        assert names == {
            *("get_customer", "get_customers", "search_customers", "list_customer_orders", "get_order"),
            *("list_customer_notes", "get_job"),
        }
        answer = await suite.post(suite.token(), "tools/call", {"name": "create_customer", "arguments": KEY_ACCOUNT})
        assert answer.json()["error"]["code"] == -32602
        async with suite.parts.database.transaction("acme") as transaction:
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                await transaction.connection.execute("DELETE FROM customers.customers")
            transaction.discard()
        assert (await suite.verify()).problems == []


class TestOwnPolicies:
    async def test_a_company_adds_to_ours_and_takes_it_back_while_the_suite_runs(
        self, own_suite: Callable[..., Awaitable[Suite]], tmp_path: Path
    ) -> None:
        folder = tmp_path / "policies"
        folder.mkdir()
        suite = await own_suite(policy_dir=folder)
        more = folder / "customers.more.cedar"
        read = ("admin", "get_order", {"order_id": "O-000001"})
        policy = suite.parts.policies["customers"]
        before = await suite.call(*read)
        assert "error" not in before
        more.write_text(NO_MORE)
        policy.look()
        error = (await suite.call(*read))["error"]
        assert (error["code"], error["details"]["policies"]) == ("denied", ["no-more"])
        versions = {record["policy_version"] for record in await suite.records(target="get_order")}
        assert len(versions) == 2
        more.unlink()
        policy.look()
        assert await suite.call(*read) == before

    async def test_changed_files_are_found_without_being_told(
        self, own_suite: Callable[..., Awaitable[Suite]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("shared.steps.policy.in_force._LOOK_S", 0.01)
        folder = tmp_path / "policies"
        folder.mkdir()
        suite = await own_suite(policy_dir=folder)
        version = suite.parts.policies["customers"].rules.version
        (folder / "customers.more.cedar").write_text(NO_MORE)
        with anyio.fail_after(10):
            while suite.parts.policies["customers"].rules.version == version:
                await anyio.sleep(0.01)

    @pytest.mark.parametrize(
        "broken", ["forbid (", 'permit (principal, action == Action::"customers.fly", resource);', "\xff"]
    )
    async def test_a_policy_that_cannot_be_used_leaves_the_last_good_one_in_force_and_says_so(
        self, own_suite: Callable[..., Awaitable[Suite]], tmp_path: Path, broken: str
    ) -> None:
        folder = tmp_path / "policies"
        folder.mkdir()
        (folder / "customers.more.cedar").write_text(NO_MORE)
        suite = await own_suite(policy_dir=folder)
        policy = suite.parts.policies["customers"]
        refused = metrics.POLICY_RELOADS.value("customers", "refused")
        (folder / "customers.more.cedar").write_bytes(broken.encode("latin-1"))
        policy.look()
        policy.look()
        assert policy.refused
        assert metrics.POLICY_RELOADS.value("customers", "refused") == refused + 1
        error = (await suite.call("admin", "get_order", {"order_id": "O-000001"}))["error"]
        assert error["code"] == "denied"
        (folder / "customers.more.cedar").unlink()
        policy.look()
        assert policy.refused == []

    async def test_a_policy_that_cannot_be_used_stops_the_start(
        self, own_suite: Callable[..., Awaitable[Suite]], tmp_path: Path
    ) -> None:
        folder = tmp_path / "policies"
        folder.mkdir()
        (folder / "customers.cedar").write_text('@id("a") permit (principal, action == Action::"hold", resource);\n')
        (folder / "suite.cedar").write_text("nonsense")
        with pytest.raises((Misconfigured, ExceptionGroup)) as refused:
            await own_suite(policy_dir=folder)
        assert "suite.cedar" in "".join(str(error) for error in _leaves(refused.value))

    async def test_a_tool_is_taken_from_one_tenant_alone(
        self, own_suite: Callable[..., Awaitable[Suite]], tmp_path: Path
    ) -> None:
        folder = tmp_path / f"policies-{uuid4().hex[:8]}"
        folder.mkdir()
        (folder / "customers.more.cedar").write_text(
            '@id("globex-exports-nothing")\n@reason("Globex has not bought exports.")\n'
            'forbid (principal in Tenant::"globex", action in [Action::"see", Action::"call"],\n'
            'resource == Tool::"customers.export_customers");'
        )
        suite = await own_suite(policy_dir=folder)
        names: dict[str, set[str]] = {}
        for persona in ("admin", "outsider"):
            async with suite.connect(persona) as opened:
                names[persona] = {tool.name for tool in (await opened.list_tools()).tools}
        assert names["admin"] - names["outsider"] == {"export_customers"}


def _leaves(error: BaseException) -> list[BaseException]:
    inner: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    return [leaf for one in inner for leaf in _leaves(one)] if inner else [error]


async def test_over_stdio_a_sign_in_that_is_too_weak_is_a_typed_error(databases: Databases, tmp_path: Path) -> None:
    local = Local(await databases.fresh(), tmp_path)
    merge = {"keep_id": "C-000001", "keep_version": 1, "duplicate_id": "C-000002", "duplicate_version": 1}
    codes: dict[str, str | None] = {}
    for acr in ("aal1", "aal2"):
        async with wired({**local.env, "SUITE_STDIO_ACR": acr}, local.errors) as wire:
            answer = await wire.ask("tools/call", {"name": "merge_customers", "arguments": {**merge, "dry_run": True}})
        codes[acr] = answer["result"]["structuredContent"].get("error", {}).get("code")
    assert codes == {"aal1": "step_up", "aal2": None}
