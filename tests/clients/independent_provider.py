"""An identity provider nobody here wrote, as a process, and people who sign in there as a browser would."""

import base64
import hashlib
import json
import secrets
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import anyio
import httpx
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp.shared.auth import AuthorizationCodeResult

from tests.clients.node.npm import NODE, installed
from tests.clients.sign_in import CALLBACK, SignIn

FOLDER = Path(__file__).parent / "node-idp"
CLIENT_ID = "suite"

_WITHIN_S = 20
_LINE_MOST = 64 * 1024
_REDIRECTS_MOST = 10


@dataclass
class IndependentProvider:
    """The running provider.

    Attributes:
        issuer: Its URL, `iss` of its tokens.
        client_secret: With which our servers, there called `CLIENT_ID`, ask about tokens.
    """

    issuer: str
    client_secret: str
    _process: Process
    _said: BufferedByteReceiveStream

    async def serve(self, resource: str, scopes: Iterable[str], *, opaque: bool = False, ttl_s: int = 60) -> None:
        """Issue tokens for a resource from now on: such ones, for so long."""
        line = {"resource": resource, "scopes": " ".join(scopes), "format": "opaque" if opaque else "jwt"}
        assert self._process.stdin is not None
        await self._process.stdin.send(json.dumps({**line, "ttl_s": ttl_s}).encode() + b"\n")
        assert await _line(self._said) == {"resource": resource}


async def _line(said: BufferedByteReceiveStream) -> dict[str, Any]:
    with anyio.fail_after(_WITHIN_S):
        return json.loads(await said.receive_until(b"\n", _LINE_MOST))


@asynccontextmanager
async def independent_provider(log: Path) -> AsyncGenerator[IndependentProvider]:
    """Start it, and end it; skips the test when its packages cannot be had."""
    installed(FOLDER)
    secret = secrets.token_hex(32)
    command = [str(NODE), str(FOLDER / "provider.mjs"), CLIENT_ID, secret]
    with log.open("wb") as errors:
        async with await anyio.open_process(command, stderr=errors) as process:
            try:
                assert process.stdout is not None
                said = BufferedByteReceiveStream(process.stdout)
                yield IndependentProvider((await _line(said))["issuer"], secret, process, said)
            finally:
                process.kill()


@dataclass
class Person:
    """Somebody before a browser.

    Attributes:
        name: `sub` of their tokens.
        acr: How they sign in: with a `password`, or with `two-factors`.
        never: A scope they never consent to.
        asked: What they were asked, in order: what the provider told of each prompt.
    """

    name: str
    browser: httpx.AsyncClient
    acr: str = "password"
    never: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    async def authorize(self, url: str) -> dict[str, str]:
        """Follow the provider to the client's redirect URI, and answer whatever it asks; what the client is told."""
        for _ in range(_REDIRECTS_MOST):
            answer = await self.browser.get(url)
            if answer.status_code == 200:
                asked = answer.json()
                self.asked.append(asked)
                answer = await self.browser.post(url, data=self._says(asked))
            assert answer.is_redirect, f"{answer.status_code} {answer.text}"
            url = str(answer.url.join(answer.headers["location"]))
            if url.startswith(CALLBACK):
                return {name: value for name, (value,) in parse_qs(urlsplit(url).query).items()}
        raise AssertionError("the provider redirects without end")

    def _says(self, asked: dict[str, Any]) -> dict[str, str]:
        if asked["prompt"] == "login":
            return {"person": self.name, "acr": self.acr}
        wanted = asked.get("missingResourceScopes", {}).values()
        return {"allow": " ".join(scope for scopes in wanted for scope in scopes if scope != self.never)}


class IndependentSignIn(SignIn):
    """The SDK's own client, and a person who signs in at this provider."""

    def __init__(self, person: Person, url: str) -> None:
        super().__init__(person.name, url)
        self._person = person
        self._told: dict[str, str] = {}

    async def browse(self, authorize_url: str) -> None:
        self.asked.append(authorize_url)
        self._told = await self._person.authorize(authorize_url)

    async def come_back(self) -> AuthorizationCodeResult:
        return AuthorizationCodeResult(**{name: self._told[name] for name in ("code", "state", "iss")})


@dataclass(frozen=True)
class Granted:
    """A token, and the client it was issued to."""

    token: str
    client: tuple[str, str]
    metadata: dict[str, Any]


async def granted(provider: IndependentProvider, person: Person, resource: str, scopes: str, **more: str) -> Granted:
    """A token for a resource by the plainest client there could be: `more` is what it asks for besides."""
    http = person.browser
    metadata = (await http.get(f"{provider.issuer}/.well-known/openid-configuration")).json()
    registered = await http.post(metadata["registration_endpoint"], json={"redirect_uris": [CALLBACK]})
    client = (registered.json()["client_id"], registered.json()["client_secret"])
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    asks = {
        **{"response_type": "code", "client_id": client[0], "redirect_uri": CALLBACK, "state": "state"},
        **{"code_challenge": challenge, "code_challenge_method": "S256", "resource": resource, "scope": scopes},
        **more,
    }
    told = await person.authorize(f"{metadata['authorization_endpoint']}?{urlencode(asks)}")
    assert "code" in told, told
    form = {"grant_type": "authorization_code", "code": told["code"], "redirect_uri": CALLBACK, "resource": resource}
    answer = await http.post(metadata["token_endpoint"], data={**form, "code_verifier": verifier}, auth=client)
    assert answer.status_code == 200, answer.text
    return Granted(answer.json()["access_token"], client, metadata)


async def revoke(http: httpx.AsyncClient, one: Granted) -> None:
    """As the client may (RFC 7009)."""
    answer = await http.post(one.metadata["revocation_endpoint"], data={"token": one.token}, auth=one.client)
    assert answer.status_code == 200, answer.text
