"""`mcp-suite serve`: one server, over HTTP or over stdio."""

import gc
from collections.abc import Coroutine
from typing import Annotated, Any

import typer

import servers
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
    """Serve until stdin ends. A client waits for the first answer: the embedded database starts while we import, and
    nobody looks for garbage in what is imported, which would be a tenth of the time.
    """
    gc.disable()
    settings = read_settings(serving=True)
    from shared.state.warming import warmed  # noqa: PLC0415 - the settings say first whether they can be used

    with warmed(settings):
        from shared.ops.serving_stdio import serve_stdio  # noqa: PLC0415 - this is what takes the time

        def serving() -> Coroutine[Any, Any, None]:
            gc.freeze()
            gc.enable()
            return serve_stdio(settings, server)

        complete(serving)
