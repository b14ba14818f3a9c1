from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from compose.idp import clients
from compose.idp.provider import IdentityProvider
from tests.compose.idp.flow import CALLBACK, ISSUER, ORIGIN, RESOURCES, Clock, Flow

pytestmark = pytest.mark.anyio


async def test_a_public_client_gets_an_id_and_no_secret(flow: Flow) -> None:
    answer = await flow.register(grant_types=["authorization_code", "refresh_token"], scope="customers:read")
    assert "client_secret" not in answer
    assert answer["grant_types"] == ["authorization_code", "refresh_token"]
    assert (await flow.register())["grant_types"] == ["authorization_code"]
    assert answer["application_type"] == "native"
    assert answer["redirect_uris"] == [CALLBACK]


async def test_a_client_that_names_no_method_gets_a_secret_and_must_use_it(flow: Flow) -> None:
    answer = await flow.http.post("/idp/register", json={"redirect_uris": [CALLBACK]})
    client = answer.json()
    assert (client["token_endpoint_auth_method"], client["client_secret_expires_at"]) == ("client_secret_basic", 0)
    assert answer.headers["cache-control"] == "no-store"
    flow.client_id = client["client_id"]
    code = (await flow.login())["code"]
    assert (await flow.redeem(code)).json()["error"] == "invalid_client"
    assert (await flow.redeem(code, client_secret=client["client_secret"])).json()["error"] == "invalid_client"
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": "v" * 64}
    proved = await flow.http.post("/idp/token", data=form, auth=(flow.client_id, client["client_secret"]))
    assert proved.status_code == 200


@pytest.mark.parametrize(
    "uri",
    [
        "http://localhost:3000/cb",
        "http://[::1]:3000/cb",
        "http://127.0.0.1/cb",
        "https://app.example/cb",
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "com.example.desk:/cb",
    ],
)
async def test_addresses_of_native_programs_are_accepted(flow: Flow, uri: str) -> None:
    assert (await flow.register(redirect_uris=[uri], application_type="native"))["redirect_uris"] == [uri]


@pytest.mark.parametrize(
    "uri",
    [
        "http://app.example/cb",
        "https://app.example/cb#top",
        "https://app.example/cb#",
        "https://*.example/cb",
        "https://app.example/*",
        "https://user@app.example/cb",
        "https:///cb",
        "https://app.example\\@evil.example/cb",
        "https://evil.example\\.app.example/cb",
        "https://app.example:port/cb",
        "http://127.0.0.2.example/cb",
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "/cb",
        "",
        "https://app.example/\n",
        "https://app.example/" + "x" * 3000,
    ],
)
async def test_other_addresses_are_refused(flow: Flow, uri: str) -> None:
    answer = await flow.http.post("/idp/register", json={"redirect_uris": [CALLBACK, uri]})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_redirect_uri")


async def test_a_web_application_must_use_https(flow: Flow) -> None:
    body: dict[str, Any] = {"redirect_uris": [CALLBACK], "application_type": "web"}
    assert (await flow.http.post("/idp/register", json=body)).json()["error"] == "invalid_redirect_uri"
    body["redirect_uris"] = ["https://app.example/cb"]
    assert (await flow.http.post("/idp/register", json=body)).status_code == 201


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "invalid_redirect_uri"),
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({"redirect_uris": [f"{CALLBACK}{n}" for n in range(11)]}, "invalid_redirect_uri"),
        (
            {"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "private_key_jwt"},
            "invalid_client_metadata",
        ),
        (
            {
                "redirect_uris": [CALLBACK],
                "token_endpoint_auth_method": "private_key_jwt",
                "jwks_uri": "https://a.example/jwks",
            },
            "invalid_client_metadata",
        ),
        ({"redirect_uris": [CALLBACK], "application_type": "toaster"}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "grant_types": ["client_credentials"]}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "response_types": ["token"]}, "invalid_client_metadata"),
        ([], "invalid_client_metadata"),
    ],
)
async def test_metadata_we_cannot_honour_is_refused(flow: Flow, body: Any, error: str) -> None:
    answer = await flow.http.post("/idp/register", json=body)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


async def test_a_body_that_is_no_json_is_refused(flow: Flow) -> None:
    for content in (b"{", b"\xff", b"[" * 10_000):
        answer = await flow.http.post("/idp/register", content=content)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")
    assert (await flow.http.post("/idp/register", content=b" " * 20_000)).status_code == 413


async def test_registrations_are_bounded_in_rate() -> None:
    clock = Clock()
    provider = IdentityProvider(ISSUER, resources=RESOURCES, clock=clock, registrations_per_minute=2)
    transport = httpx.ASGITransport(Starlette(routes=provider.routes))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as http:
        flow = Flow(provider, http, clock)
        await flow.register()
        await flow.register()
        refused = await http.post("/idp/register", json={"redirect_uris": [CALLBACK]})
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
        clock.now += 60
        await flow.register()


def test_the_oldest_registration_gives_way_and_machines_stay() -> None:
    kept = clients.Clients(capacity=3)
    for number in range(4):
        kept.add(clients.Client(str(number), "x", ("none",)))
    assert kept.get("0") is None
    assert kept.get("1") is not None
    assert kept.get("acme-sync") is not None


def test_a_secret_does_not_show_when_a_client_is_printed() -> None:
    assert "hush" not in repr(clients.Client("a", "b", ("client_secret_basic",), secret="hush"))
