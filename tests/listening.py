"""A client of `subscriptions/listen` as raw HTTP: every frame as it came."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import httpx

from tests.harness import Suite, modern, modern_headers

LISTEN = "subscriptions/listen"
ID = "io.modelcontextprotocol/subscriptionId"
WITHIN_S = 10


@dataclass
class Listener:
    """One open stream; its acknowledgement was read."""

    response: httpx.Response
    frames: AsyncIterator[dict[str, Any]]
    acknowledged: dict[str, Any]

    @property
    def honoured(self) -> list[str]:
        return self.acknowledged["params"]["notifications"].get("resourceSubscriptions", [])

    async def frame(self) -> dict[str, Any]:
        with anyio.fail_after(WITHIN_S):
            return await anext(self.frames)

    async def hears(self) -> str:
        """The URI of the next change."""
        frame = await self.frame()
        assert frame["method"] == "notifications/resources/updated", frame
        return frame["params"]["uri"]

    async def ends(self) -> dict[str, Any]:
        """The result that ended the stream, after which nothing came."""
        frame = await self.frame()
        assert "result" in frame, frame
        with anyio.fail_after(WITHIN_S):
            assert [more async for more in self.frames] == []
        return frame["result"]


@asynccontextmanager
async def asking(
    suite: Suite,
    token: str,
    uris: Sequence[str],
    *,
    message_id: Any = "listen-1",
    flags: Mapping[str, bool] | None = None,
    server: str = "customers",
) -> AsyncGenerator[httpx.Response]:
    """The response to a request to listen, its body still to come."""
    params = {"notifications": {"resourceSubscriptions": list(uris), **(flags or {})}}
    headers = modern_headers(LISTEN, params) | {"Authorization": f"Bearer {token}"}
    async with (
        httpx.AsyncClient(timeout=30) as http,
        http.stream("POST", suite.url(server), json=modern(LISTEN, params, message_id), headers=headers) as response,
    ):
        yield response


async def answered(suite: Suite, token: str, uris: Sequence[str], server: str = "customers") -> httpx.Response:
    """The whole answer to a request to listen that is refused, or ended at once."""
    with anyio.fail_after(WITHIN_S):
        async with asking(suite, token, uris, server=server) as response:
            await response.aread()
            return response


@asynccontextmanager
async def listening(
    suite: Suite,
    uris: Sequence[str],
    persona: str = "manager",
    token: str | None = None,
    *,
    server: str = "customers",
    **more: Any,
) -> AsyncGenerator[Listener]:
    """A stream that was acknowledged."""
    async with asking(suite, token or suite.token(persona, server), uris, server=server, **more) as response:
        assert response.status_code == 200, await response.aread()
        frames = _frames(response)
        with anyio.fail_after(WITHIN_S):
            listener = Listener(response, frames, await anext(frames))
        assert listener.acknowledged["method"] == "notifications/subscriptions/acknowledged"
        yield listener


async def _frames(response: httpx.Response) -> AsyncGenerator[dict[str, Any]]:
    async for line in response.aiter_lines():
        if line.startswith("data:"):
            yield json.loads(line.removeprefix("data:"))
