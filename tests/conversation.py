"""A client of the 2025 era that says each thing to the replica it is told to: the worst a round robin can do."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson

from tests.harness import LEGACY, Suite

CAPABLE: dict[str, Any] = {"elicitation": {}}


@dataclass(frozen=True)
class Said:
    """One server-sent event."""

    id: str | None
    message: dict[str, Any] | None


@dataclass
class Conversation:
    """One session, or an attempt at one.

    Attributes:
        replicas: The same server, several times; requests name one by its place. Or the URL of a balancer, which
            chooses by itself.
        session: The id of the session, once there is one.
    """

    replicas: Sequence[Suite] | str
    token: str
    server: str
    http: httpx.AsyncClient
    version: str = LEGACY
    session: str | None = None
    extra: dict[str, str] = field(default_factory=dict[str, str])
    _ids: int = 0

    async def initialize(self, at: int = 0, capabilities: dict[str, Any] | None = None) -> httpx.Response:
        params = {
            "protocolVersion": self.version,
            "capabilities": CAPABLE if capabilities is None else capabilities,
            "clientInfo": {"name": "conversation", "version": "1"},
        }
        answer = await self.post(at, self.request("initialize", params))
        self.session = answer.headers.get("mcp-session-id")
        if self.session:
            assert (await self.post(at, {"jsonrpc": "2.0", "method": "notifications/initialized"})).status_code == 202
        return answer

    def request(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """A message with a new id."""
        self._ids += 1
        return {"jsonrpc": "2.0", "id": self._ids, "method": method, "params": params or {}}

    def tool(self, name: str, *, progress: bool = False, **arguments: Any) -> dict[str, Any]:
        message = self.request("tools/call", {"name": name, "arguments": arguments})
        if progress:
            message["params"]["_meta"] = {"progressToken": message["id"]}
        return message

    async def post(self, at: int, message: dict[str, Any], **extra: str) -> httpx.Response:
        """Send one message, and read the whole answer."""
        return await self.http.post(self._url(at), json=message, headers=self._headers(at) | extra)

    async def call(self, at: int, name: str, **arguments: Any) -> dict[str, Any]:
        """The structured answer of a tool that answers as JSON."""
        answer = (await self.post(at, self.tool(name, **arguments))).json()
        return answer["result"]["structuredContent"]

    async def reply(self, at: int, question: dict[str, Any], **content: Any) -> httpx.Response:
        """Accept what was asked."""
        result = {"action": "accept", "content": content}
        return await self.post(at, {"jsonrpc": "2.0", "id": question["id"], "result": result})

    async def delete(self, at: int) -> httpx.Response:
        return await self.http.delete(self._url(at), headers=self._headers(at))

    @asynccontextmanager
    async def streaming(self, at: int, message: dict[str, Any]) -> AsyncGenerator[AsyncIterator[Said]]:
        """Send a message, and read its answer as a stream."""
        async with self.http.stream("POST", self._url(at), json=message, headers=self._headers(at)) as answer:
            assert answer.headers["content-type"] == "text/event-stream", await answer.aread()
            yield _events(answer)

    @asynccontextmanager
    async def listening(self, at: int, after: str | None = None) -> AsyncGenerator[AsyncIterator[Said]]:
        """Open a stream by GET."""
        headers = self._headers(at) | ({"Last-Event-ID": after} if after else {})
        async with self.http.stream("GET", self._url(at), headers=headers) as answer:
            assert answer.status_code == 200, (answer.status_code, await answer.aread())
            yield _events(answer)

    async def get(self, at: int, **extra: str) -> httpx.Response:
        """A GET that is expected to be refused."""
        return await self.http.get(self._url(at), headers=self._headers(at) | extra)

    def _url(self, at: int) -> str:
        if isinstance(self.replicas, str):
            return self.replicas
        return f"http://127.0.0.1:{self.replicas[at].settings.port}/{self.server}/mcp"

    def _headers(self, at: int) -> dict[str, str]:
        del at
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json, text/event-stream"}
        if not isinstance(self.replicas, str):
            headers["Host"] = self.replicas[0].settings.base_url.partition("//")[2]
        if self.session is not None:
            headers |= {"Mcp-Session-Id": self.session, "MCP-Protocol-Version": self.version}
        return headers | self.extra


async def final(events: AsyncIterator[Said]) -> dict[str, Any]:
    """The answer at the end of a stream."""
    async for said in events:
        if said.message is not None and "method" not in said.message:
            return said.message
    raise AssertionError("the stream ended without an answer")


async def _events(answer: httpx.Response) -> AsyncGenerator[Said]:
    event_id, data = None, ""
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        if name == "id":
            event_id = value
        elif name == "data":
            data = value
        elif line == "" and (event_id or data):
            yield Said(event_id, orjson.loads(data) if data else None)
            event_id, data = None, ""
