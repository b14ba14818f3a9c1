"""One process that serves one server over stdio: a client waits for it, so it imports no more than it needs."""

import servers
from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from shared.domains import open_domains
from shared.edge.stdio import local_caller, serve
from shared.ops.opening import open_all
from shared.workers import open_workers


async def serve_stdio(settings: Settings, name: str) -> None:
    """Serve one server over stdin and stdout until stdin ends.

    Raises:
        Misconfigured: It is for browsers.
    """
    server = servers.load(name)
    if server.web is not None:
        raise Misconfigured(f"{name} is used in a browser, not over stdio: `mcp-suite serve {name}`")
    one_user = settings.model_copy(update={"pool_min": 1})
    async with (
        open_all(one_user, [server]) as opened,
        open_domains(opened.parts, [server]) as [server],
        open_workers(opened.parts, [server]),
    ):
        pipeline = opened.parts.pipeline(server)
        states = opened.parts.keys.states
        await serve(server, pipeline, local_caller(settings, name), states, settings)
