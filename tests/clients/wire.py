"""A server over stdio as its process is: lines in, lines out, nothing of an SDK between."""

import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.harness import LEGACY, modern

COMMAND = [str(Path(sys.executable).with_name("mcp-suite")), "serve", "customers", "--stdio"]
_ANSWER_S = 30
_LINE_MAX = 2**20


@dataclass
class Wire:
    """A running server.

    Attributes:
        lines: Everything it wrote to stdout so far.
        errors: The file it writes its log to.
    """

    process: Process
    errors: Path
    era: str
    lines: list[bytes] = field(default_factory=list[bytes])

    def __post_init__(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.stdin = self.process.stdin
        self._stdout = BufferedByteReceiveStream(self.process.stdout)

    async def send(self, line: bytes) -> None:
        await self.stdin.send(line + b"\n")

    def request(self, method: str, params: dict[str, Any], message_id: Any) -> bytes:
        """A request of this server's era."""
        body = {"jsonrpc": "2.0", "id": message_id, "method": method, "params": params}
        return json.dumps(body if self.era == "legacy" else modern(method, params, message_id)).encode()

    async def ask(self, method: str, params: dict[str, Any], message_id: Any = 1) -> dict[str, Any]:
        """The answer to one request, whatever is said before it."""
        await self.send(self.request(method, params, message_id))
        with anyio.fail_after(_ANSWER_S):
            while True:
                answer = await self.read()
                if answer.get("id") == message_id:
                    return answer

    async def call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        answer = await self.ask("tools/call", {"name": tool, "arguments": arguments})
        return answer["result"]

    async def greet(self) -> None:
        """What comes before anything else in the 2025 era; a first question in the other."""
        if self.era == "legacy":
            client = {"name": "test", "version": "1"}
            hello = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": client}
            assert (await self.ask("initialize", hello))["result"]["protocolVersion"] == LEGACY
            await self.send(b'{"jsonrpc":"2.0","method":"notifications/initialized"}')
        else:
            assert "result" in await self.ask("server/discover", {})

    async def read(self) -> dict[str, Any]:
        self.lines.append(await self._stdout.receive_until(b"\n", _LINE_MAX))
        return json.loads(self.lines[-1])

    async def hang_up(self, within_s: float) -> int:
        """Close its stdin, read what it still says, and return its exit code."""
        begun = time.monotonic()
        await self.stdin.aclose()
        code = await self.ended(within_s)
        assert time.monotonic() - begun < within_s
        return code

    async def ended(self, within_s: float) -> int:
        with anyio.fail_after(within_s):
            try:
                while True:
                    await self.read()
            except (anyio.EndOfStream, anyio.IncompleteRead):
                return await self.process.wait()

    def log(self) -> str:
        return self.errors.read_text()


@asynccontextmanager
async def wired(env: Mapping[str, str], errors: Path, era: str = "modern") -> AsyncGenerator[Wire]:
    """The console script with these settings; killed at the end, if it has not ended by then."""
    with errors.open("wb") as log:
        process = await anyio.open_process(
            COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env={**_outside(), **env}
        )
    try:
        yield Wire(process, errors, era)
    finally:
        with anyio.CancelScope(shield=True):
            if process.returncode is None:
                process.kill()
            await process.aclose()


def _outside() -> dict[str, str]:
    """Our environment without what would configure the server."""
    ours = ("SUITE_", "DATABASE_URL", "REDIS_URL")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}
