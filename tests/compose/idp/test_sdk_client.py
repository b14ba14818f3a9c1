"""The official SDK's own client against a protected resource that trusts the provider."""

import json
from ipaddress import ip_address
from typing import Any

import httpx
import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from compose.idp.provider import IdentityProvider
from shared.state.guarded import Address, Guarded, Judge
from tests.compose.idp.consent import sign_in
from tests.compose.idp.documents import DocumentHost
from tests.compose.idp.flow import CALLBACK, CUSTOMERS, ISSUER, ORIGIN, RESOURCES, query

pytestmark = pytest.mark.anyio

PRM = f"{ORIGIN}/.well-known/oauth-protected-resource/customers/mcp"


class Storage:
    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


def deployment(**options: Any) -> tuple[IdentityProvider, Starlette]:
    """Provider and resource server on one port; the resource wants `customers:read`, a POST `customers:write`."""
    provider = IdentityProvider(ISSUER, resources=RESOURCES, **options)

    async def resource(request: Request) -> JSONResponse:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not token:
            challenge = f'Bearer resource_metadata="{PRM}", scope="customers:read"'
            return JSONResponse({}, 401, {"WWW-Authenticate": challenge})
        published = KeySet.import_key_set(provider.key_set())
        claims = jwt.decode(token, published, algorithms=["ES256"]).claims
        assert claims["aud"] == CUSTOMERS
        if request.method == "POST" and "customers:write" not in claims["scope"].split():
            challenge = f'Bearer error="insufficient_scope", scope="customers:write", resource_metadata="{PRM}"'
            return JSONResponse({}, 403, {"WWW-Authenticate": challenge})
        return JSONResponse(claims)

    async def described(request: Request) -> JSONResponse:
        return JSONResponse({"resource": CUSTOMERS, "authorization_servers": [ISSUER]})

    routes = [
        Route("/customers/mcp", resource, methods=["GET", "POST"]),
        Route("/.well-known/oauth-protected-resource/customers/mcp", described),
        *provider.routes,
    ]
    return provider, Starlette(routes=routes)


class Person:
    """The browser and the person in front of it."""

    def __init__(self, app: Starlette, persona: str) -> None:
        self._browser = httpx.AsyncClient(transport=httpx.ASGITransport(app))
        self._persona = persona
        self.logins = 0
        self._answer: dict[str, str] = {}

    async def visit(self, url: str) -> None:
        self.logins += 1
        self._answer = query(await sign_in(self._browser, url, self._persona))

    async def come_back(self) -> AuthorizationCodeResult:
        return AuthorizationCodeResult(code=self._answer["code"], state=self._answer["state"], iss=self._answer["iss"])


@pytest.mark.parametrize("method", [None, "none", "client_secret_post", "client_secret_basic"])
async def test_the_sdk_client_discovers_registers_logs_in_and_steps_up(method: Any) -> None:
    _, app = deployment()
    person, storage = Person(app, "manager"), Storage()
    auth = OAuthClientProvider(
        CUSTOMERS,
        OAuthClientMetadata(client_name="SDK", redirect_uris=[AnyUrl(CALLBACK)], token_endpoint_auth_method=method),
        storage,
        person.visit,
        person.come_back,
    )
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), auth=auth) as http:
        read = await http.get(CUSTOMERS)
        assert (read.status_code, read.json()["scope"]) == (200, "customers:read")
        assert read.json()["sub"] == "acme-sales-manager"
        written = await http.post(CUSTOMERS)
        assert (written.status_code, written.json()["scope"]) == (200, "customers:read customers:write")
    assert person.logins == 2
    assert storage.client is not None
    assert storage.client.issuer == ISSUER
    assert storage.client.token_endpoint_auth_method == (method or "client_secret_basic")


@pytest.mark.parametrize("method", ["none", "client_secret_basic"])
async def test_the_sdk_client_refreshes_instead_of_asking_the_person_again(method: Any) -> None:
    events: list[dict[str, Any]] = []
    _, app = deployment(on_event=events.append)
    person, storage = Person(app, "manager"), Storage()
    metadata = OAuthClientMetadata(redirect_uris=[AnyUrl(CALLBACK)], token_endpoint_auth_method=method)
    auth = OAuthClientProvider(CUSTOMERS, metadata, storage, person.visit, person.come_back)
    seen: list[dict[str, Any]] = []
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), auth=auth) as http:
        for _ in range(4):
            seen.append((await http.get(CUSTOMERS)).json())
            auth.context.token_expiry_time = 1.0
    assert person.logins == 1
    assert [told["grant_type"] for told in events if told["event"] == "token_issued"] == [
        "authorization_code",
        *["refresh_token"] * 3,
    ]
    assert (len({claims["jti"] for claims in seen}), len({claims["sid"] for claims in seen})) == (4, 1)


async def test_the_sdk_client_signs_in_anew_when_its_refresh_token_was_revoked() -> None:
    _, app = deployment()
    person, storage = Person(app, "manager"), Storage()
    metadata = OAuthClientMetadata(redirect_uris=[AnyUrl(CALLBACK)], token_endpoint_auth_method="none")
    auth = OAuthClientProvider(CUSTOMERS, metadata, storage, person.visit, person.come_back)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), auth=auth) as http:
        await http.get(CUSTOMERS)
        tokens, client = storage.tokens, storage.client
        form = {"token": tokens and tokens.refresh_token, "client_id": client and client.client_id}
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app)) as plain:
            revoked = await plain.post(f"{ISSUER}/revoke", data=form)
        auth.context.token_expiry_time = 1.0
        answer = await http.get(CUSTOMERS)
    assert (revoked.status_code, answer.status_code, person.logins) == (200, 200, 2)


async def test_the_sdk_client_describes_itself_by_a_document_and_does_not_register() -> None:
    url, asked = "https://client.example/oauth/client.json", list[str]()

    async def public(name: str, port: int) -> list[Address]:
        return [ip_address("8.8.8.8")]

    def answered(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers["host"])
        return httpx.Response(200, stream=httpx.ByteStream(json.dumps(DocumentHost().document(url)).encode()))

    def connect(judge: Judge) -> httpx.AsyncBaseTransport:
        return Guarded(judge, resolve=public, inner=httpx.MockTransport(answered))

    events: list[dict[str, Any]] = []
    _, app = deployment(connect=connect, on_event=events.append)
    person = Person(app, "manager")
    auth = OAuthClientProvider(
        CUSTOMERS,
        OAuthClientMetadata(redirect_uris=[AnyUrl(CALLBACK)]),
        Storage(),
        person.visit,
        person.come_back,
        client_metadata_url=url,
    )
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), auth=auth) as http:
        read = await http.get(CUSTOMERS)
        auth.context.token_expiry_time = 1.0
        refreshed = await http.get(CUSTOMERS)
    assert [answer.json()["client_id"] for answer in (read, refreshed)] == [url, url]
    assert (person.logins, asked) == (1, ["client.example"])
    assert "client_registered" not in [told["event"] for told in events]


@pytest.mark.parametrize("method", ["client_secret_post", "client_secret_basic"])
async def test_the_sdk_machine_client_gets_a_token(method: Any) -> None:
    provider, app = deployment()
    auth = ClientCredentialsOAuthProvider(
        CUSTOMERS, Storage(), "acme-sync", provider.machine_secret("acme-sync"), method, issuer=ISSUER
    )
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), auth=auth) as http:
        answer = await http.get(CUSTOMERS)
    assert (answer.status_code, answer.json()["sub"]) == (200, "acme-sync")
