"""A host of client metadata documents: a real HTTP server on loopback, whose every answer a test can change."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.compose.idp.flow import CALLBACK

PATH = "/oauth/client.json"


@dataclass
class DocumentHost:
    """Answers `GET PATH` with `changes` made to a good document, or with `instead`."""

    port: int = 0
    changes: dict[str, Any] = field(default_factory=dict[str, Any])
    instead: bytes | None = None
    hold: asyncio.Event | None = None
    asked: list[str] = field(default_factory=list[str])
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{PATH}"

    def document(self, url: str | None = None) -> dict[str, Any]:
        good: dict[str, Any] = {
            "client_id": url or self.url,
            "client_name": "Described",
            "redirect_uris": [CALLBACK],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
        }
        return {name: value for name, value in {**good, **self.changes}.items() if value is not None}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(request.split()[1].decode())
        self.reached.set()
        if self.hold is not None:
            await self.hold.wait()
        body = json.dumps(self.document()).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(self.instead if self.instead is not None else head.encode() + body)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def document_host() -> AsyncGenerator[DocumentHost]:
    host = DocumentHost()
    server = await asyncio.start_server(host.serve, "127.0.0.1", 0)
    host.port = server.sockets[0].getsockname()[1]
    async with server:
        yield host
