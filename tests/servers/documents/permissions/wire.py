"""Requests over HTTP/1.1 with keep-alive, many at once: what a client library costs, a few thousand times over, is
most of a minute.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.harness import modern, modern_headers

CONNECTIONS = 8


@dataclass(frozen=True)
class Said:
    """An answer as it came."""

    status: int
    head: str
    text: str

    @property
    def body(self) -> dict[str, Any]:
        return json.loads(self.text)

    @property
    def result(self) -> dict[str, Any]:
        return self.body["result"]

    @property
    def content(self) -> dict[str, Any]:
        """The structured answer of a tool."""
        return self.result["structuredContent"]


@dataclass(frozen=True)
class Wire:
    """Some connections to one server."""

    url: str
    free: "asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]"

    async def ask(self, token: str, method: str, params: dict[str, Any]) -> Said:
        """One request of the newer era."""
        return await self.send(token, modern(method, params), modern_headers(method, params))

    async def send(self, token: str, message: dict[str, Any], headers: Mapping[str, str]) -> Said:
        at = urlsplit(self.url)
        body = json.dumps(message).encode()
        told = {
            "Host": at.netloc,
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **headers,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        reader, writer = await self.free.get()
        try:
            writer.write(f"POST {at.path} HTTP/1.1\r\n{head}\r\n".encode() + body)
            said = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(line for line in said.lower().split("\r\n") if line.startswith("content-length:"))
            text = (await reader.readexactly(int(length.partition(":")[2]))).decode()
        finally:
            self.free.put_nowait((reader, writer))
        return Said(int(said.split()[1]), said, text)


@asynccontextmanager
async def wired(url: str) -> AsyncGenerator[Wire]:
    at = urlsplit(url)
    wire = Wire(url, asyncio.Queue())
    opened = [await asyncio.open_connection(at.hostname, at.port, limit=2**24) for _ in range(CONNECTIONS)]
    for each in opened:
        wire.free.put_nowait(each)
    try:
        yield wire
    finally:
        for _, writer in opened:
            writer.close()
