"""Replicas that can be told what to do, written on sockets: a framework would tidy up what these tests are about."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

_TURNS = 10


@dataclass(frozen=True)
class Seen:
    """A request as it came."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> list[str]:
        return [value for found, value in self.headers if found == name]


@dataclass
class Fake:
    """One replica. It answers who it is and what it was sent, or does what the header `Do` says.

    `die`      breaks the connection, after it has counted the request
    `stream`   sends events, each with the moment it left, until the reader goes away
    """

    name: str
    port: int = 0
    ready: bool = True
    headers: dict[str, str] = field(default_factory=dict[str, str])
    every_s: float = 0.05
    host: str = "127.0.0.1"
    seen: list[Seen] = field(default_factory=list[Seen])
    connections: int = 0
    streams: int = 0
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set[asyncio.StreamWriter])

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connected, self.host, self.port, limit=2**22)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse connections from now on, and break those there are."""
        assert self._server is not None
        self._server.close()
        for _ in range(_TURNS):  # one that was just accepted is open a few turns of the loop later
            for writer in self._open:
                writer.transport.abort()
            await asyncio.sleep(0)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                first = True
                while await self._answer(await _request(reader), reader, writer, first=first):
                    first = False
        finally:
            self._open.discard(writer)
            writer.close()

    async def _answer(
        self, request: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, first: bool
    ) -> bool:
        if request.header("host") == ["balancer"]:
            well = self.ready or request.path == "/livez"
            self._write(writer, 200 if well else 503, b"{}")
            return True
        self.connections += first
        self.seen.append(request)
        match request.header("do"):
            case ["die"]:
                writer.transport.abort()
                return False
            case ["stream"]:
                await self._stream(reader, writer)
                return False
            case _:
                told = {"replica": self.name, "headers": request.headers, "length": len(request.body)}
                self._write(writer, 200, json.dumps(told).encode())
                await writer.drain()
                return True

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
        writer.write(head.encode())
        self.streams += 1
        try:
            while not reader.at_eof():
                event = {"replica": self.name, "sent": time.time()}
                writer.write(f"data: {json.dumps(event)}\n\n".encode())
                await writer.drain()
                with suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(1), self.every_s)
        finally:
            self.streams -= 1

    def _write(self, writer: asyncio.StreamWriter, status: int, body: bytes) -> None:
        headers = {"server": "fake", "x-powered-by": "fake", "content-type": "application/json", **self.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {status} x\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body)


async def _request(reader: asyncio.StreamReader) -> Seen:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ")
    pairs = [line.partition(":") for line in head[1:] if line]
    headers = [(name.lower(), value.strip()) for name, _, value in pairs]
    request = Seen(method, path, headers, b"")
    length = int((request.header("content-length") or ["0"])[0])
    if request.header("transfer-encoding"):
        return Seen(method, path, headers, await _chunks(reader))
    return Seen(method, path, headers, await reader.readexactly(length))


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return body


@asynccontextmanager
async def fakes(*names: str) -> AsyncGenerator[list[Fake]]:
    made = [Fake(name) for name in names]
    for one in made:
        await one.start()
    try:
        yield made
    finally:
        for one in made:
            await one.stop()
