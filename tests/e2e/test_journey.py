"""Clients of both eras, from no token at all to a resource they wrote, over real HTTP and a real sign-in."""

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import anyio
import httpx
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from compose.idp.personas import PERSONAS
from tests.clients import journey, sdk_1_30
from tests.clients.sign_in import SignIn
from tests.harness import ERAS, LEGACY, MODERN, Suite

pytestmark = pytest.mark.anyio

READING = journey.READING
MODES = {"sdk-2-modern": "auto", "sdk-2-legacy": "legacy"}


@dataclass
class Journey:
    """A journey that was made: what the client saw, asked its browser for, and sent."""

    name: str
    known: dict[str, Any]
    era: str
    seen: dict[str, Any]
    asked: list[str]
    trace: list[dict[str, Any]]

    @property
    def client_id(self) -> str:
        return query_of(self.asked[0])["client_id"]

    def challenged(self) -> int:
        """Where in the trace the write met its 403."""
        (place,) = [place for place, exchange in enumerate(self.trace) if exchange["status"] == 403]
        return place


@pytest.fixture(scope="module", params=[*MODES, "sdk-1.30"])
async def made(suite: Suite, request: pytest.FixtureRequest) -> Journey:
    name = f"Journey-{uuid4().hex}"
    (row,) = await suite.sql("SELECT id, name FROM customers.customers WHERE tenant_id = 'acme' ORDER BY id LIMIT 1")
    known = dict(row)
    if request.param == "sdk-1.30":
        seen = await sdk_1_30.run(name, known["name"], "--http", suite.url())
        return Journey(name, known, LEGACY, seen, seen["asked"], seen["trace"])
    person = SignIn("manager", suite.url())
    with anyio.fail_after(60):
        async with person.connect(MODES[request.param]) as client:
            seen = await journey.walk(client, name, known["name"])
    era = MODERN if MODES[request.param] == "auto" else LEGACY
    return Journey(name, known, era, seen, person.asked, person.trace)


def query_of(url: str) -> dict[str, str]:
    return form(urlsplit(url).query)


def form(text: str) -> dict[str, str]:
    return {name: value for name, (value,) in parse_qs(text).items()}


def challenge(exchange: dict[str, Any]) -> dict[str, str]:
    """The parameters of a `WWW-Authenticate: Bearer …` (RFC 6750 §3)."""
    scheme, _, rest = exchange["challenge"].partition(" ")
    assert scheme == "Bearer"
    return dict(re.findall(r'(\w+)="([^"]*)"', rest))


def claims(exchange: dict[str, Any]) -> dict[str, Any]:
    token = json.loads(exchange["answer"])["access_token"]
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))


async def test_every_step_is_answered_as_it_should_be(made: Journey) -> None:
    assert (made.seen["sdk"] == "1.30.0", made.seen["protocol"]) == ("trace" in made.seen, made.era)
    journey.judge(made.seen, made.name, made.known, tools=READING)


async def test_the_challenge_leads_to_the_metadata_and_the_metadata_to_every_endpoint(
    made: Journey, suite: Suite
) -> None:
    refused, resource, provider, registration, token, answered = made.trace[:6]
    assert (refused["url"], refused["status"]) == (suite.url(), 401)
    told = challenge(refused)
    assert (told.keys(), told["scope"]) == ({"resource_metadata", "scope"}, "customers:read")
    assert (resource["url"], resource["status"]) == (told["resource_metadata"], 200)
    about_resource = json.loads(resource["answer"])
    assert about_resource["resource"] == suite.url()
    issuer: str = about_resource["authorization_servers"][0]
    host, path = urlsplit(issuer).netloc, urlsplit(issuer).path
    assert provider["url"] == f"http://{host}/.well-known/oauth-authorization-server{path}"
    about_provider = json.loads(provider["answer"])
    assert about_provider["issuer"] == issuer
    assert (registration["url"], registration["status"]) == (about_provider["registration_endpoint"], 201)
    assert made.asked[0].partition("?")[0] == about_provider["authorization_endpoint"]
    assert (token["url"], token["status"]) == (about_provider["token_endpoint"], 200)
    assert (answered["url"], answered["status"]) == (suite.url(), 200)


async def test_the_client_registers_itself_and_proves_with_pkce_that_the_code_is_its_own(
    made: Journey, suite: Suite
) -> None:
    registration, token = made.trace[3:5]
    asked, exchanged = query_of(made.asked[0]), form(token["sent"])
    assert asked["client_id"] == json.loads(registration["answer"])["client_id"]
    assert asked["resource"] == exchanged["resource"] == suite.url()
    assert (asked["scope"], asked["code_challenge_method"]) == ("customers:read", "S256")
    digest = hashlib.sha256(exchanged["code_verifier"].encode()).digest()
    assert asked["code_challenge"] == base64.urlsafe_b64encode(digest).decode().rstrip("=")


async def test_the_token_is_for_this_server_this_person_and_this_client(made: Journey, suite: Suite) -> None:
    found = claims(made.trace[4])
    assert (found["aud"], found["client_id"], found["scope"]) == (suite.url(), made.client_id, "customers:read")
    assert (found["sub"], found["tenant"]) == (PERSONAS["manager"].subject, "acme")


async def test_a_write_with_a_reading_token_makes_the_client_ask_for_more_and_then_succeeds(
    made: Journey, suite: Suite
) -> None:
    place = made.challenged()
    refused, token, answered = made.trace[place : place + 3]
    told = challenge(refused)
    assert (told["error"], told["scope"]) == ("insufficient_scope", "customers:write")
    assert told["resource_metadata"] == challenge(made.trace[0])["resource_metadata"]
    assert len(made.asked) == 2
    assert "customers:write" in query_of(made.asked[1])["scope"].split()
    found = claims(token)
    assert (found["aud"], found["client_id"]) == (suite.url(), made.client_id)
    assert "customers:write" in found["scope"].split()
    assert (answered["url"], answered["status"]) == (suite.url(), 200)


async def test_two_calls_with_one_key_made_one_row_and_the_stale_update_none(made: Journey, suite: Suite) -> None:
    rows = await suite.sql("SELECT id, city, version FROM customers.customers WHERE name = $1", made.name)
    assert [tuple(row) for row in rows] == [(made.seen["created"]["customer"]["id"], "Köln", 2)]


async def test_each_step_has_its_audit_record_with_person_client_and_era(made: Journey, suite: Suite) -> None:
    records = [record for record in await suite.records() if record.get("client") == made.client_id][::-1]
    assert {(r["subject"], r["tenant"], r["era"], r["transport"]) for r in records} == {
        (PERSONAS["manager"].subject, "acme", made.era, "http")
    }
    lists = [record for record in records if record["target_kind"] == "list"]
    assert {(r["target"], r["outcome"]) for r in lists} == {("tools/list", "ok"), ("resources/templates/list", "ok")}
    sessions = [record for record in records if record["target_kind"] == "session"]
    assert {(r["target"], r["outcome"]) for r in sessions} == (
        {("initialize", "ok"), ("stream", "ok"), ("end", "ok")} if made.era == LEGACY else set()
    )
    assert len({record["session"] for record in sessions}) == (made.era == LEGACY)
    calls = [(r["kind"], r["target"], r.get("outcome")) for r in records if r["target_kind"] not in {"list", "session"}]
    once = [("intent", "create_customer", None), ("outcome", "create_customer", "ok")]
    assert calls == [
        ("call", "search_customers", "ok"),
        ("call", "get_customer", "ok"),
        ("call", "create_customer", "forbidden"),
        *once,
        *once,
        ("intent", "update_customer", None),
        ("outcome", "update_customer", "ok"),
        ("intent", "update_customer", None),
        ("outcome", "update_customer", "conflict"),
        ("call", made.seen["resource"]["uri"], "ok"),
    ]
    assert [r["replayed"] for r in records if r["target"] == "create_customer" and "replayed" in r] == [False, True]
    refused = next(r for r in records if r.get("outcome") == "conflict")
    assert refused["request_id"] == made.seen["conflict"]["error"]["reference"]


async def test_the_audit_chain_is_intact_after_it(made: Journey, suite: Suite) -> None:
    report = await suite.verify()
    assert (report.problems, report.records > 10) == ([], True)


@pytest.mark.parametrize("era", ERAS)
async def test_a_call_that_lacks_a_scope_is_a_403_with_the_full_challenge(suite: Suite, era: str) -> None:
    arguments = {"name": f"Never-{era}", "segment": "consumer", "country": "DE"}
    params = {"name": "create_customer", "arguments": arguments}
    token = suite.token("manager", scopes=["customers:read"])
    if era == "modern":
        answer = await suite.post(token, "tools/call", params)
    else:
        answer = await post_legacy(suite, token, "tools/call", params)
    assert answer.status_code == 403
    told = challenge({"challenge": answer.headers["www-authenticate"]})
    assert (told["error"], told["scope"]) == ("insufficient_scope", "customers:write")
    assert (await get(told["resource_metadata"])).json()["resource"] == suite.url()
    error = answer.json()["error"]
    assert (error["code"], error["data"]["code"]) == (403, "forbidden")
    assert await suite.sql("SELECT 1 FROM customers.customers WHERE name = $1", arguments["name"]) == []


async def post_legacy(suite: Suite, token: str, method: str, params: dict[str, Any]) -> httpx.Response:
    headers = await suite.session(token)
    async with suite.http() as client:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return await client.post(suite.url(), json=body, headers=headers)


async def get(url: str) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.get(url)


@pytest.mark.parametrize("mode", MODES.values())
async def test_what_a_person_may_never_do_looks_missing_and_nobody_is_asked_again(suite: Suite, mode: str) -> None:
    person = SignIn("support", suite.url())
    with anyio.fail_after(30):
        async with person.connect(mode) as client:
            assert {tool.name for tool in (await client.list_tools()).tools} == READING
            arguments = {"name": "Never at all", "segment": "consumer", "country": "DE"}
            assert await refusal(client, "create_customer", arguments) == -32602
            assert (await client.call_tool("search_customers", {"query": "Never"})).is_error is False
    assert len(person.asked) == 1
    assert await suite.sql("SELECT 1 FROM customers.customers WHERE name = 'Never at all'") == []


async def refusal(client: Client, tool: str, arguments: dict[str, Any]) -> int | None:
    """The code of the protocol error a call ends with; a `pytest.raises` within a client would hang when it fails."""
    try:
        await client.call_tool(tool, arguments)
    except MCPError as error:
        return error.code
    return None
