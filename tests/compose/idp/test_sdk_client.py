"""The official SDK's own client against a protected resource that trusts the provider."""

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
from tests.compose.idp.flow import CALLBACK, CUSTOMERS, ISSUER, ORIGIN, RESOURCES, query
from tests.personas import choose_persona

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


def deployment() -> tuple[IdentityProvider, Starlette]:
    """Provider and resource server on one port; the resource wants `customers:read`, a POST `customers:write`."""
    provider = IdentityProvider(ISSUER, resources=RESOURCES)

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
        self._answer = query(await choose_persona(self._browser, url, self._persona))

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


@pytest.mark.parametrize("method", ["client_secret_post", "client_secret_basic"])
async def test_the_sdk_machine_client_gets_a_token(method: Any) -> None:
    provider, app = deployment()
    auth = ClientCredentialsOAuthProvider(
        CUSTOMERS, Storage(), "acme-sync", provider.machine_secret("acme-sync"), method, issuer=ISSUER
    )
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), auth=auth) as http:
        answer = await http.get(CUSTOMERS)
    assert (answer.status_code, answer.json()["sub"]) == (200, "acme-sync")
