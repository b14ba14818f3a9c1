"""A client of the tasks extension as raw HTTP."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import httpx

from tests.harness import Suite, modern, modern_headers

EXTENSION = "io.modelcontextprotocol/tasks"
LISTEN = "subscriptions/listen"
MISSING = "J-" + 26 * "0"
DECLARED: dict[str, Any] = {"_meta": {"io.modelcontextprotocol/clientCapabilities": {"extensions": {EXTENSION: {}}}}}
WITHIN_S = 10


@dataclass
class Talk:
    """One caller at one replica.

    Attributes:
        declares: Whether its client knows tasks.
    """

    suite: Suite
    token: str
    declares: bool = True

    async def ask(self, method: str, params: dict[str, Any], **headers: str) -> httpx.Response:
        more: dict[str, Any] = DECLARED if self.declares else {}
        return await self.suite.post(self.token, method, {**params, **more}, **headers)

    async def begin(self, to: int = 50, **arguments: Any) -> dict[str, Any]:
        """The result of a call that begins a job."""
        answer = await self.ask("tools/call", {"name": "count", "arguments": {"to": to, **arguments}})
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    async def task(self, method: str, task_id: str, **more: Any) -> httpx.Response:
        return await self.ask(f"tasks/{method}", {"taskId": task_id, **more}, **{"Mcp-Name": task_id})

    async def get(self, task_id: str) -> dict[str, Any]:
        answer = await self.task("get", task_id)
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    async def until(self, task_id: str, status: str) -> dict[str, Any]:
        with anyio.fail_after(WITHIN_S):
            while (task := await self.get(task_id))["status"] != status:
                await anyio.sleep(0.05)
        return task

    @asynccontextmanager
    async def following(self, *task_ids: str) -> AsyncGenerator["Followed"]:
        """A stream of these tasks; its acknowledgement was read."""
        params: dict[str, Any] = {"notifications": {"taskIds": [*task_ids]}, **(DECLARED if self.declares else {})}
        headers = modern_headers(LISTEN, params) | {"Authorization": f"Bearer {self.token}"}
        url, body = self.suite.url(), modern(LISTEN, params, "listen-1")
        async with (
            httpx.AsyncClient(timeout=30) as http,
            http.stream("POST", url, json=body, headers=headers) as response,
        ):
            assert response.status_code == 200, await response.aread()
            frames = _frames(response)
            with anyio.fail_after(WITHIN_S):
                acknowledged = await anext(frames)
            assert acknowledged["method"] == "notifications/subscriptions/acknowledged"
            yield Followed(acknowledged["params"]["notifications"].get("taskIds", []), frames)


@dataclass
class Followed:
    """An open stream."""

    honoured: list[str]
    frames: AsyncIterator[dict[str, Any]]

    async def hears(self) -> dict[str, Any]:
        """The next task."""
        with anyio.fail_after(WITHIN_S):
            frame = await anext(self.frames)
        assert frame["method"] == "notifications/tasks", frame
        return frame["params"]

    async def until(self, status: str) -> dict[str, Any]:
        while (task := await self.hears())["status"] != status:
            pass
        return task


async def _frames(response: httpx.Response) -> AsyncGenerator[dict[str, Any]]:
    async for line in response.aiter_lines():
        if line.startswith("data:"):
            yield json.loads(line.removeprefix("data:"))
