"""The composition root: Settings → parts → ASGI application. Nothing else wires anything."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
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

from shared.core.background import Background
from shared.core.errors import Failure, Misconfigured
from shared.core.server import Server
from shared.core.settings import Settings
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
from shared.edge.outbound import Opened, open_upstream
from shared.edge.outbound.reconciling import reconcile
from shared.edge.pressure import Pressure
from shared.edge.refusals import Refusals
from shared.edge.sessions.stopped import ending_stopped
from shared.edge.show_replica import ShowReplica
from shared.pipeline import Pipeline
from shared.state import sendings
from shared.state.announcements import CHANNEL, Announcements
from shared.state.database import Database, open_database
from shared.state.foreign import Foreign, open_domain
from shared.state.jobs.book import Book
from shared.state.jobs.worker import Worker
from shared.state.keys import Keys, load_keys
from shared.state.room import BESIDE_OUR_POOL, warn_if_cramped
from shared.state.stores import Stores, open_stores
from shared.state.switch_table import purge
from shared.state.switch_watch import open_switches
from shared.state.switches import Switches
from shared.steps.audit.recovery import recover
from shared.steps.audit.writer import Writer, open_writer
from shared.steps.auth import Verifier
from shared.steps.idempotency import Ledger
from shared.steps.limits import Limits
from shared.steps.policy import Here, InForce, Policy
from shared.steps.providers import open_providers

_EXPOSED_HEADERS = ("WWW-Authenticate", "Retry-After", "Mcp-Session-Id", "MCP-Protocol-Version")
_LOOK_AFTER_S = 60.0
_WORK_AGAIN_S = 5.0
_RECORDS_POOL = 4

log = structlog.get_logger("app")


@dataclass(frozen=True)
class Parts:
    """What a process opened, for all its servers.

    Attributes:
        records: Where there are upstreams, a small pool for the records of what is sent there: the calls that send
            hold a connection each, and would wait for each other's if they all needed a second one of the same pool.
    """

    settings: Settings
    keys: Keys
    database: Database
    writer: Writer
    stores: Stores
    switches: Switches
    announcements: Announcements
    pressure: Pressure
    checks: dict[str, health.Check] = field(default_factory=dict[str, health.Check])
    domains: dict[str, Foreign] = field(default_factory=dict[str, Foreign])
    upstreams: dict[str, Opened] = field(default_factory=dict[str, Opened])
    records: Database | None = None
    policies: dict[str, InForce] = field(default_factory=dict[str, InForce])

    @property
    def here(self) -> Here:
        """What policies may know of this process."""
        return Here(self.settings.environment, self.settings.read_only)

    def pipeline(self, server: Server) -> Pipeline:
        """The request path of one server."""
        return Pipeline(
            sink=self.writer,
            policy=Policy(self.policies[server.name], self.here, self.stores.seen),
            limits=Limits(self.stores.counters, self.settings, server.name, self.stores.spare, self.pressure.pressed),
            ledger=Ledger(self.database, self.keys.ledger, self.settings, server.name, server.rights),
            rights=server.rights,
            domain=self.domains.get(server.name, self.database),
            cursor_keys=self.keys.cursors,
            deadline_s=self.settings.deadline_s,
            slow_call_s=self.settings.slow_call_s,
            notices=self.stores.notices,
            # Nobody tells of changes to a company's own database.
            metadata=None if server.name in {*self.domains, *self.upstreams} else self.stores.metadata,
            seen=self.stores.seen,
            jobs=Book(self.database, server.name, server.work, self.settings.jobs_kept_h * 3600)
            if server.work
            else None,
            switches=self.switches,
            upstream=self.upstreams.get(server.name),
        )


@asynccontextmanager
async def open_parts(settings: Settings, database_url: str) -> AsyncGenerator[Parts]:
    """Open everything a process needs, resolve what a dead one left behind, and close in the opposite order."""
    keys = load_keys(settings)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(database_url, settings))
        await database.require_tables()
        async with database.connection() as connection:
            beside_ours = BESIDE_OUR_POOL + (_RECORDS_POOL if settings.upstreams else 0)
            await warn_if_cramped(connection, settings, beside_ours)
        writer = await stack.enter_async_context(open_writer(database_url, keys.audit, settings))
        stores = await stack.enter_async_context(open_stores(settings, keys))
        announcements = Announcements(database, stores.notices)
        heard = {} if settings.read_only else {CHANNEL: announcements.wake}
        watching = await stack.enter_async_context(open_switches(database, database_url, stores.bus, settings, heard))
        await recover(database, writer, settings)  # before keys are purged, which would take its evidence away
        tasks = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(tasks.cancel_scope.cancel)
        if not settings.read_only:
            tasks.start_soon(_look_after, database, writer, settings)
        checks: dict[str, health.Check] = {"database": database.check, "audit": writer.check}
        checks["switches"] = watching.check
        if stores.spare is None:  # else reads go on without Redis, and must find their way here
            checks["limits"] = stores.counters.check
        pressure = Pressure(settings)
        parts = Parts(settings, keys, database, writer, stores, watching.switches, announcements, pressure, checks)
        if settings.upstreams:
            beside = settings.model_copy(update={"pool_min": 1, "pool_max": _RECORDS_POOL})
            opened = await stack.enter_async_context(open_database(database_url, beside))
            parts = replace(parts, records=opened)
        yield parts


async def _look_after(database: Database, writer: Writer, settings: Settings) -> None:
    """Every minute, settle what a dead replica left behind and forget keys and switches past their time."""
    while True:
        await anyio.sleep(_LOOK_AFTER_S)
        try:
            await recover(database, writer, settings)
            await database.purge_ledger()
            await sendings.purge(database)
            async with database.connection() as connection:
                await purge(connection)
        except Failure as failure:
            log.warning("looking after the ledger failed, will try again", code=failure.code)


@asynccontextmanager
async def open_domains(parts: Parts, servers: Sequence[Server]) -> AsyncGenerator[list[Server]]:
    """The servers as this process serves them, with their policies in force: over their own tables, or over views of a
    company's own database.
    """
    async with AsyncExitStack() as stack:
        tasks = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(tasks.cancel_scope.cancel)
        served: list[Server] = []
        for server in servers:
            policy = parts.policies[server.name] = InForce(server, parts.settings.policy_dir)
            tasks.start_soon(policy.keep)
            url = parts.settings.domain_url.get(server.name)
            served.append(_as_served(server, parts.settings))
            if url and server.views:
                opening = open_domain(server.name, url.get_secret_value(), server.views, parts.settings)
                domain = parts.domains[server.name] = await stack.enter_async_context(opening)
                parts.checks[f"{server.name} database"] = domain.check
            if (name := _upstream_of(server, parts.settings)) is not None:
                keys, over = parts.keys.ledger, server.over[name]
                upstream = open_upstream(server.name, name, over, parts.settings, parts.records or parts.database, keys)
                parts.upstreams[server.name] = await stack.enter_async_context(upstream)
        yield served


def _upstream_of(server: Server, settings: Settings) -> str | None:
    """The system over which the settings have the server work, if they do."""
    named = sorted(server.over.keys() & settings.upstreams.keys())
    if len(named) + (server.name in settings.domain_url) > 1:
        raise Misconfigured(f"the server {server.name} works over one system; there are {', '.join(named)} and others")
    return named[0] if named else None


def _as_served(server: Server, settings: Settings) -> Server:
    if server.name in settings.domain_url:
        return server.over_views()
    if (name := _upstream_of(server, settings)) is not None:
        return server.over_upstream(name)
    return replace(server, workers=()) if settings.read_only else server


@asynccontextmanager
async def open_workers(
    parts: Parts, served: Sequence[Server], draining: Draining | None = None
) -> AsyncGenerator[None]:
    """Run what the servers do beside their calls; one that fails is started again and takes nobody with it.

    They are stopped as soon as the process is told to: others go on with their work.
    """
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_work, parts, served, draining or Draining())
        try:
            yield
        finally:
            tasks.cancel_scope.cancel()


async def _work(parts: Parts, served: Sequence[Server], draining: Draining) -> None:
    async with anyio.create_task_group() as tasks:
        for server in served:
            background = Background(parts.database, partial(parts.stores.notices.publish, server.name))
            for worker in server.workers:
                tasks.start_soon(_keep_working, server.name, partial(worker, background))
        if not parts.settings.read_only:
            names = [server.name for server in served]
            tasks.start_soon(_keep_working, "suite", partial(parts.announcements.run, names))
            for upstream in parts.upstreams.values():
                tasks.start_soon(_keep_working, upstream.server, partial(reconcile, upstream, parts.writer))
            jobs = Worker(parts.database, parts.stores.notices.publish, parts.settings, served)
            tasks.start_soon(_keep_working, "suite", jobs.work)
        await draining.wait_announced()
        tasks.cancel_scope.cancel()


async def _keep_working(server: str, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await work()
        except Exception:  # the boundary of background work, as protocol.py is that of calls
            log.exception("a worker failed, will start again", server=server)
        await anyio.sleep(_WORK_AGAIN_S)


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
    """The ASGI application over the parts: one endpoint a server, metadata, probes, and `extra` routes."""
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
            exchanges=await stack.enter_async_context(open_exchanges(settings)),
        )
        served = await stack.enter_async_context(open_domains(parts, servers))
        await stack.enter_async_context(open_workers(parts, served, draining))
        tasks.start_soon(parts.pressure.run)
        routes: list[BaseRoute] = [*health.routes(parts.checks, draining), *extra]
        endpoints: dict[str, ASGIApp] = {}
        for server in served:
            address = addresses[server.name]
            revoked = parts.switches.revoked
            verifier = Verifier(settings, server.name, address.resource, providers, revoked=revoked)
            endpoint = Endpoint(server, address, parts.pipeline(server), verifier, common)
            await stack.enter_async_context(endpoint.run())
            gate = endpoints[address.path] = Gate(endpoint, server.name, parts.pressure, refusals, settings)
            shown = metadata(server, address, list(providers))
            routes.append(Route(address.path, gate))
            routes += [Route(path, _metadata_answer(shown)) for path in address.metadata_paths]
        app: ASGIApp = Starlette(routes=routes, middleware=_middleware(settings))
        if not settings.allowed_origins:  # pages of browsers need the answers' CORS headers
            app = Direct(endpoints, app)
        app = HostAndOrigin(app, settings, refusals)
        if settings.show_replica:
            app = ShowReplica(app, settings.show_replica)
        yield Application(app, refusals)


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
