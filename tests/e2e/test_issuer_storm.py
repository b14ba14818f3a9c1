"""Ten thousand tokens of keys nobody has, a provider that rotates, and one that is gone.

The provider is the mock one behind a real HTTP server on loopback that counts what it is asked; the suite is the whole
application, called as ASGI, which is faster than a client over a socket and passes the same code.
"""

import asyncio
import base64
import json
import secrets
import socket
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import servers
from compose.idp.provider import IdentityProvider, idp_app
from shared.app import open_app
from shared.core.settings import Settings
from shared.ops.serving import addresses, scopes_of
from shared.parts import open_parts
from shared.steps import jwks
from shared.steps.challenges import ADVICE
from tests.harness import GENEROUS, Databases, modern, modern_headers
from tests.loopback import tcp_listener

pytestmark = pytest.mark.anyio

REQUESTS = 10_000
AT_ONCE = 50
REFILL_S = 1.0
"""A tenth of what is usual, so that nobody has to wait; the bound is the same but for this number."""
BODY = json.dumps(modern("tools/list", {})).encode()

Answer = tuple[int, dict[str, Any]]


@dataclass
class Door:
    """The provider's HTTP server, until it is shut."""

    app: ASGIApp
    listener: socket.socket
    fetches: int = 0
    _task: asyncio.Task[None] | None = None
    _server: uvicorn.Server | None = None

    def open(self) -> None:
        config = uvicorn.Config(self, log_level="critical", lifespan="off", ws="none")
        self._server = uvicorn.Server(config)
        self._task = asyncio.create_task(self._server.serve([self.listener]))

    async def shut(self) -> None:
        """Nobody answers there any more."""
        assert self._server
        assert self._task
        self._server.should_exit = True
        async with asyncio.timeout(5):
            await self._task
        self.listener.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.fetches += scope["path"].endswith("/jwks.json")
        await self.app(scope, receive, send)


@dataclass
class Storm:
    """A suite, its provider, and what was answered in all."""

    suite: ASGIApp
    provider: IdentityProvider
    door: Door
    host: str
    resource: str
    answered: Counter[str] = field(default_factory=Counter[str])

    def good(self, **claims: Any) -> str:
        return self.provider.mint("manager", self.resource, **claims)

    def of_an_unknown_key(self) -> str:
        header = {"alg": "ES256", "typ": "at+jwt", "kid": secrets.token_hex(8)}
        first = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
        return first + self.rest

    def __post_init__(self) -> None:
        _, claims, signature = self.good().split(".")
        self.rest = f".{claims}.{signature}"

    async def ask(self, token: str) -> Answer:
        """Status and body of one `tools/list`."""
        named = {**modern_headers("tools/list", {}), "Host": self.host, "Content-Type": "application/json"}
        named |= {"Authorization": f"Bearer {token}", "Content-Length": str(len(BODY))}
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/customers/mcp",
            "raw_path": b"/customers/mcp",
            "root_path": "",
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode()) for name, value in named.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        sent: list[Message] = []
        asked = iter([{"type": "http.request", "body": BODY, "more_body": False}])

        async def receive() -> Message:
            message = next(asked, None)
            return message if message is not None else await asyncio.Future[Message]()

        async def send(message: Message) -> None:
            sent.append(message)

        await self.suite(scope, receive, send)
        body = b"".join(message.get("body", b"") for message in sent[1:])
        self.answered[str(sent[0]["status"])] += 1
        return sent[0]["status"], json.loads(body)

    async def until(self, token: Callable[[], str], status: int) -> Answer:
        """The first answer of this status, within a few seconds."""
        async with asyncio.timeout(10):
            while (answer := await self.ask(token()))[0] != status:
                await asyncio.sleep(0.05)
        return answer


@pytest.fixture
async def storm(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Storm]:
    monkeypatch.setattr(jwks, "REFILL_S", REFILL_S)
    urls = await databases.fresh()
    with tcp_listener() as listener:
        issuer = f"http://127.0.0.1:{listener.getsockname()[1]}/idp"
        settings = Settings.model_validate({**GENEROUS, "port": 8080, "data_dir": tmp_path, "issuer": issuer})
        served = servers.over_mcp()
        where = addresses(settings, served, alone=False)
        resources = {where[server.name].resource: scopes_of(server) for server in served}
        provider = IdentityProvider(issuer, resources=resources)
        door = Door(idp_app(provider), listener)
        door.open()
        async with open_parts(settings, urls.app) as parts, open_app(parts, served, where) as app:
            yield Storm(app.asgi, provider, door, "127.0.0.1:8080", where["customers"].resource)
        if door.listener.fileno() != -1:
            await door.shut()


@asynccontextmanager
async def noted(storm: Storm, what: str, show: Callable[..., None]) -> AsyncGenerator[None]:
    """Show what this part cost, and hold it to the bound."""
    storm.answered.clear()
    before, began = storm.door.fetches, time.monotonic()
    yield
    took_s = time.monotonic() - began
    fetches, bound = storm.door.fetches - before, jwks.BURST + took_s / REFILL_S
    answers = ", ".join(f"{count} × {status}" for status, count in sorted(storm.answered.items()))
    show(f"{what}: {answers} in {took_s:.1f} s; {fetches} fetches of keys, at most {bound:.1f} allowed")
    assert fetches <= bound


async def test_ten_thousand_unknown_keys_cost_few_fetches_and_a_provider_that_is_gone_takes_nobody_with_it(
    storm: Storm, show: Callable[..., None]
) -> None:
    cached = storm.good()
    assert (await storm.ask(cached))[0] == HTTPStatus.OK

    storm.provider.rotate()
    assert (await storm.ask(storm.good()))[0] == HTTPStatus.OK  # from its first token on
    assert storm.door.fetches == 2

    async def one_of_many(share: range) -> None:
        for number in share:
            status, body = await storm.ask(storm.of_an_unknown_key())
            assert (status, body["error_description"]) == (HTTPStatus.UNAUTHORIZED, ADVICE["key"])
            if number % 100 == 0:
                assert (await storm.ask(cached))[0] == HTTPStatus.OK

    async with noted(storm, "storm", show), asyncio.TaskGroup() as many:
        for first in range(AT_ONCE):
            many.create_task(one_of_many(range(first, REQUESTS, AT_ONCE)))
    assert storm.answered["401"] == REQUESTS
    assert storm.answered["200"] == REQUESTS // 100

    storm.provider.rotate()
    late = storm.good()
    await storm.until(lambda: late, HTTPStatus.OK)  # as soon as one more fetch is allowed

    await storm.door.shut()
    async with noted(storm, "provider gone", show):
        for token in (cached, late, storm.good()):  # the last was never seen, but its key was
            assert (await storm.ask(token))[0] == HTTPStatus.OK
        _, body = await storm.until(storm.of_an_unknown_key, HTTPStatus.SERVICE_UNAVAILABLE)
        assert "identity provider does not answer" in json.dumps(body)
        told = {(await storm.ask(storm.of_an_unknown_key()))[0] for _ in range(200)}
        assert told <= {HTTPStatus.UNAUTHORIZED, HTTPStatus.SERVICE_UNAVAILABLE}
        assert (await storm.ask(cached))[0] == HTTPStatus.OK
