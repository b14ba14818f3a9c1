"""`mcp-suite serve`: one server, over HTTP or over stdio."""

import sys
from typing import Annotated

import typer

import servers
from shared.core.errors import Misconfigured
from shared.ops.importing import importing
from shared.ops.running import complete, read_settings

ServerName = Annotated[str, typer.Argument(help="One of the folders under servers/.")]


def serve(
    server: ServerName,
    stdio: Annotated[bool, typer.Option("--stdio", help="Over stdin and stdout, for one local user.")] = False,
) -> None:
    """Serve one server: over HTTP at /mcp, or over stdio."""
    if stdio:
        over_stdio(server)
    else:
        over_http(server)


def over_http(server: str) -> None:
    from shared.ops.serving import serve_http  # noqa: PLC0415 - over stdio a client waits, and has no use for it

    settings = read_settings(serving=True)
    complete(lambda: serve_http(settings, [servers.load(server)], alone=True))


def over_stdio(server: str) -> None:
    """Serve until stdin ends. A client waits for the first answer: the embedded database starts while we import."""
    _require_lines()
    settings = read_settings(serving=True)
    from shared.state.warming import warmed  # noqa: PLC0415 - the settings say first whether they can be used

    with warmed(settings):
        with importing():
            from shared.ops.serving_stdio import serve_stdio  # noqa: PLC0415 - this is what takes the time

            found = servers.load(server)
        complete(lambda: serve_stdio(settings, found))


def _require_lines() -> None:
    """A descriptor that is closed would be given to the next file or connection, and be read from as if it were a
    client's.
    """
    if sys.stdin is None or sys.stdout is None:
        raise Misconfigured("a server over stdio needs stdin and stdout, and one of them is closed")
    if sys.stdin.isatty():
        told = "This speaks MCP, a line a message, to a client that starts it: `mcp-suite connect`. Ctrl-D ends it."
        typer.echo(told, err=True)
