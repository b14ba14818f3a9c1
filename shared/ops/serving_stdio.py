"""One process that serves one server over stdio: a client waits for it, so it imports no more than it needs."""

from shared.core.errors import Misconfigured
from shared.core.server import Server
from shared.core.settings import Settings
from shared.domains import open_domains
from shared.edge.stdio import local_caller, serve
from shared.ops.opening import open_all
from shared.workers import open_workers


async def serve_stdio(settings: Settings, server: Server) -> None:
    """Serve one server over stdin and stdout until stdin ends.

    Raises:
        Misconfigured: It is for browsers.
    """
    if server.web is not None:
        raise Misconfigured(f"{server.name} is used in a browser, not over stdio: `mcp-suite serve {server.name}`")
    one_user = settings.model_copy(update={"pool_min": 1})
    async with (
        open_all(one_user, [server]) as opened,
        open_domains(opened.parts, [server]) as [served],
        open_workers(opened.parts, [served]),
    ):
        pipeline = opened.parts.pipeline(served)
        states = opened.parts.keys.states
        await serve(served, pipeline, local_caller(settings, server.name), states, settings)
