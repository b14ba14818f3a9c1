"""The request path, seen from outside: what is refused first, what is shown, and what is recorded of it."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import anyio
import pytest

from servers.customers.server import server
from servers.customers.tools import tools
from shared.core.caller import Caller
from shared.core.errors import Failure, InvalidCursor, Timeout, Unavailable
from shared.core.request import Request
from tests.harness import Suite, modern, modern_headers

pytestmark = pytest.mark.anyio

Make = Callable[..., Awaitable[Suite]]
SAM = Caller(
    "sam",
    "https://issuer.example",
    "client",
    "acme",
    Caller.granted("customers:read"),
    roles=frozenset({"support"}),
    actors=("agent-7",),
    token_id="token-1",
)
READ: dict[str, Any] = {"customer_id": "C-000001"}


async def post(suite: Suite, era: str, token: str, method: str, params: dict[str, Any], **extra: str) -> Any:
    if era == "modern":
        return await suite.post(token, method, params, **extra)
    headers = await suite.session(token) | {"Accept": "application/json"} | extra
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    async with suite.http() as client:
        return await client.post(suite.url(), json=body, headers=headers)


async def test_a_caller_without_the_scope_is_not_told_what_the_arguments_should_be(suite: Suite) -> None:
    params = {"name": "create_customer", "arguments": {"nonsense": 1}}
    answer = await suite.post(suite.token("manager", scopes=["customers:read"]), "tools/call", params)
    assert (answer.status_code, "nonsense" in answer.text) == (403, False)
    (found,) = await suite.records(target="create_customer")
    assert (found["outcome"], found["request_id"] in answer.text) == ("forbidden", True)


async def test_a_record_says_who_called_on_whose_behalf_from_where_and_with_which_rights(suite: Suite) -> None:
    request = Request("customers", "tool", "get_customer", READ, "req_who", client_address="192.0.2.7", agent="agent/1")
    await suite.parts.pipeline(server).call(request, SAM, tools.tools["get_customer"])
    (found,) = await suite.records(request_id="req_who")
    expected = {
        **{"tenant": "acme", "subject": "sam", "issuer": "https://issuer.example", "client": "client"},
        **{
            "actor": "agent-7",
            "actors": ["agent-7"],
            "trust": "person",
            "token_id": "token-1",
            "scopes": ["customers:read"],
            "roles": ["support"],
        },
        **{"client_address": "192.0.2.7", "agent": "agent/1", "effect": "read", "kind": "call"},
    }
    assert {name: found[name] for name in expected} == expected


async def test_a_record_names_the_peer_and_takes_only_so_much_from_it(suite: Suite) -> None:
    name = "x" * 5000
    params: dict[str, Any] = {"name": name, "arguments": {}}
    extra = {"User-Agent": "a" * 3000, "Mcp-Name": name}
    answer = await suite.post(suite.token("support"), "tools/call", params, **extra)
    (found,) = await suite.records(request_id=answer.json()["error"]["data"]["reference"])
    assert (found["client_address"], len(found["agent"]), len(found["target"])) == ("127.0.0.1", 256, 512)


@pytest.mark.parametrize("era", ["modern", "legacy"])
@pytest.mark.parametrize("method", ["tools/list", "resources/list", "resources/templates/list"])
async def test_a_list_is_recorded_and_private_and_takes_no_cursor_but_ours(suite: Suite, era: str, method: str) -> None:
    before = len(await suite.records(target=method, outcome="ok"))
    shown = (await post(suite, era, suite.token("support"), method, {})).json()["result"]
    assert len(await suite.records(target=method, outcome="ok")) > before
    assert shown.get("cacheScope") == ("private" if era == "modern" else None)
    error = (await post(suite, era, suite.token("support"), method, {"cursor": "2"})).json()["error"]
    assert error["code"] == -32602
    (found,) = await suite.records(request_id=error["data"]["reference"])
    assert found["outcome"] == "invalid_cursor"


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_without_a_scope_lists_are_empty(suite: Suite, era: str) -> None:
    token = suite.token("support", scopes=[])
    for method, name in (("tools/list", "tools"), ("resources/templates/list", "resourceTemplates")):
        assert (await post(suite, era, token, method, {})).json()["result"][name] == []
        assert (await post(suite, era, suite.token("support"), method, {})).json()["result"][name] != []


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_a_resource_without_its_scope_is_challenged_as_a_tool_is(suite: Suite, era: str) -> None:
    token = suite.token("support", scopes=[])
    answer = await post(suite, era, token, "resources/read", {"uri": "customer://C-000001"})
    assert answer.status_code == 403
    assert 'scope="customers:read"' in answer.headers["www-authenticate"]
    assert (answer.json()["error"]["code"], "Customer" in answer.text) == (403, False)


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_a_resource_that_cannot_be_answers_like_one_that_is_not_there(suite: Suite, era: str) -> None:
    answers: set[tuple[int, str]] = set()
    for uri in ("customer://C-9999999999", "customer://nonsense", "customer://%00", "other://C-000001"):
        answer = await post(suite, era, suite.token("support"), "resources/read", {"uri": uri})
        answers.add((answer.status_code, json.dumps(answer.json()["error"]).replace(uri, "URI")))
    ((_status, error),) = answers
    assert json.loads(error)["code"] == (-32602 if era == "modern" else -32002)


async def test_what_was_masked_is_in_the_record_and_in_the_answer_and_not_its_value(suite: Suite) -> None:
    made = await suite.call(
        "manager",
        "create_customer",
        {"name": "Masked", "segment": "consumer", "country": "DE", "email": "masked@example.com"},
    )
    token = suite.token("support", scopes=["customers:read"])
    read = {"customer_id": made["customer"]["id"]}
    answer = await suite.post(token, "tools/call", {"name": "get_customer", "arguments": read})
    (found, *_) = await suite.records(target="get_customer", outcome="ok")
    assert "email" in found["redacted"]
    assert answer.json()["result"]["_meta"]["enterprise-mcp-suite/redacted"] == found["redacted"]
    assert "masked@" not in answer.text + json.dumps(found)


async def test_a_tool_may_declare_less_time_than_the_setting(suite: Suite) -> None:
    async def stuck(*_: Any) -> Any:
        await anyio.sleep_forever()

    tool = replace(tools.tools["get_customer"], run=stuck, deadline_s=0.05)
    with anyio.fail_after(10), pytest.raises(Timeout, match=r"0\.05 s"):
        await suite.parts.pipeline(server).call(Request("customers", "tool", tool.name, READ), SAM, tool)


@pytest.mark.parametrize("arguments", [READ, {"customer_id": "C-9999999999"}, {"wrong": 1}])
async def test_no_outcome_is_told_that_could_not_be_recorded(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any]
) -> None:
    async def refuse(record: dict[str, Any]) -> None:
        raise Unavailable("away")

    monkeypatch.setattr(suite.parts.writer, "write", refuse)
    request = Request("customers", "tool", "get_customer", arguments)
    with pytest.raises(Failure) as told:
        await suite.parts.pipeline(server).call(request, SAM, tools.tools["get_customer"])
    assert told.value.code == "unavailable"


async def test_nothing_is_changed_whose_intent_could_not_be_recorded(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(record: dict[str, Any]) -> None:
        raise Unavailable("away")

    monkeypatch.setattr(suite.parts.writer, "write", refuse)
    new = {"name": "Never Intended", "segment": "consumer", "country": "DE"}
    assert (await suite.call("manager", "create_customer", new))["error"]["code"] == "unavailable"
    assert await suite.sql("SELECT FROM customers.customers WHERE name = 'Never Intended'") == []


async def test_a_trace_is_recorded_only_if_it_is_one(suite: Suite) -> None:
    traces = {
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01": "4bf92f3577b34da6a3ce929d0e0e4736",
        "<script>": None,
    }
    for given, kept in traces.items():
        params: dict[str, Any] = {"name": "get_customer", "arguments": READ, "_meta": {"traceparent": given}}
        answer = await post(suite, "legacy", suite.token("support"), "tools/call", params)
        assert answer.status_code == 200
        (found, *_) = await suite.records(target="get_customer")
        assert found["trace_id"] == kept


@pytest.mark.parametrize("part", ["tool", "server"])
async def test_a_cursor_is_good_only_for_the_tool_and_server_that_gave_it(suite: Suite, part: str) -> None:
    tool = tools.tools["search_customers"]
    search: dict[str, Any] = {"query": "an", "limit": 1}
    page = await suite.parts.pipeline(server).call(Request("customers", "tool", tool.name, search), SAM, tool)
    search["cursor"] = page.value["next_cursor"]
    await suite.parts.pipeline(server).call(Request("customers", "tool", tool.name, search), SAM, tool)
    where, name = ("customers", "get_customers") if part == "tool" else ("other", tool.name)
    elsewhere = Request(where, "tool", name, search)
    with pytest.raises(InvalidCursor):
        await suite.parts.pipeline(server).call(elsewhere, SAM, replace(tool, name=name))


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
async def test_no_number_is_read_as_the_null_that_clears_a_field(suite: Suite, number: str) -> None:
    new = {"name": "Kept City", "segment": "consumer", "country": "DE", "city": "Ulm"}
    made = await suite.call("manager", "create_customer", new)
    patch = {"customer_id": made["customer"]["id"], "version": 1, "changes": {"city": "NUMBER"}}
    params = {"name": "update_customer", "arguments": patch}
    content = json.dumps(modern("tools/call", params)).replace('"NUMBER"', number)
    headers = modern_headers("tools/call", params) | {"Content-Type": "application/json"}
    async with suite.http() as client:
        headers["Authorization"] = f"Bearer {suite.token('manager')}"
        await client.post(suite.url(), content=content, headers=headers)
    (row,) = await suite.sql("SELECT city FROM customers.customers WHERE id = $1", made["customer"]["id"])
    assert row["city"] == "Ulm"


@pytest.mark.parametrize(("scope", "extra"), [("customers:read", {}), ("customers:write", {"no_such_field": 1})])
async def test_what_a_refused_call_held_is_masked_in_its_record(
    suite: Suite, scope: str, extra: dict[str, Any]
) -> None:
    arguments = {"name": "Refused", "segment": "consumer", "country": "DE", "street": "Geheimgasse 17", **extra}
    token = suite.token("manager", scopes=[scope])
    refused = await suite.post(token, "tools/call", {"name": "create_customer", "arguments": arguments})
    assert "forbidden" in refused.text or "invalid" in refused.text
    recorded = (await suite.records(target="create_customer"))[0]
    assert recorded["outcome"] in {"forbidden", "invalid"}
    assert recorded["arguments"]["country"] == "DE"
    assert "Geheimgasse" not in json.dumps(recorded)


async def test_a_name_that_holds_personal_data_is_masked_in_the_record(suite: Suite) -> None:
    await suite.post(suite.token(), "resources/read", {"uri": "customer://jane.roe@example.com"})
    recorded = (await suite.records())[0]
    assert recorded["target_kind"] == "resource"
    assert recorded["target"].startswith("customer://")
    assert "jane.roe@example.com" not in json.dumps(recorded)
