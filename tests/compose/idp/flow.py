from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
from authlib.oauth2.rfc7636 import (
    create_s256_code_challenge,  # pyright: ignore[reportUnknownVariableType] Authlib has no types
)
from joserfc import jwt
from joserfc.jwk import KeySet

from compose.idp.provider import IdentityProvider
from tests.compose.idp.consent import sign_in

ORIGIN = "http://127.0.0.1:8080"
ISSUER = f"{ORIGIN}/idp"
CUSTOMERS = f"{ORIGIN}/customers/mcp"
TICKETS = f"{ORIGIN}/tickets/mcp"
RESOURCES = {
    CUSTOMERS: ("customers:read", "customers:write", "customers:pii", "customers:admin"),
    TICKETS: ("tickets:read", "tickets:write"),
}
CALLBACK = "http://127.0.0.1:33418/callback"
VERIFIER = "v" * 64
CHALLENGE = str(create_s256_code_challenge(VERIFIER))  # pyright: ignore[reportUnknownArgumentType]


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Flow:
    """A public client with a browser, walking through the code flow; each step can be bent."""

    def __init__(
        self,
        provider: IdentityProvider,
        http: httpx.AsyncClient,
        clock: Clock,
        events: list[dict[str, Any]] | None = None,
    ) -> None:
        self.events = [] if events is None else events
        self.provider = provider
        self.http = http
        self.clock = clock
        self.client_id = ""

    async def register(self, **metadata: Any) -> dict[str, Any]:
        body = {
            "redirect_uris": [CALLBACK],
            "token_endpoint_auth_method": "none",
            "client_name": "Probe",
            **metadata,
        }
        answer = await self.http.post("/idp/register", json=body)
        assert answer.status_code == 201, answer.text
        self.client_id = answer.json()["client_id"]
        return answer.json()

    def authorize_url(self, **changes: str | None) -> str:
        asked: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": CALLBACK,
            "state": "s t&te",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            "resource": CUSTOMERS,
            "scope": "customers:read",
            **changes,
        }
        return f"{ISSUER}/authorize?{urlencode({k: v for k, v in asked.items() if v is not None})}"

    async def login(
        self, persona: str = "support", *, decision: str = "allow", untick: Collection[str] = (), **changes: str | None
    ) -> dict[str, str]:
        """The parameters the client's redirect URI receives."""
        return query(await sign_in(self.http, self.authorize_url(**changes), persona, decision, untick))

    async def redeem(self, code: str | None, **changes: str | None) -> httpx.Response:
        form: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "client_id": self.client_id,
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
            "resource": CUSTOMERS,
            **changes,
        }
        return await self.http.post("/idp/token", data={k: v for k, v in form.items() if v is not None})

    async def tokens(self, persona: str = "support", **changes: Any) -> dict[str, Any]:
        """The answer of the token endpoint after signing in."""
        answer = await self.redeem((await self.login(persona, **changes))["code"], resource=None)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def refresh(self, token: str, **changes: str | None) -> httpx.Response:
        form = {"grant_type": "refresh_token", "client_id": self.client_id, "refresh_token": token, **changes}
        return await self.http.post("/idp/token", data={k: v for k, v in form.items() if v is not None})

    async def introspected(self, token: str, resource: str = CUSTOMERS) -> dict[str, Any]:
        """What the server of `resource` is told about the token."""
        auth = self.provider.resource_server(resource)
        answer = await self.http.post("/idp/introspect", data={"token": token}, auth=auth)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def told(self, event: str) -> list[dict[str, Any]]:
        """The events of one kind."""
        return [told for told in self.events if told["event"] == event]

    async def jwks(self) -> Mapping[str, Any]:
        return (await self.http.get("/idp/jwks.json")).json()

    async def verified(self, token: str) -> jwt.Token:
        """The token, its signature checked against the published keys."""
        published: Any = await self.jwks()
        return jwt.decode(token, KeySet.import_key_set(published), algorithms=["ES256"])


def query(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
