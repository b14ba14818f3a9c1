"""The composition root: Settings → parts → ASGI application. Nothing else wires anything."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
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


@dataclass(frozen=True)
class _Mounts:
    """What answers at which path: the endpoints of MCP, the sites of people, and the routes of all but the sites."""

    routes: list[BaseRoute]
    endpoints: dict[str, ASGIApp] = field(default_factory=dict[str, ASGIApp])
    sites: dict[str, ASGIApp] = field(default_factory=dict[str, ASGIApp])


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
    draining = draining or Draining()
    refusals = Refusals(parts.writer)
    async with AsyncExitStack() as stack:
        tasks = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(tasks.cancel_scope.cancel)
        tasks.start_soon(refusals.run)
        providers = await stack.enter_async_context(open_providers(settings))
        common = await stack.enter_async_context(_open_common(parts, servers, refusals, draining))
        served = await stack.enter_async_context(open_domains(parts, servers))
        await stack.enter_async_context(open_workers(parts, served, draining))
        tasks.start_soon(parts.pressure.run)
        mounts = _Mounts([*health.routes(parts.checks, draining), *extra])
        for server in served:
            address = addresses[server.name]
            await stack.enter_async_context(_mounted(mounts, server, address, parts, providers, common))
        yield Application(_layered(mounts, settings, refusals), refusals)


@asynccontextmanager
async def _open_common(
    parts: Parts, servers: Sequence[Server], refusals: Refusals, draining: Draining
) -> AsyncGenerator[Common]:
    """What the endpoints share; streams and sessions of whoever is stopped end meanwhile."""
    settings, stores, switches = parts.settings, parts.stores, parts.switches
    async with (
        open_streams(stores.bus, draining, settings, switches) as streams,
        ending_stopped(switches, stores.sessions, stores.bus),
        open_exchanges(settings, [server.name for server in servers]) as exchanges,
    ):
        yield Common(
            settings=settings,
            refusals=refusals,
            states=parts.keys.states,
            sessions=stores.sessions,
            bus=stores.bus,
            replicas=stores.replicas,
            notices=stores.notices,
            streams=streams,
            pressure=parts.pressure,
            draining=draining,
            exchanges=exchanges,
        )


@asynccontextmanager
async def _mounted(
    mounts: _Mounts,
    server: Server,
    address: Address,
    parts: Parts,
    providers: Mapping[str, Provider],
    common: Common,
) -> AsyncGenerator[None]:
    """The server at its path, for as long as the context lasts: its pages, or its endpoint and metadata."""
    settings, pipeline = parts.settings, parts.pipeline(server)
    verifier = Verifier(settings, server.name, address.resource, providers, revoked=parts.switches.revoked)
    if server.web is not None:
        provider = _signs_in(settings, providers)
        async with open_site(server, address, pipeline, verifier, provider, common, parts.stores.web) as site:
            mounts.sites[address.path] = site
            yield
        return
    endpoint = Endpoint(server, address, pipeline, verifier, common)
    async with endpoint.run():
        gate = mounts.endpoints[address.path] = Gate(endpoint, server.name, parts.pressure, common.refusals, settings)
        shown = _metadata_answer(metadata(server, address, list(providers)))
        mounts.routes.append(Route(address.path, gate))
        mounts.routes.extend(Route(path, shown) for path in address.metadata_paths)
        yield


def _layered(mounts: _Mounts, settings: Settings, refusals: Refusals) -> ASGIApp:
    """What each request passes before a path is looked at, the last named here first."""
    app: ASGIApp = Starlette(routes=mounts.routes, middleware=_middleware(settings))
    if not settings.allowed_origins:  # pages of browsers need the answers' CORS headers
        app = Direct(mounts.endpoints, app)
    if mounts.sites:
        app = Mounted(mounts.sites, app)
    app = HostAndOrigin(app, settings, refusals)
    if settings.show_replica:
        app = ShowReplica(app, settings.show_replica)
    return app


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
