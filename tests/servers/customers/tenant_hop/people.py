"""Somebody who was told handles, thieves who learnt them, and how each of them asks, in either era."""

import json
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx

from compose.idp.provider import IdentityProvider
from tests.conversation import Conversation
from tests.harness import Suite, modern, modern_headers

OWNER = "the owner"
TWIN = "the same name in another tenant"

THIEVES: dict[str, dict[str, Any]] = {
    "another tenant": {"tenant": "globex", "sub": "globex-admin"},
    TWIN: {"tenant": "globex"},
    "a colleague": {"sub": "acme-colleague"},
    "another client": {"client_id": "another-desk"},
}
"""What is another in their tokens than in the owner's; their rights are the same."""

FOREIGNERS: dict[str, dict[str, Any]] = {
    "the same name of another issuer": {"issuer": "other"},
    "the same name of another issuer for the tenant": {"issuer": "second"},
}
"""Thieves where there are several issuers: their tokens say of them what the owner's say, tenant included."""

OUTSIDE = ("another tenant", TWIN)
"""Thieves of another tenant; the second differs from the owner by nothing else."""

WITHIN_S = 8

_CHANCE = re.compile(r'req_[0-9a-f]{16}|"enterprise-mcp-suite/left":\{[^}]*\},?')
"""References, and what is left of the caller's own allowances, are others in each answer."""
_HEADERS = {"date", "content-length"}
_UPDATED = "notifications/resources/updated"


def suffixed(handle: str) -> str:
    """A handle of the same form that nobody was told."""
    return handle[:-8] + ("A" * 8 if handle[-8:] != "A" * 8 else "B" * 8)


def seen(answer: httpx.Response, sent: str) -> tuple[Any, ...]:
    """All that a caller learns of an answer, but for what differs by chance or because they sent it."""
    text = _CHANCE.sub("", answer.text).replace(sent, "HANDLE")
    return answer.status_code, text, sorted((n, v) for n, v in answer.headers.items() if n not in _HEADERS)


@dataclass
class Ear:
    """A stream that tells of changes."""

    honoured: list[str]
    uris: AsyncIterator[tuple[str | None, str]]
    event_id: str | None = None

    async def hears(self) -> str:
        """The URI of the next change; `event_id` is that of the event, where the era has such."""
        with anyio.fail_after(WITHIN_S):
            self.event_id, uri = await anext(self.uris)
        return uri


@dataclass
class Person:
    """A caller, as its token has it."""

    suite: Suite
    http: httpx.AsyncClient
    era: str
    claims: dict[str, Any]
    provider: IdentityProvider
    scopes: list[str] | None = None
    _talks: dict[str, Conversation] = field(default_factory=dict[str, Conversation])

    @property
    def tenant(self) -> str:
        return self.claims["tenant"]

    def token(self, server: str = "customers", **claims: Any) -> str:
        scopes = ["drill:read", "drill:write"] if server == "drill" else self.scopes or ["customers:admin"]
        return self.provider.mint("admin", self.suite.url(server), scopes, **{**self.claims, **claims})

    async def talk(self, server: str = "drill") -> Conversation:
        """A session of the 2025 era, always the same one."""
        if server not in self._talks:
            self._talks[server] = await self.new_talk(server)
        return self._talks[server]

    async def new_talk(self, server: str = "drill") -> Conversation:
        talk = Conversation([self.suite], self.token(server), server, self.http)
        opened = await talk.initialize()
        assert talk.session is not None, opened.text
        return talk

    async def ask(self, method: str, params: dict[str, Any], server: str = "customers") -> httpx.Response:
        """One request, in the person's era."""
        if self.era == "legacy":
            talk = await self.talk(server)
            return await talk.post(0, {"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        body = modern(method, params)
        body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = {"elicitation": {"form": {}}}
        headers = modern_headers(method, params) | {"Authorization": f"Bearer {self.token(server)}"}
        return await self.http.post(self.suite.url(server), json=body, headers=headers)

    async def call(self, tool: str, server: str = "customers", **arguments: Any) -> httpx.Response:
        return await self.ask("tools/call", {"name": tool, "arguments": arguments}, server)

    async def told(self, tool: str, server: str = "customers", **arguments: Any) -> dict[str, Any]:
        """What a tool answers, which is no failure."""
        answer = (await self.call(tool, server, **arguments)).json()
        assert answer.get("result", {}).get("isError") is False, answer
        return answer["result"]["structuredContent"]

    async def completed(self, value: str) -> httpx.Response:
        ref = {"type": "ref/resource", "uri": "customer://{customer_id}"}
        return await self.ask("completion/complete", {"ref": ref, "argument": {"name": "customer_id", "value": value}})

    @asynccontextmanager
    async def hearing(self, *uris: str, server: str = "drill", after: str | None = None) -> AsyncGenerator[Ear]:
        """A stream of the person's era that tells of changes of drill's things; it is open."""
        opening = self._session_stream(uris, server, after) if self.era == "legacy" else self._listen(uris, server)
        async with opening as ear:
            yield ear

    @asynccontextmanager
    async def _listen(self, uris: tuple[str, ...], server: str) -> AsyncGenerator[Ear]:
        params = {"notifications": {"resourceSubscriptions": list(uris)}}
        headers = modern_headers("subscriptions/listen", params) | {"Authorization": f"Bearer {self.token(server)}"}
        body = modern("subscriptions/listen", params)
        async with self.http.stream("POST", self.suite.url(server), json=body, headers=headers) as answer:
            assert answer.status_code == 200, await answer.aread()
            frames = (json.loads(line[5:]) async for line in answer.aiter_lines() if line.startswith("data:"))
            with anyio.fail_after(WITHIN_S):
                first = await anext(frames)
            honoured = first["params"]["notifications"].get("resourceSubscriptions", [])
            yield Ear(honoured, ((None, f["params"]["uri"]) async for f in frames if f.get("method") == _UPDATED))

    @asynccontextmanager
    async def _session_stream(self, uris: tuple[str, ...], server: str, after: str | None) -> AsyncGenerator[Ear]:
        talk = await self.talk(server)
        answers = [(uri, await talk.post(0, talk.request("resources/subscribe", {"uri": uri}))) for uri in uris]
        async with talk.listening(0, after) as events:
            if after is None:
                with anyio.fail_after(WITHIN_S):
                    await anext(events)  # from here on everything is heard
            yield Ear(
                [uri for uri, answer in answers if "result" in answer.json()],
                ((e.id, e.message["params"]["uri"]) async for e in events if e.message is not None),
            )
