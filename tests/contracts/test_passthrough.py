"""A caller's token is exchanged, never passed on: nothing but the edge can read it, and what another server gets is
another token.
"""

import ast
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import httpx2
import orjson
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from compose.idp.provider import IdentityProvider
from shared.core.caller import Caller
from shared.edge.exchange import GRANT
from shared.edge.exchanged import ACCESS_TOKEN
from shared.edge.http import caller_of
from tests.contracts.test_imports import ROOT, SOURCES
from tests.delegating.servers import back, digest, front
from tests.harness import ERAS, MODERN, Databases, Suite, modern, modern_headers, open_suite

pytestmark = pytest.mark.anyio

READS_IT = {"shared/edge/http.py"}
"""Takes the header of a request, has it verified, and leaves it behind."""
WRITES_IT = {"shared/state/client_assertion.py", "shared/edge/outbound/credentials.py"}
"""Put our own credentials, or a token had by exchange, in the header of a request of ours."""
SHOWS_IT = {"shared/edge/trying.py", "shared/ops/connect/entries.py", "shared/ops/reference/endpoints.py"}
"""`mcp-suite connect`, a client: with its user's token, or the name of a variable that holds one; and our manual."""
MASKS_IT = {"shared/steps/credentials.py"}
"""Finds it in other people's text, to hide what follows."""


def code(room: str) -> list[Path]:
    return [path for path in SOURCES if path.relative_to(ROOT).as_posix().startswith(room)]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def says(path: Path, word: str) -> bool:
    """Whether a literal of the module is this very word, as the name of a header is."""
    literals = (node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant))
    return any(
        (literal if isinstance(literal, str) else literal.decode("latin-1")).strip().lower() == word
        for literal in literals
        if isinstance(literal, str | bytes)
    )


def called(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            function = node.func
            yield function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def test_nothing_but_the_edge_names_the_header_that_holds_a_token() -> None:
    naming = {name_of(path) for path in (*code("shared/"), *code("servers/")) if says(path, "authorization")}
    assert naming == READS_IT | WRITES_IT | SHOWS_IT | MASKS_IT


def test_nothing_but_the_verifier_and_the_exchange_takes_a_token_out_of_its_header() -> None:
    taking = {name_of(path) for path in (*code("shared/"), *code("servers/")) if "bearer" in called(path)}
    assert taking == {"shared/steps/auth.py", "shared/edge/exchange.py"}


def test_only_the_edge_hands_the_exchange_a_token() -> None:
    handing = {name_of(path) for path in code("shared/") if "on_behalf" in called(path)}
    assert handing == {"shared/edge/http.py"}


@asynccontextmanager
async def open_both(databases: Databases, folder: Path, proof: str) -> AsyncGenerator[Suite]:
    """Both servers; the front one is a client of the provider and proves it by `secret`, by `key`, or not at all."""

    def issuers(url: str) -> dict[str, Any]:
        resource = f"{url}/front/mcp"
        provider = IdentityProvider(f"{url}/idp", resources={resource: ()}, keys_dir=folder / "idp")
        client_id, secret = provider.resource_server(resource)
        key = folder / "client.jwk"
        key.write_bytes(orjson.dumps(provider.resource_server_key(resource).as_dict(private=True)))
        proofs: Mapping[str, dict[str, Any]] = {
            "secret": {"client_id": client_id, "client_secret": secret},
            "key": {"client_id": client_id, "client_key": key},
            "nothing": {},
            "a wrong secret": {"client_id": client_id, "client_secret": "wrong"},
        }
        return {"mock": {"url": f"{url}/idp", **proofs[proof]}}

    urls = await databases.fresh()
    async with open_suite(urls, folder, databases.admin_url, served=[front, back], issuers=issuers) as suite:
        yield suite


@pytest.fixture(scope="module", params=["secret", "key"])
async def both(
    request: pytest.FixtureRequest, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Suite]:
    async with open_both(databases, tmp_path_factory.mktemp("both"), request.param) as suite:
        yield suite


def token(suite: Suite, persona: str = "manager", scopes: tuple[str, ...] = ("front:read", "back:read")) -> str:
    """For the front server."""
    return suite.provider.mint(persona, suite.url("front"), scopes, sid="session-1")


@asynccontextmanager
async def connected(suite: Suite, bearer: str, era: str) -> AsyncGenerator[Client]:
    """A real client of the front server."""
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {bearer}"}, timeout=30) as http:
        transport = streamable_http_client(suite.url("front"), http_client=http)
        async with Client(transport, mode="legacy" if era == "legacy" else MODERN) as client:
            yield client


async def ask(suite: Suite, bearer: str, era: str = "modern", **arguments: Any) -> dict[str, Any]:
    """What the front server's tool answered after it asked the other, or its error object."""
    async with connected(suite, bearer, era) as client:
        answer: Any = await client.call_tool("ask_back", {"resource": suite.url("back"), **arguments})
    shown = answer.structured_content
    return shown["error"] if answer.is_error else shown


async def raw(suite: Suite, server: str, bearer: str, tool: str, **arguments: Any) -> httpx.Response:
    params: dict[str, Any] = {"name": tool, "arguments": arguments}
    headers = modern_headers("tools/call", params) | {"Authorization": f"Bearer {bearer}"}
    async with suite.http() as http:
        return await http.post(suite.url(server), json=modern("tools/call", params), headers=headers)


@pytest.mark.parametrize("era", ERAS)
async def test_the_other_server_sees_the_user_and_who_acts_for_them(both: Suite, era: str) -> None:
    inbound = token(both)
    answer = await ask(both, inbound, era)
    front_id, _ = both.provider.resource_server(both.url("front"))
    assert answer["status"] == 200, answer
    assert answer["who"] == {
        "subject": "acme-sales-manager",
        "client": front_id,
        "trust": "delegated",
        "actors": [front_id],
        "tenant": "acme",
        "scopes": ["back:read"],
        "session": "session-1",
    }
    assert answer["digest"] != digest(inbound)


async def test_the_audits_name_the_user_who_acts_and_where(both: Suite) -> None:
    await ask(both, token(both, "outsider"))
    front_id, _ = both.provider.resource_server(both.url("front"))
    (record,) = await both.records(subject="globex-admin", target="who")
    (first,) = await both.records(subject="globex-admin", target="ask_back")
    assert (record["tenant"], record["client"], record["outcome"]) == ("globex", front_id, "ok")
    assert (record["actors"], record["trust"]) == ([front_id], "delegated")
    assert (first["client"], first["trust"], first["acted_at"]) == ("mcp-suite", "person", [both.url("back")])
    assert "acted_at" not in record


async def test_the_callers_token_is_refused_by_the_other_server(both: Suite) -> None:
    inbound = token(both)
    answer = await raw(both, "back", inbound, "who")
    assert answer.status_code == 401
    assert "for another resource" in answer.headers["www-authenticate"]
    exchanged = await _exchanged(both, inbound)
    assert (await raw(both, "back", exchanged, "who")).status_code == 200
    assert (await raw(both, "front", exchanged, "ask_back", resource=both.url("back"))).status_code == 401


async def _exchanged(suite: Suite, inbound: str) -> str:
    """What the front server gets for a token, had by hand."""
    form = {
        "grant_type": GRANT,
        "subject_token": inbound,
        "subject_token_type": ACCESS_TOKEN,
        "resource": suite.url("back"),
        "scope": "back:read",
    }
    auth = suite.provider.resource_server(suite.url("front"))
    async with suite.http() as http:
        answer = await http.post(f"{suite.provider.issuer}/token", data=form, auth=auth)
    return answer.json()["access_token"]


async def test_what_the_caller_was_not_granted_is_challenged_with_what_is_lacking(both: Suite) -> None:
    asked = {"resource": both.url("back"), "scope": "back:write"}
    answer = await raw(both, "front", token(both), "ask_back", **asked)
    assert answer.status_code == 403
    assert 'scope="back:write"' in answer.headers["www-authenticate"]
    assert answer.json()["error"]["data"]["code"] == "forbidden"


async def test_a_server_nobody_knows_is_not_called(both: Suite) -> None:
    told = await ask(both, token(both), resource="https://elsewhere.example/mcp")
    assert (told["code"], told["retryable"]) == ("cannot_delegate", False)
    assert "must allow its client to exchange tokens" in told["message"]


async def test_neither_token_shows_where_somebody_prints_what_a_tool_has(both: Suite) -> None:
    inbound = token(both)
    answer = await ask(both, inbound)
    assert "Call(" in answer["shown"]
    assert inbound not in answer["shown"]
    assert "ey" + "J" not in answer["shown"]
    records = await both.records(limit=100)
    assert "ey" + "J" not in str(records)


@pytest.mark.parametrize(
    ("proof", "said"), [("nothing", "must set client_id"), ("a wrong secret", "must allow its client")]
)
async def test_a_server_that_is_not_set_up_says_what_to_set(
    databases: Databases, tmp_path: Path, proof: str, said: str
) -> None:
    async with open_both(databases, tmp_path, proof) as suite:
        told = await ask(suite, token(suite))
    assert told["code"] == "cannot_delegate"
    assert said in told["message"]


@pytest.mark.parametrize("era", ERAS)
async def test_no_handler_is_given_the_token_it_was_called_with(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, era: str
) -> None:
    given: list[Any] = []

    def spying(context: Any) -> Caller:
        given.append(context.request.scope)
        return caller_of(context)

    monkeypatch.setattr("shared.edge.http.caller_of", spying)
    async with open_both(databases, tmp_path, "secret") as suite:
        inbound = token(suite)
        assert (await ask(suite, inbound, era))["status"] == 200
    assert given
    for scope in given:
        assert b"authorization" not in [name for name, _ in scope["headers"]]
        readable = {name: value for name, value in scope.items() if name not in {"app", "state", "extensions"}}
        assert inbound not in repr(readable)
