"""One server over stdin and stdout, for one local user: the operating system's login is the authentication."""

import asyncio
import os
import signal
import stat
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import structlog
from mcp.server.stdio import stdio_server

from shared.core.caller import Caller
from shared.core.server import Server
from shared.core.settings import Settings
from shared.edge import body
from shared.edge.protocol import Protocol
from shared.pipeline import Pipeline

log = structlog.get_logger("stdio")


def local_caller(settings: Settings) -> Caller:
    """The caller that the settings name; there is no token over stdio (MCP: credentials from the environment)."""
    return Caller(
        subject=settings.stdio_subject,
        issuer="stdio",
        client="stdio",
        tenant=settings.stdio_tenant,
        scopes=Caller.granted(list(settings.stdio_scopes)),
        auth_time=int(time.time()),
    )


async def serve(server: Server, pipeline: Pipeline, caller: Caller, line_limit: int) -> None:
    """Serve until stdin ends or a signal comes; calls in flight are then cancelled, and recorded as such.

    Nothing but protocol reaches stdout: the SDK points fd 1 at stderr meanwhile.
    """
    sdk_server = Protocol(server, pipeline, lambda _context: caller, "stdio").build()
    async with _until_signal(), _stdin(line_limit) as stdin, stdio_server(stdin=stdin) as (received, sent):
        await sdk_server.run(received, sent, sdk_server.create_initialization_options())


class Lines:
    """The lines of a stream that are strict JSON within the limit; the others are logged and dropped."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    def __aiter__(self) -> "Lines":
        return self

    async def __anext__(self) -> str:
        while True:
            try:
                line = await self._reader.readline()
                if not line:
                    raise StopAsyncIteration
                body.check(line)
                return line.decode()
            except body.Malformed as error:
                log.warning("a line was dropped", problem=str(error))
            except ValueError:  # longer than the reader's limit
                log.warning("a line was dropped", problem="longer than SUITE_BODY_LIMIT_BYTES")


@asynccontextmanager
async def _stdin(limit: int) -> AsyncGenerator[Any]:
    """Standard input, read in the event loop so that waiting for it can be cancelled; None for a plain file.

    The SDK's own reader waits in a thread that nothing can interrupt, so that a signal would not end us.
    """
    if stat.S_ISREG(os.fstat(sys.stdin.fileno()).st_mode):
        yield None
        return
    reader = asyncio.StreamReader(limit=limit)
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(os.dup(0), "rb"))
    try:
        yield Lines(reader)
    finally:
        transport.close()
        os.set_blocking(0, True)  # a terminal is shared with the shell


@asynccontextmanager
async def _until_signal() -> AsyncGenerator[None]:
    """Cancel what is inside on SIGTERM or SIGINT."""
    async with anyio.create_task_group() as tasks:

        async def watch() -> None:
            with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                async for _ in signals:
                    tasks.cancel_scope.cancel()

        tasks.start_soon(watch)
        yield
        tasks.cancel_scope.cancel()
