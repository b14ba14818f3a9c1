"""The composition root: Settings → parts → ASGI application. Nothing else wires anything."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from shared.core.errors import Misconfigured
from shared.core.server import Server
from shared.core.settings import Settings
from shared.domains import open_domains
from shared.edge import health
from shared.edge.address import Address
from shared.edge.common import Common
from shared.edge.direct import Direct
from shared.edge.draining import Draining
from shared.edge.exchange import open_exchanges
from shared.edge.gate import Gate
from shared.edge.hosts import HostAndOrigin
from shared.edge.http import Endpoint, metadata
from shared.edge.open_streams import open_streams
from shared.edge.refusals import Refusals
from shared.edge.sessions.stopped import ending_stopped
from shared.edge.show_replica import ShowReplica
from shared.edge.web.mounted import Mounted
from shared.edge.web.site import open_site
from shared.parts import Parts
from shared.steps.auth import Verifier
from shared.steps.providers import Provider, open_providers
from shared.workers import open_workers

_EXPOSED_HEADERS = ("WWW-Authenticate", "Retry-After", "Mcp-Session-Id", "MCP-Protocol-Version")

log = structlog.get_logger("app")


@dataclass(frozen=True)
class Application:
    """The ASGI application, and what it counts."""

    asgi: ASGIApp
    refusals: Refusals


@asynccontextmanager
async def open_app(
    parts: Parts,
    servers: Sequence[Server],
    addresses: Mapping[str, Address],
    extra: Sequence[BaseRoute] = (),
    draining: Draining | None = None,
) -> AsyncGenerator[Application]:
    """The ASGI application over the parts: one endpoint or site a server, metadata, probes, and `extra` routes."""
    settings = parts.settings
    async with AsyncExitStack() as stack:
        tasks = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(tasks.cancel_scope.cancel)
        refusals = Refusals(parts.writer)
        tasks.start_soon(refusals.run)
        providers = await stack.enter_async_context(open_providers(settings))
        draining = draining or Draining()
        streams = await stack.enter_async_context(open_streams(parts.stores.bus, draining, settings, parts.switches))
        await stack.enter_async_context(ending_stopped(parts.switches, parts.stores.sessions, parts.stores.bus))
        common = Common(
            settings=settings,
            refusals=refusals,
            states=parts.keys.states,
            sessions=parts.stores.sessions,
            bus=parts.stores.bus,
            replicas=parts.stores.replicas,
            notices=parts.stores.notices,
            streams=streams,
            pressure=parts.pressure,
            draining=draining,
            exchanges=await stack.enter_async_context(open_exchanges(settings, [server.name for server in servers])),
        )
        served = await stack.enter_async_context(open_domains(parts, servers))
        await stack.enter_async_context(open_workers(parts, served, draining))
        tasks.start_soon(parts.pressure.run)
        routes: list[BaseRoute] = [*health.routes(parts.checks, draining), *extra]
        endpoints: dict[str, ASGIApp] = {}
        sites: dict[str, ASGIApp] = {}
        for server in served:
            address = addresses[server.name]
            revoked = parts.switches.revoked
            verifier = Verifier(settings, server.name, address.resource, providers, revoked=revoked)
            if server.web is not None:
                provider = _signs_in(settings, providers)
                site = open_site(server, address, parts.pipeline(server), verifier, provider, common, parts.stores.web)
                sites[address.path] = await stack.enter_async_context(site)
                continue
            endpoint = Endpoint(server, address, parts.pipeline(server), verifier, common)
            await stack.enter_async_context(endpoint.run())
            gate = endpoints[address.path] = Gate(endpoint, server.name, parts.pressure, refusals, settings)
            shown = metadata(server, address, list(providers))
            routes.append(Route(address.path, gate))
            routes += [Route(path, _metadata_answer(shown)) for path in address.metadata_paths]
        app: ASGIApp = Starlette(routes=routes, middleware=_middleware(settings))
        if not settings.allowed_origins:  # pages of browsers need the answers' CORS headers
            app = Direct(endpoints, app)
        if sites:
            app = Mounted(sites, app)
        app = HostAndOrigin(app, settings, refusals)
        if settings.show_replica:
            app = ShowReplica(app, settings.show_replica)
        yield Application(app, refusals)


def _signs_in(settings: Settings, providers: Mapping[str, Provider]) -> Provider:
    """The provider at which people sign in to what they use in a browser."""
    url = settings.console_issuer or settings.token_issuer
    if url not in providers:
        raise Misconfigured(f"SUITE_CONSOLE_ISSUER is {url}; trusted issuers: {', '.join(providers)}")
    return providers[url]


def _metadata_answer(shown: dict[str, Any]) -> Callable[[Request], Awaitable[JSONResponse]]:
    async def answer(_request: Request) -> JSONResponse:
        return JSONResponse(shown, headers={"Cache-Control": "public, max-age=300"})

    return answer


def _middleware(settings: Settings) -> list[Middleware]:
    """CORS for the browser clients that are allowed, and for nobody else."""
    if not settings.allowed_origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=list(settings.allowed_origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["*"],
            expose_headers=list(_EXPOSED_HEADERS),
            max_age=600,
        )
    ]
