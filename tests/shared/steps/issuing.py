"""Tokens made by hand, so that the ones no honest library would issue can be made too, and a world to try them in."""

import asyncio
import base64
import json
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shared.core.caller import Caller
from shared.core.errors import Unauthenticated
from shared.core.settings import Settings
from shared.steps.auth import Verifier
from shared.steps.providers import Provider

ISSUER = "https://idp.example/tenant"
RESOURCE = "https://suite.example/customers/mcp"
NOW = 1_800_000_000


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signing_input(header: object, claims: object) -> str:
    return ".".join(b64(json.dumps(part).encode()) for part in (header, claims))


def public(key: Key, **declared: object) -> dict[str, Any]:
    return {**key.as_dict(private=False), **declared}


P256 = ECKey.generate_key("P-256")
P384 = ECKey.generate_key("P-384")
ED25519 = OKPKey.generate_key("Ed25519")
RSA = RSAKey.generate_key(2048)
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "aud": RESOURCE,
    "sub": "user-7",
    "client_id": "desktop",
    "tenant": "acme",
    "scope": "customers:write",
    "iat": NOW - 10,
    "exp": NOW + 600,
}
HEADER: dict[str, Any] = {"alg": "ES256", "typ": "at+jwt", "kid": "p256"}


def token(
    header: dict[str, Any] | None = None,
    claims: object = None,
    key: Key = P256,
    algorithm: str | None = None,
) -> str:
    head = {name: value for name, value in (HEADER | (header or {})).items() if value is not ...}
    message = signing_input(head, CLAIMS if claims is None else claims)
    model = JWSRegistry.algorithms[algorithm or head["alg"]]
    return f"{message}.{b64(model.sign(message.encode(), key))}"


def with_claims(**changes: object) -> str:
    return token(claims={name: value for name, value in (CLAIMS | changes).items() if value is not ...})


def replaced(header: bytes | None = None, claims: bytes | None = None) -> str:
    head, payload, signature = token().split(".")
    return ".".join((b64(header) if header else head, b64(claims) if claims else payload, signature))


@dataclass
class World:
    """A verifier, its issuer over HTTP, and the time."""

    wall: float = NOW
    elapsed: float = 0
    fetches: int = 0
    down: bool = False
    served: list[dict[str, Any]] = field(
        default_factory=lambda: [
            public(P256, kid="p256", use="sig", alg="ES256"),
            public(P384, kid="p384"),
            public(ED25519, kid="ed"),
            public(RSA, kid="rsa", alg="RS256"),
        ]
    )
    options: dict[str, Any] = field(default_factory=dict[str, Any])

    issuer: dict[str, Any] = field(default_factory=dict[str, Any])
    revoked: set[str] = field(default_factory=set[str])

    def __post_init__(self) -> None:
        app = Starlette(routes=[Route("/jwks", self._jwks)])
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app))
        trusted = {"url": ISSUER, "jwks_url": "https://idp.example/jwks", **self.issuer}
        settings = Settings.model_validate({"issuers": {"it": trusted}, **self.options})
        self.providers = {
            issuer.url: Provider.of(issuer, settings, self.client, clock=lambda: self.elapsed, wall=lambda: self.wall)
            for issuer in settings.trusted_issuers
        }
        self.jwks = self.providers[ISSUER].keys
        self.verifier = Verifier(
            settings,
            "customers",
            RESOURCE,
            self.providers,
            revoked=lambda caller: caller.token_id in self.revoked,
            clock=lambda: self.wall,
        )

    async def _jwks(self, request: Request) -> Response:
        self.fetches += 1
        await asyncio.sleep(0)
        return Response(status_code=503) if self.down else JSONResponse({"keys": self.served})

    async def verify(self, presented: str) -> Caller:
        return await self.verifier.verify(f"Bearer {presented}")

    async def reason(self, presented: str) -> str:
        with pytest.raises(Unauthenticated) as refusal:
            await self.verify(presented)
        assert refusal.value.description
        assert not any(part in refusal.value.description for part in presented.split(".") if part)
        return refusal.value.reason

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.elapsed += seconds

    async def aclose(self) -> None:
        for provider in self.providers.values():
            await provider.aclose()
        await self.client.aclose()
