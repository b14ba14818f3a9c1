"""Our servers behind an identity provider nobody here wrote, with the SDK's own OAuth client in either era."""

import base64
import json
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx
import pytest
from mcp.shared.exceptions import MCPError

from servers.customers.server import server as customers
from shared.ops.serving import scopes_of
from shared.state.services import migrate
from tests.clients import journey
from tests.clients.independent_provider import (
    CLIENT_ID,
    IndependentProvider,
    IndependentSignIn,
    Person,
    granted,
    independent_provider,
    revoke,
)
from tests.clients.sign_in import CALLBACK
from tests.drill.server import server as drill
from tests.harness import Databases, Suite, modern, modern_headers, open_suite

pytestmark = pytest.mark.anyio

MODES = {"modern": "auto", "legacy": "legacy"}
NEW = {"segment": "consumer", "country": "DE"}
WITHIN_S = 30


@dataclass
class Company:
    """A suite, and the provider its people sign in with: JWTs for the customers server, opaque tokens for drill."""

    suite: Suite
    provider: IndependentProvider

    async def serve(self, server: str, **how: Any) -> str:
        """Have the provider issue such tokens for a server; its resource."""
        resource = self.suite.url(server)
        scopes = ["drill:read", "drill:write"] if server == "drill" else scopes_of(customers)
        await self.provider.serve(resource, scopes, **{"opaque": server == "drill", **how})
        return resource

    async def refuses(self, token: str, server: str = "customers") -> str | None:
        """Why a server of ours takes the token for none of a caller's, if so: what the challenge tells."""
        headers = modern_headers("tools/list", {}) | {"Authorization": f"Bearer {token}"}
        async with self.suite.http() as http:
            answer = await http.post(self.suite.url(server), json=modern("tools/list", {}), headers=headers)
        if answer.status_code == 200:
            return None
        told = challenge_of(answer.headers["www-authenticate"])
        assert (answer.status_code, told["error"]) == (401, "invalid_token")
        assert (await self.metadata(told["resource_metadata"]))["resource"] == self.suite.url(server)
        return told["error_description"]

    async def metadata(self, url: str) -> dict[str, Any]:
        async with self.suite.http() as http:
            return (await http.get(url)).json()


@pytest.fixture(scope="module")
async def company(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Company]:
    folder: Path = tmp_path_factory.mktemp("company")
    urls = await databases.fresh()
    assert drill.migrations
    await migrate(urls.owner, {drill.name: drill.migrations})
    async with independent_provider(folder / "provider.log") as provider:
        issuer: dict[str, Any] = {"url": provider.issuer, "tenant": "acme", "default_roles": ["manager"]}
        issuer["acr_names"] = {"password": "aal1", "two-factors": "aal2"}
        asking: dict[str, Any] = {"introspect": "opaque", "introspection_cache_s": 0}
        asking |= {"client_id": CLIENT_ID, "client_secret": provider.client_secret}

        def issuers(url: str) -> dict[str, Any]:
            return {"company": {**issuer, **asking}, "mock": {"url": f"{url}/idp", "tenant": "globex"}}

        settings: dict[str, Any] = {"issuers": issuers, "clock_skew_s": 0}
        async with open_suite(urls, folder, databases.admin_url, served=[customers, drill], **settings) as suite:
            opened = Company(suite, provider)
            await opened.serve("customers")
            await opened.serve("drill")
            yield opened


@pytest.fixture
async def browser() -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=20) as http:
        yield http


def query_of(url: str) -> dict[str, str]:
    return {name: value for name, (value,) in parse_qs(urlsplit(url).query).items()}


def part_of(token: str, number: int) -> dict[str, Any]:
    return json.loads(base64.urlsafe_b64decode(token.split(".")[number] + "=="))


def challenge_of(header: str) -> dict[str, str]:
    """The parameters of a `WWW-Authenticate: Bearer …` (RFC 6750 §3)."""
    return dict(re.findall(r'(\w+)="([^"]*)"', header))


def paths(trace: list[dict[str, Any]], provider: IndependentProvider) -> list[str]:
    """What the client asked for, in order: paths, of the provider's after a mark."""
    asked = [(str(each["method"]), str(each["url"])) for each in trace]
    return [
        f"{method} {'provider' if url.startswith(provider.issuer) else ''}{urlsplit(url).path}" for method, url in asked
    ]


@pytest.mark.parametrize("era", MODES)
async def test_a_client_finds_its_way_from_nothing_to_a_call_and_steps_up_for_a_write(
    company: Company, browser: httpx.AsyncClient, era: str
) -> None:
    resource = company.suite.url()
    jane = Person(f"jane-{era}", browser)
    sdk = IndependentSignIn(jane, resource)
    with anyio.fail_after(WITHIN_S):
        async with sdk.connect(MODES[era]) as client:
            tools = {tool.name for tool in (await client.list_tools()).tools}
            found = await journey.ask(client, "search_customers", {"query": "an"})
            before = list(sdk.trace)
            created = await journey.ask(client, "create_customer", {**NEW, "name": f"Of {jane.name}"})
            assert found["customers"]
            assert tools == journey.READING
    first, second = map(query_of, sdk.asked)
    steps = paths(before, company.provider)
    assert steps[0] == "POST /customers/mcp"
    assert before[0]["status"] == 401
    assert steps[1].startswith("GET /.well-known/oauth-protected-resource")
    assert "GET provider/.well-known/oauth-authorization-server" in steps
    assert steps.index("POST provider/reg") < steps.index("POST provider/token")
    for asked in (first, second):
        assert (asked["resource"], asked["code_challenge_method"]) == (resource, "S256")
        assert (asked["client_id"], asked["redirect_uri"]) == (first["client_id"], CALLBACK)
    assert "customers:read" in first["scope"].split()
    assert "customers:write" not in first["scope"].split()
    assert set(second["scope"].split()) == {*first["scope"].split(), "customers:write"}
    (refused,) = [each for each in sdk.trace if each["status"] == 403]
    told = challenge_of(refused["challenge"])
    assert (told["error"], told["scope"]) == ("insufficient_scope", "customers:write")
    assert [asked["prompt"] for asked in jane.asked] == ["login", "consent", "consent"]
    assert jane.asked[2]["missingResourceScopes"] == {resource: ["customers:write"]}
    assert created["customer"]["name"] == f"Of {jane.name}"


async def test_what_the_token_says_is_who_calls(company: Company, browser: httpx.AsyncClient) -> None:
    resource = company.suite.url()
    one = await granted(company.provider, Person("kim", browser), resource, "customers:read")
    header, claims = part_of(one.token, 0), part_of(one.token, 1)
    assert (header["alg"], header["typ"]) == ("ES256", "at+jwt")
    assert claims.keys().isdisjoint({"tenant", "roles"})
    assert (claims["iss"], claims["aud"], claims["acr"]) == (company.provider.issuer, resource, "password")
    assert await company.refuses(one.token) is None
    record = (await company.suite.records(subject="kim"))[0]
    assert (record["tenant"], record["issuer"], record["client"]) == ("acme", company.provider.issuer, one.client[0])


async def test_the_metadata_names_the_provider_first(company: Company) -> None:
    told = await company.metadata(company.suite.where["customers"].metadata_url)
    assert told["authorization_servers"][0] == company.provider.issuer


@pytest.mark.parametrize("era", MODES)
async def test_a_person_who_does_not_consent_to_more_is_asked_once_and_the_call_ends(
    company: Company, browser: httpx.AsyncClient, era: str
) -> None:
    person = Person(f"careful-{era}", browser, never="customers:write")
    sdk = IndependentSignIn(person, company.suite.url())
    with anyio.fail_after(WITHIN_S):
        async with sdk.connect(MODES[era]) as client:
            code = None
            try:
                await client.call_tool("create_customer", {**NEW, "name": "Never"})
            except MCPError as error:
                code = error.code
            found = await journey.ask(client, "search_customers", {"query": "an"})
    assert code == 403
    assert found["customers"]
    assert len(sdk.asked) == 2
    assert await company.suite.sql("SELECT FROM customers.customers WHERE name = 'Never'") == []


async def test_a_token_for_another_resource_is_refused(company: Company, browser: httpx.AsyncClient) -> None:
    person = Person("lee", browser)
    for kind in ({"opaque": False}, {"opaque": True}):
        await company.provider.serve("http://127.0.0.1:9/other", ["customers:read"], **kind)
        other = await granted(company.provider, person, "http://127.0.0.1:9/other", "customers:read")
        assert "another resource" in (await company.refuses(other.token) or "")


async def test_an_expired_token_is_refused(company: Company, browser: httpx.AsyncClient) -> None:
    resource = await company.serve("customers", ttl_s=1)
    one = await granted(company.provider, Person("max", browser), resource, "customers:read")
    await company.serve("customers")
    with anyio.fail_after(WITHIN_S):
        while (said := await company.refuses(one.token)) is None:
            await anyio.sleep(0.05)
    assert "expired" in said


@pytest.mark.parametrize("era", MODES)
async def test_an_opaque_token_is_asked_about_and_serves_as_well(
    company: Company, browser: httpx.AsyncClient, era: str
) -> None:
    person = Person(f"opal-{era}", browser)
    sdk = IndependentSignIn(person, company.suite.url("drill"))
    with anyio.fail_after(WITHIN_S):
        async with sdk.connect(MODES[era]) as client:
            assert await journey.ask(client, "echo", {"text": "hello"}) == {"text": "hello"}
            made = await journey.ask(client, "put", {"id": f"of-{era}", "value": "v"})
    assert made == {"id": f"of-{era}", "value": "v"}
    assert [asked["prompt"] for asked in person.asked] == ["login", "consent", "consent"]
    tokens = await sdk.get_tokens()
    assert tokens is not None
    assert "." not in tokens.access_token
    record = (await company.suite.records(subject=person.name))[0]
    assert (record["tenant"], record["issuer"]) == ("acme", company.provider.issuer)


async def test_an_opaque_token_that_was_revoked_is_refused_at_once(
    company: Company, browser: httpx.AsyncClient
) -> None:
    one = await granted(company.provider, Person("noa", browser), company.suite.url("drill"), "drill:read")
    assert [await company.refuses(one.token, "drill") for _ in range(2)] == [None, None]
    await revoke(browser, one)
    assert await company.refuses(one.token, "drill") is not None


async def test_a_made_up_token_is_refused(company: Company) -> None:
    assert await company.refuses("made-up-and-never-issued", "drill") is not None


async def test_a_tool_that_wants_a_stronger_sign_in_is_had_by_one(company: Company, browser: httpx.AsyncClient) -> None:
    """By a client that does what the challenge says (RFC 9470 §4); the SDK's does not know it.

    This provider takes `acr_values` with the scope openid alone.
    """
    person, resource, scopes = Person("sam", browser), company.suite.url(), "customers:write customers:pii"
    merge = {"keep_id": "C-0000000001", "keep_version": 1, "duplicate_id": "C-0000000002", "duplicate_version": 1}
    params = {"name": "merge_customers", "arguments": merge}
    weak = await granted(company.provider, person, resource, scopes)
    refused = await company.suite.post(weak.token, "tools/call", params)
    told = challenge_of(refused.headers["www-authenticate"])
    assert (refused.status_code, told["error"]) == (401, "insufficient_user_authentication")
    assert told["acr_values"] == "two-factors", "in the words of the provider"
    asks = {name: told[name] for name in ("acr_values", "max_age") if name in told}
    person.acr = "two-factors"
    strong = await granted(company.provider, person, resource, f"openid {scopes}", **asks)
    assert person.asked[-2]["prompt"] == "login"
    answer = await company.suite.post(strong.token, "tools/call", params)
    assert answer.json()["result"]["structuredContent"]["error"]["code"] == "not_found"
