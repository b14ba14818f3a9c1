"""An issuer served by a real HTTP server on loopback; only the time is made up."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import httpx
from joserfc.jwk import ECKey
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from shared.core.settings import Settings
from shared.state.discovery import Discovery
from shared.steps.jwks import Jwks
from tests.shared.steps.issuing import public

FIRST = ECKey.generate_key("P-256")
SECOND = ECKey.generate_key("P-256")
RFC8414 = "/.well-known/oauth-authorization-server/idp"


@dataclass
class Issuer:
    """An issuer whose every answer a test can change."""

    origin: str
    keys: Any = field(default_factory=lambda: [public(FIRST, kid="first")])
    metadata_at: str = RFC8414
    keys_at: str = "/idp/jwks"
    metadata: dict[str, object] = field(default_factory=dict[str, object])
    instead: Response | None = None
    hold: asyncio.Event | None = None
    encodings: set[str] = field(default_factory=set[str])
    asked: list[str] = field(default_factory=list[str])
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        return f"{self.origin}/idp"

    @property
    def fetches(self) -> int:
        return self.asked.count(self.keys_at)

    async def answer(self, request: Request) -> Response:
        path = request.url.path
        self.asked.append(path)
        self.encodings.add(request.headers.get("accept-encoding", ""))
        self.reached.set()
        if self.hold is not None:
            await self.hold.wait()
        if self.instead is not None:
            return self.instead
        if path == self.keys_at:
            return JSONResponse({"keys": self.keys})
        if path == self.metadata_at:
            return JSONResponse({"issuer": self.name, "jwks_uri": self.origin + self.keys_at} | self.metadata)
        return Response(status_code=404)


@dataclass
class Door:
    origin: str = ""
    issuer: Issuer | None = None

    async def answer(self, request: Request) -> Response:
        assert self.issuer
        return await self.issuer.answer(request)


@dataclass
class Clock:
    now: float = 1000

    def __call__(self) -> float:
        return self.now


def open_jwks(client: httpx.AsyncClient, clock: Clock | None = None, **settings: Any) -> Jwks:
    """The keys of the one issuer that the settings trust."""
    read = Settings.model_validate(settings)
    (issuer,) = read.trusted_issuers
    clock = clock or Clock()
    discovery = Discovery(issuer.url, client, plain_http=read.plain_http, clock=clock)
    return Jwks(issuer, discovery, client, clock)
