"""One server over stdin and stdout, for one local user: the operating system's login is the authentication."""

import time

from mcp.server.stdio import stdio_server

from shared.core.caller import Caller
from shared.core.server import Server
from shared.core.settings import Settings
from shared.edge.protocol import Protocol
from shared.pipeline import Pipeline


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


async def serve(server: Server, pipeline: Pipeline, caller: Caller) -> None:
    """Serve until stdin ends. Nothing but protocol reaches stdout: the SDK points fd 1 at stderr meanwhile."""
    protocol = Protocol(server, pipeline, lambda _context: caller, "stdio")
    sdk_server = protocol.build()
    async with stdio_server() as (read_stream, write_stream):
        await sdk_server.run(read_stream, write_stream, sdk_server.create_initialization_options())
