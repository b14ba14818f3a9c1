"""What the HTTP edge refuses, and how it says so; one request, raw, over a real socket."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import anyio
import httpx
import pytest

from tests.clients import journey
from tests.harness import LEGACY, MODERN, Suite, modern, modern_headers

pytestmark = pytest.mark.anyio

Make = Callable[..., Awaitable[Suite]]
LIST: dict[str, Any] = {}


async def send(suite: Suite, content: bytes, token: str | None = None, **headers: str) -> httpx.Response:
    base = modern_headers("tools/list", {}) | {"Content-Type": "application/json"}
    given = base | {"Authorization": f"Bearer {token or suite.token()}"} | headers
    async with suite.http() as client:
        return await client.post(suite.url(), content=content, headers=given)


def listing() -> bytes:
    return json.dumps(modern("tools/list", {})).encode()


def legacy(method: str, params: dict[str, Any]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}).encode()


async def in_session(suite: Suite, method: str, params: dict[str, Any], token: str | None = None) -> httpx.Response:
    """One request of the 2025 era, in a session opened for it."""
    headers = await suite.session(token or suite.token())
    async with suite.http() as client:
        content_type = {"Content-Type": "application/json"}
        return await client.post(suite.url(), content=legacy(method, params), headers=headers | content_type)


async def test_without_a_token_the_challenge_says_where_to_get_one(suite: Suite) -> None:
    answer = await suite.post(None, "tools/list", LIST)
    metadata = suite.url().replace("/customers/mcp", "/.well-known/oauth-protected-resource/customers/mcp")
    challenge = answer.headers["www-authenticate"]
    assert answer.status_code == 401
    assert f'resource_metadata="{metadata}"' in challenge
    assert 'scope="customers:read"' in challenge
    assert "error=" not in challenge


async def test_a_bad_token_is_told_apart_from_none(suite: Suite) -> None:
    answer = await suite.post("not-a-token", "tools/list", LIST)
    assert (answer.status_code, 'error="invalid_token"' in answer.headers["www-authenticate"]) == (401, True)


async def test_a_token_for_another_audience_is_refused(suite: Suite) -> None:
    other = suite.provider.mint("admin", suite.url(), aud="https://elsewhere.example/mcp")
    answer = await suite.post(other, "tools/list", LIST)
    assert (answer.status_code, "elsewhere" in answer.text) == (401, False)


async def test_two_authorization_headers_are_refused(suite: Suite) -> None:
    async with suite.http() as client:
        headers = [*modern_headers("tools/list", {}).items()]
        headers += [("Authorization", f"Bearer {suite.token()}"), ("Authorization", f"Bearer {suite.token('support')}")]
        answer = await client.post(suite.url(), json=modern("tools/list", {}), headers=headers)
    assert answer.status_code == 401


async def test_the_metadata_names_resource_issuer_and_baseline(suite: Suite) -> None:
    async with suite.http() as client:
        found = await client.get(suite.where["customers"].metadata_url)
    assert found.json() == {
        "resource": suite.url(),
        "resource_name": "Customers",
        "authorization_servers": [suite.settings.token_issuer],
        "scopes_supported": ["customers:read"],
        "bearer_methods_supported": ["header"],
    }


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "HEAD"])
async def test_only_post_is_served_in_the_newer_era(suite: Suite, method: str) -> None:
    headers = {"Authorization": f"Bearer {suite.token()}", "MCP-Protocol-Version": MODERN}
    async with suite.http() as client:
        answer = await client.request(method, suite.url(), headers=headers)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("method", ["PUT", "HEAD", "PATCH"])
async def test_sessions_are_served_three_methods(suite: Suite, method: str) -> None:
    opened = await suite.session(suite.token())
    for headers in (opened, {}):
        async with suite.http() as client:
            answer = await client.request(method, suite.url(), headers=headers)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST, DELETE")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example"])
async def test_a_host_that_is_not_ours_is_misdirected(suite: Suite, host: str) -> None:
    assert (await send(suite, listing(), Host=host)).status_code == 421


async def test_every_name_of_loopback_is_ours_on_a_laptop(suite: Suite) -> None:
    assert (await send(suite, listing(), Host=f"localhost:{suite.settings.port}")).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
async def test_a_web_page_that_is_not_allowed_is_refused(suite: Suite, origin: str) -> None:
    answer = await send(suite, listing(), Origin=origin)
    assert (answer.status_code, "access-control-allow-origin" in answer.headers) == (403, False)


async def test_our_own_pages_may_call_us_by_any_name_of_loopback(suite: Suite) -> None:
    for name in ("127.0.0.1", "localhost", "[::1]"):
        assert (await send(suite, listing(), Origin=f"http://{name}:{suite.settings.port}")).status_code == 200


async def test_an_allowed_web_page_gets_its_preflight_and_its_answer(own_suite: Make) -> None:
    page = "https://inspector.example"
    suite = await own_suite(allowed_origins=(page,))
    asked = "authorization,content-type,mcp-method,mcp-name,mcp-param-region,mcp-protocol-version"
    preflight = {"Origin": page, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": asked}
    async with suite.http() as client:
        allowed = await client.options(suite.url(), headers=preflight)
        refused = await client.options(suite.url(), headers=preflight | {"Origin": "https://evil.example"})
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, page)
    assert "mcp-param-region" in allowed.headers["access-control-allow-headers"]
    assert refused.status_code == 403
    answer = await send(suite, listing(), Origin=page)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, page)
    assert "WWW-Authenticate" in answer.headers["access-control-expose-headers"]


async def test_an_allowed_web_page_can_have_a_session(own_suite: Make) -> None:
    page = {"Origin": "https://inspector.example"}
    suite = await own_suite(allowed_origins=(page["Origin"],))
    asked = {"Access-Control-Request-Headers": "authorization,last-event-id,mcp-protocol-version,mcp-session-id"}
    async with suite.http() as client:
        for method in ("GET", "POST", "DELETE"):
            preflight = page | asked | {"Access-Control-Request-Method": method}
            allowed = await client.options(suite.url(), headers=preflight)
            assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, page["Origin"])
            assert method in allowed.headers["access-control-allow-methods"]
            assert "mcp-session-id" in allowed.headers["access-control-allow-headers"]
        headers = page | {"Authorization": f"Bearer {suite.token()}", "Content-Type": "application/json"}
        hello = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "page", "version": "1"}}
        opened = await client.post(suite.url(), content=legacy("initialize", hello), headers=headers)
        assert "Mcp-Session-Id" in opened.headers["access-control-expose-headers"].split(", ")
        headers |= {"Mcp-Session-Id": opened.headers["mcp-session-id"], "MCP-Protocol-Version": LEGACY}
        async with client.stream("GET", suite.url(), headers=headers | {"Accept": "text/event-stream"}) as stream:
            assert (stream.status_code, stream.headers["access-control-allow-origin"]) == (200, page["Origin"])
        ended = await client.delete(suite.url(), headers=headers)
        assert (ended.status_code, ended.headers["access-control-allow-origin"]) == (204, page["Origin"])


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
async def test_a_body_over_the_limit_is_refused(suite: Suite, declared: bool) -> None:
    async def chunks() -> AsyncGenerator[bytes]:
        for _ in range(20):
            yield b" " * 65_536

    headers = modern_headers("tools/list", {}) | {"Authorization": f"Bearer {suite.token()}"}
    headers["Content-Type"] = "application/json"
    content: Any = b" " * (20 * 65_536) if declared else chunks()
    async with suite.http() as client:
        answer = await client.post(suite.url(), content=content, headers=headers)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"",
        b"\xff\xfe",
        b'{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/list"}',
        b'{"a":' + b"[" * 100 + b"]" * 100 + b"}",
        b"[" * 100_000,
        b'{"jsonrpc":"2.0","id":1,"method":"\\ud800"}',
    ],
    ids=["syntax", "empty", "encoding", "duplicate keys", "deep", "very deep", "half a surrogate pair"],
)
async def test_a_body_that_is_no_strict_json_is_a_parse_error(suite: Suite, content: bytes) -> None:
    answer = await send(suite, content)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32700)


async def raw(suite: Suite, request: bytes) -> bytes:
    """The head of the answer to bytes that no client library would send."""
    with anyio.fail_after(5):
        async with await anyio.connect_tcp("127.0.0.1", suite.settings.port) as stream:
            await stream.send(request)
            return (await stream.receive()).split(b"\r\n\r\n")[0]


def head(suite: Suite, length: int, **headers: str) -> bytes:
    given = {"Host": f"127.0.0.1:{suite.settings.port}", "Content-Type": "application/json"} | headers
    lines = [f"{name}: {value}" for name, value in given.items()]
    return "\r\n".join(["POST /customers/mcp HTTP/1.1", f"Content-Length: {length}", *lines, "", ""]).encode()


async def test_the_body_is_not_read_before_the_token_is_known(suite: Suite) -> None:
    assert b" 401 " in await raw(suite, head(suite, 1000) + b"{")


async def test_trailing_blanks_in_headers_are_not_a_mismatch(suite: Suite) -> None:
    headers = modern_headers("tools/list", {}) | {
        "Authorization": f"Bearer {suite.token()}",
        "Mcp-Method": "tools/list \t ",
    }
    assert b" 200 " in await raw(suite, head(suite, len(listing()), **headers) + listing())


async def test_a_header_that_differs_from_the_body_is_refused(suite: Suite) -> None:
    answer = await send(suite, listing(), **{"Mcp-Method": "tools/call"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32020)


async def test_a_missing_scope_is_challenged_as_http_in_both_eras(suite: Suite) -> None:
    arguments = {"name": "A B", "segment": "consumer", "country": "DE"}
    params: dict[str, Any] = {"name": "create_customer", "arguments": arguments}
    token = suite.token("manager", scopes=["customers:read"])
    new = await suite.post(token, "tools/call", params)
    old = await in_session(suite, "tools/call", params, token)
    for answer in (new, old):
        challenge = answer.headers["www-authenticate"]
        assert answer.status_code == 403
        assert 'error="insufficient_scope"' in challenge
        assert 'scope="customers:write"' in challenge
        assert (answer.json()["error"]["code"], answer.json()["error"]["data"]["code"]) == (403, "forbidden")


async def test_lists_show_what_the_scopes_allow(suite: Suite) -> None:
    async with suite.connect("support") as support, suite.connect("manager") as manager:
        shown = {tool.name for tool in (await support.list_tools()).tools}
        more = {tool.name for tool in (await manager.list_tools()).tools}
    assert (shown, more) == (journey.READING, journey.TOOLS)
    assert "update_customer" in more - shown


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_an_unknown_tool_is_a_protocol_error_and_is_recorded(suite: Suite, era: str) -> None:
    params: dict[str, Any] = {"name": f"no_such_tool_{era}", "arguments": {}}
    if era == "modern":
        answer = await suite.post(suite.token(), "tools/call", params)
    else:
        answer = await in_session(suite, "tools/call", params)
    error = answer.json()["error"]
    assert (error["code"], error["message"]) == (-32602, f"Unknown tool: {params['name']}")
    (found,) = await suite.records(target=params["name"])
    assert (found["outcome"], found["request_id"]) == ("unknown_target", error["data"]["reference"])


async def test_unknown_fields_are_errors_and_rejected_values_are_not_repeated(suite: Suite) -> None:
    arguments = {"customer_id": "C-000001", "sekrit": "hunter2", "limit": "hunter3"}
    answer = await suite.call("admin", "get_customer", arguments)
    assert answer["error"]["code"] == "invalid"
    assert "sekrit" in answer["error"]["message"]
    assert "hunter" not in json.dumps(answer)


@pytest.mark.parametrize("arguments", [{"customer_id": 1}, {"customer_id": None}, {"customer_id": ["C-1"]}, {}])
async def test_nothing_is_coerced(suite: Suite, arguments: dict[str, Any]) -> None:
    assert (await suite.call("admin", "get_customer", arguments))["error"]["code"] == "invalid"


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_a_crash_shows_a_reference_and_nothing_else(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, era: str
) -> None:
    async def crash(*_: Any) -> Any:
        raise RuntimeError("postgres://user:password@host")

    tool = _tool("get_customer")
    monkeypatch.setitem(tool.__dict__, "run", crash)
    async with suite.connect("admin", era) as client:
        answer = await client.call_tool("get_customer", {"customer_id": "C-000001"})
    error = answer.structured_content["error"]
    assert (answer.is_error, error["code"]) == (True, "internal")
    assert "password" not in json.dumps(answer.model_dump(mode="json"))
    (found,) = await suite.records(request_id=error["reference"])
    assert found["outcome"] == "internal"


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_a_crash_outside_a_tool_shows_nothing_either(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, era: str
) -> None:
    async def crash(*_: Any) -> Any:
        raise RuntimeError("postgres://user:password@host")

    resource = _tools().resources["customer://{customer_id}"]
    monkeypatch.setitem(resource.tool.__dict__, "run", crash)
    params = {"uri": "customer://C-000001"}
    if era == "modern":
        answer = await suite.post(suite.token(), "resources/read", params)
    else:
        answer = await in_session(suite, "resources/read", params)
    error = answer.json()["error"]
    assert (error["code"], "password" in answer.text) == (-32603, False)


async def test_a_tool_that_takes_too_long_is_cancelled_and_rolled_back(
    own_suite: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = await own_suite(deadline_s=0.2)
    tool = _tool("create_customer")
    run = tool.run

    async def slow(call: Any, query: Any) -> Any:
        await run(call, query)
        await anyio.sleep_forever()

    monkeypatch.setitem(tool.__dict__, "run", slow)
    arguments = {"name": "Too Slow", "segment": "consumer", "country": "DE", "idempotency_key": "too-slow-1"}
    answer = await suite.call("manager", "create_customer", arguments)
    assert (answer["error"]["code"], answer["error"]["retryable"]) == ("timeout", True)
    assert await suite.sql("SELECT FROM customers.customers WHERE name = 'Too Slow'") == []
    kinds = [(found["kind"], found.get("outcome")) for found in await suite.records(target="create_customer")]
    assert kinds == [("outcome", "timeout"), ("intent", None)]


async def test_a_caller_over_the_rate_is_told_when_to_come_back(own_suite: Make) -> None:
    suite = await own_suite(calls_per_minute=60, burst=3)
    answers = [await suite.call("support", "get_customer", {"customer_id": "C-000001"}) for _ in range(5)]
    refused = [answer["error"] for answer in answers if answer.get("error", {}).get("code") == "rate_limited"]
    assert len(refused) == 2
    assert 0 < refused[0]["details"]["retry_after_s"] <= 1
    other = await suite.call("manager", "get_customer", {"customer_id": "C-000001"})
    assert other.get("error", {}).get("code") != "rate_limited"


async def test_invalid_calls_are_charged_too(own_suite: Make) -> None:
    suite = await own_suite(calls_per_minute=60, burst=3)
    codes = [(await suite.call("support", "get_customer", {"bad": 1}))["error"]["code"] for _ in range(4)]
    assert codes == ["invalid", "invalid", "invalid", "rate_limited"]


@pytest.mark.parametrize("what", ["a list", "an unknown tool", "a forbidden tool", "an unknown resource"])
async def test_nothing_that_leaves_a_record_is_free(own_suite: Make, what: str) -> None:
    suite = await own_suite(calls_per_minute=60, burst=3)
    token = suite.token("support")
    asked: dict[str, tuple[str, dict[str, Any]]] = {
        "a list": ("tools/list", LIST),
        "an unknown tool": ("tools/call", {"name": "no_such_tool", "arguments": {}}),
        "a forbidden tool": ("tools/call", {"name": "create_customer", "arguments": {}}),
        "an unknown resource": ("resources/read", {"uri": "nothing://here"}),
    }
    method, params = asked[what]
    answers = [(await suite.post(token, method, params)).text for _ in range(5)]
    assert ["rate_limited" in answer for answer in answers] == [False, False, False, True, True]


async def test_anonymous_refusals_are_counted_not_recorded_one_by_one(own_suite: Make) -> None:
    suite = await own_suite()
    for _ in range(30):
        await suite.post(None, "tools/list", LIST)
    await suite.refusals.flush()
    kinds = [found["kind"] for found in await suite.records()]
    (counted,) = [found for found in await suite.records() if found["kind"] == "refusals"]
    assert kinds.count("refusals") == len(kinds) - kinds.count("chain") == 1
    refused = {"server": "customers", "reason": "missing", "source": "127.0.0.1", "count": 30}
    assert counted["refusals"] == [refused]


async def test_every_refusal_at_the_edge_is_counted_under_its_reason(own_suite: Make) -> None:
    suite = await own_suite(body_limit_bytes=1024)
    assert (await send(suite, b" " * 1025)).status_code == 413
    assert (await send(suite, b"{")).status_code == 400
    assert (await suite.post(None, "tools/list", LIST)).status_code == 401
    assert (await send(suite, listing(), Host="evil.example")).status_code == 421
    assert (await send(suite, listing(), Origin="https://evil.example")).status_code == 403
    await suite.refusals.flush()
    (counted,) = [found["refusals"] for found in await suite.records() if found["kind"] == "refusals"]
    assert {(found["server"], found["reason"]) for found in counted} == {
        *(("customers", reason) for reason in ("too_large", "malformed", "missing")),
        *(("edge", reason) for reason in ("host", "origin")),
    }
    assert {(found["source"], found["count"]) for found in counted} == {("127.0.0.1", 1)}


async def test_probes_answer_by_any_name_and_say_what_is_wrong(own_suite: Make) -> None:
    suite = await own_suite()
    async with suite.http() as client:
        base = suite.settings.base_url
        for path in ("/livez", "/health", "/readyz", "/ready"):
            answer = await client.get(base + path, headers={"Host": "10.0.0.7:8080"})
            assert (answer.status_code, answer.json()["status"]) == (200, "ok")
        checks = (await client.get(base + "/readyz")).json()["checks"]
        assert checks == dict.fromkeys(("database", "audit", "switches", "limits"), "ok")
        await suite.allow_connections(allowed=False)
        red = await client.get(base + "/readyz")
        assert (red.status_code, red.json()["checks"]["database"]) == (503, "unavailable")
        assert (await client.get(base + "/livez")).status_code == 200
        await suite.allow_connections(allowed=True)
        assert (await client.get(base + "/readyz")).status_code == 200


async def test_while_the_database_is_away_calls_are_refused_retryably_and_then_recover(own_suite: Make) -> None:
    suite = await own_suite()
    read = {"customer_id": "C-000001"}
    write = {"name": "After", "segment": "consumer", "country": "DE", "idempotency_key": "after-outage-1"}
    await suite.allow_connections(allowed=False)
    for tool, arguments in (("get_customer", read), ("create_customer", write)):
        error = (await suite.call("manager", tool, arguments))["error"]
        assert (error["code"], error["retryable"]) == ("unavailable", True)
    await suite.allow_connections(allowed=True)
    assert "error" not in await suite.call("manager", "create_customer", write)
    assert len(await suite.records(outcome="unaudited")) >= 2
    assert (await suite.verify()).problems == []


async def test_the_issuer_away_is_503_for_modern_and_inside_a_200_for_legacy(own_suite: Make) -> None:
    suite = await own_suite(jwks_url="http://127.0.0.1:9/jwks.json")
    new = await suite.post(suite.token(), "tools/list", LIST)
    old = await send(suite, legacy("tools/list", {}), **{"MCP-Protocol-Version": LEGACY})
    assert (new.status_code, new.headers["retry-after"]) == (503, "2")
    assert (old.status_code, old.json()["id"], old.json()["error"]["code"]) == (200, 7, -32603)


async def test_a_client_that_has_agreed_on_no_version_yet_is_spared_the_503_too(own_suite: Make) -> None:
    suite = await own_suite(jwks_url="http://127.0.0.1:9/jwks.json")
    headers = {"Authorization": f"Bearer {suite.token()}", "Accept": "application/json"}
    async with suite.http() as client:
        answer = await client.post(suite.url(), content=legacy("initialize", {}), headers=headers)
    assert (answer.status_code, answer.json()["id"], answer.json()["error"]["code"]) == (200, 7, -32603)


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_a_crash_outside_a_tool_has_a_reference_that_its_record_repeats(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, era: str
) -> None:
    async def crash(*_: Any) -> Any:
        raise RuntimeError("postgres://user:password@host")

    resource = _tools().resources["customer://{customer_id}"]
    monkeypatch.setitem(resource.tool.__dict__, "run", crash)
    params = {"uri": "customer://C-000002"}
    if era == "modern":
        answer = await suite.post(suite.token(), "resources/read", params)
    else:
        answer = await in_session(suite, "resources/read", params)
    (found,) = await suite.records(request_id=answer.json()["error"]["data"]["reference"])
    assert (found["target"], found["outcome"]) == ("customer://C-000002", "internal")


def _tools() -> Any:
    from servers.customers.tools import tools  # noqa: PLC0415 - patched per test

    return tools


def _tool(name: str) -> Any:
    return _tools().tools[name]
