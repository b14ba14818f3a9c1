"""One server as the suite runs it, with null parts for the controls that are left out.

python -m tests.bench.assembled noop|customers SCOPE CONTROL…        settings come from the environment
"""

import asyncio
import os
import sys
from contextlib import AsyncExitStack, nullcontext
from dataclasses import replace
from pathlib import Path

import uvloop
from starlette.applications import Starlette

import servers
from shared.app import open_parts
from shared.core.server import Server
from shared.core.settings import Settings
from shared.edge.address import Address
from shared.edge.direct import Direct
from shared.edge.hosts import HostAndOrigin
from shared.edge.http import Endpoint
from shared.edge.listen import bind, listen
from shared.edge.refusals import Refusals
from shared.ops.logs import configure
from shared.ops.telemetry import open_telemetry
from shared.state.http import open_client
from shared.steps.auth import Verifier
from shared.steps.jwks import Jwks
from tests.bench import noop, nulls
from tests.bench.idp import provider
from tests.bench.nulls import Control
from tests.bench.sampler import sampling


async def serve(server: Server, settings: Settings, scopes: list[str], on: set[Control]) -> None:
    """As `shared.app.open_app` and `shared.ops.serving.serve_http` do for one server alone."""
    address = Address.of(server.name, settings.base_url, alone=True)
    assert settings.database_url is not None
    async with AsyncExitStack() as stack:
        listening = stack.enter_context(bind(settings))
        await stack.enter_async_context(open_telemetry(settings))
        parts = await stack.enter_async_context(open_parts(settings, settings.database_url.get_secret_value()))
        refusals = Refusals(parts.writer)
        jwks = Jwks(settings, await stack.enter_async_context(open_client()))
        stack.push_async_callback(jwks.aclose)
        verifier = nulls.verifier(Verifier(settings, address.resource, jwks), on, settings, scopes)
        pipeline = nulls.pipeline(parts.pipeline(server), parts.database, on)
        endpoint = Endpoint(server, address, pipeline, verifier, refusals, settings)
        await stack.enter_async_context(endpoint.run())
        app = Direct({address.path: endpoint}, Starlette(routes=provider(settings, server).routes))
        profiled = os.environ.get("BENCH_PROFILE")
        with nulls.replaced(on), sampling(Path(profiled)) if profiled else nullcontext():
            await listen(HostAndOrigin(app, settings, refusals), settings, listening)


def main(name: str, scope: str, *controls: str) -> None:
    settings = Settings()
    configure(settings.log_level)
    server = noop.server if name == noop.server.name else replace(servers.load(name), workers=())
    on = {Control(control) for control in controls}
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(server, settings, [scope], on))


if __name__ == "__main__":
    main(*sys.argv[1:])
