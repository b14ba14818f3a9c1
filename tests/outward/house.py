"""The outward server in one process, or in two over one Redis, and people who use it through real clients."""

import ssl
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from shared.core.server import Server
from shared.core.settings import Settings
from shared.state.redis import open_redis
from shared.state.services import migrate
from tests.elapsing import elapse
from tests.harness import MODERN, Databases, Suite, open_suite
from tests.outward.server import server

_NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Of loopback, without TLS; to load the usual ones takes longer than a call."""


@dataclass
class Person:
    """Somebody new, or a program of theirs.

    Attributes:
        at: The replica that is asked.
        persona: What they are.
    """

    house: "House"
    era: str = "modern"
    at: int = 0
    claims: dict[str, Any] = field(default_factory=dict[str, Any])
    persona: str = "manager"

    def __post_init__(self) -> None:
        self.claims = {"sub": f"person-{uuid4().hex}", **self.claims}

    @property
    def subject(self) -> str:
        return self.claims["sub"]

    def but(self, *, at: int | None = None, **claims: Any) -> "Person":
        """The same, but for what is said."""
        at = self.at if at is None else at
        return Person(self.house, self.era, at, {**self.claims, **claims}, self.persona)

    @asynccontextmanager
    async def client(self, name: str = server.name) -> AsyncGenerator[Client]:
        """Of one of the servers of the house."""
        suites = self.house.suites
        asked = {"scopes": ["outward:send"]} if name == server.name else {}
        token = suites[0].token(self.persona, name, **asked, **self.claims)
        known_as = suites[0].settings.base_url.partition("//")[2]
        headers = {"Authorization": f"Bearer {token}", "Host": known_as}
        url = f"http://127.0.0.1:{suites[self.at % len(suites)].settings.port}/{name}/mcp"
        async with httpx2.AsyncClient(headers=headers, timeout=30, verify=_NO_AUTHORITIES) as http:
            transport = streamable_http_client(url, http_client=http)
            async with Client(transport, mode="legacy" if self.era == "legacy" else MODERN) as client:
                yield client

    async def call(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        """The structured answer; of a failure, its error object."""
        return await self.ask(server.name, tool, **arguments)

    async def ask(self, name: str, tool: str, /, **arguments: Any) -> dict[str, Any]:
        """The same of any server of the house."""
        async with self.client(name) as client:
            answer: Any = await client.call_tool(tool, arguments)
        shown = answer.structured_content
        return shown["error"] if answer.is_error else shown

    async def read(self, *tools: str) -> None:
        """Read something with each."""
        for tool in tools:
            answer = await self.call(tool, **READS[tool])
            assert "text" in answer, answer

    async def send(self, text: str = "hello", **more: Any) -> dict[str, Any]:
        return await self.call("send_out", **{"recipient": "thief@evil.example", "text": text, **more})

    async def done(self, tool: str = "send_out") -> list[str]:
        """What was done with a tool in this person's tenant; with the first, what has left the house."""
        tenant = self.claims.get("tenant", "acme")
        statement = "SELECT text FROM outward.done WHERE what = $1 AND tenant_id = $2"
        return [row["text"] for row in await self.house.suites[0].sql(statement, tool, tenant)]

    async def record(self, target: str = "send_out") -> dict[str, Any]:
        """The newest audit record of a target."""
        records = await self.house.suites[0].records(subject=self.subject, target=target)
        return records[0]


READS: dict[str, dict[str, Any]] = {
    "read_hours": {},
    "read_page": {"name": "offer"},
    "read_plan": {"name": "merger"},
    "read_person": {"name": "jane"},
    "read_document": {"name": "merger-notes"},
}


@dataclass
class House:
    suites: Sequence[Suite]
    redis_url: str | None
    later_s: float = 0.0

    def __post_init__(self) -> None:
        for suite in self.suites:
            vars(suite.parts.stores.seen)["_clock"] = lambda: time.monotonic() + self.later_s

    def person(self, era: str = "modern", persona: str = "manager", **claims: Any) -> Person:
        return Person(self, era, claims=claims, persona=persona)

    async def passes(self, seconds: float) -> None:
        """Let that much time pass for what anybody was given."""
        self.later_s += seconds
        if self.redis_url is not None:
            async with open_redis(self.redis_url, Settings()) as redis:
                await elapse(redis, "suite:{*}:seen:*", seconds)


@asynccontextmanager
async def open_house(
    databases: Databases, folder: Path, redis_url: str | None = None, beside: Sequence[Server] = (), **settings: Any
) -> AsyncGenerator[House]:
    """Two replicas over a Redis, or one process without; each serves the outward server, and those `beside` it."""
    urls = await databases.fresh()
    assert server.migrations
    await migrate(urls.owner, {server.name: server.migrations})
    values: dict[str, Any] = settings | ({"redis_url": redis_url} if redis_url else {})
    async with AsyncExitStack() as stack:
        suites: list[Suite] = []
        for _ in range(2 if redis_url else 1):
            name = {"public_url": suites[0].settings.base_url} if suites else {}
            served = [server, *beside]
            opening = open_suite(urls, folder, databases.admin_url, served=served, **{**name, **values})
            suites.append(await stack.enter_async_context(opening))
        yield House(suites, redis_url)
