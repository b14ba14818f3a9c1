"""What only a session of the 2025 era can do: answer a question, hear of a change, go on with a stream that broke.

    python conversation.py URL NAME

URL is the drill server's (`tests/drill`), behind whatever balancer; NAME is what to answer when asked, and the id of
the thing to change. The access token comes from TOKEN, an authority to trust from SSL_CERT_FILE. Every step is
asserted; what was seen is printed as one JSON object, whose words `tests/clients/node/conversation.mjs` shares.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from importlib.metadata import version
from typing import Any

import httpx
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.context import RequestContext
from mcp.types import ElicitRequestParams, ElicitResult, ResourceUpdatedNotification, ServerNotification
from pydantic import AnyUrl

STEPS = 12
BREAKS_AFTER = 4


class Breaking(httpx.AsyncByteStream):
    """A body whose connection breaks."""

    def __init__(self, inner: httpx.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        said = 0
        async for piece in self._inner:
            yield piece
            said += piece.count(b"data: {")
            if said >= BREAKS_AFTER:
                raise httpx.ReadError("broken on purpose")

    async def aclose(self) -> None:
        await self._inner.aclose()


class Wire(httpx.AsyncHTTPTransport):
    """Notes who answered what; the stream of the call of `count` breaks, once."""

    def __init__(self) -> None:
        super().__init__(verify=httpx.create_ssl_context())
        self.answered: list[dict[str, str]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        asked: dict[str, Any] = json.loads(request.content) if request.method == "POST" else {}
        called = asked.get("params", {}).get("name") if asked.get("method") == "tools/call" else None
        what = "answer" if asked and "method" not in asked else called or asked.get("method", request.method)
        if "last-event-id" in request.headers:
            what = "resume"
        self.answered.append({"what": what, "replica": response.headers.get("suite-replica", "balancer")})
        if called == "count":
            assert isinstance(response.stream, httpx.AsyncByteStream)
            response.stream = Breaking(response.stream)
        return response


async def main(url: str, name: str) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    progress: list[float] = []

    async def tell(context: RequestContext[Any, Any], params: ElicitRequestParams) -> ElicitResult:
        return ElicitResult(action="accept", content={"name": name, "mood": "well"})

    async def hear(message: Any) -> None:
        if isinstance(message, ServerNotification) and isinstance(message.root, ResourceUpdatedNotification):
            heard.put_nowait(str(message.root.params.uri))

    async def note(step: float, total: float | None, message: str | None) -> None:
        progress.append(step)

    async def call(tool: str, **arguments: Any) -> dict[str, Any]:
        result = await session.call_tool(tool, arguments, progress_callback=note if tool == "count" else None)
        assert not result.isError, result
        assert result.structuredContent is not None
        return result.structuredContent

    wire = Wire()
    headers = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
    async with (
        httpx.AsyncClient(headers=headers, timeout=30, transport=wire) as http,
        streamable_http_client(url, http_client=http) as (reading, writing, _session_id),
        ClientSession(reading, writing, elicitation_callback=tell, message_handler=hear) as session,
    ):
        protocol = (await session.initialize()).protocolVersion
        greeted = await call("greet")
        await call("put", id=name, value="old", idempotency_key=f"{name}-old")
        await session.subscribe_resource(AnyUrl(f"drill://things/{name}"))
        async with asyncio.timeout(20):  # what changed before the stream was there is not told
            while "GET" not in [each["what"] for each in wire.answered]:
                await asyncio.sleep(0.01)
        await call("put", id=name, value="new", idempotency_key=f"{name}-new")
        told = await asyncio.wait_for(heard.get(), 20)
        counted = await call("count", to=STEPS, pause_s=0.05)
    seen = {"greeted": greeted, "heard": told, "progress": progress, "counted": counted, "answered": wire.answered}
    print(json.dumps({"sdk": version("mcp"), "protocol": protocol, **seen}))  # noqa: T201 - the interface of a program


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
