"""What a process has, whichever servers it serves: pool, keys, audit, stores, switches, limits."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import anyio
import structlog

from shared.core.errors import Failure
from shared.core.opening import Process
from shared.core.server import Server
from shared.core.settings import Settings
from shared.edge import health
from shared.edge.peers import OpenedPeers, open_peers
from shared.edge.pressure import Pressure
from shared.pipeline import Pipeline
from shared.state import sendings
from shared.state.announcements import CHANNEL, Announcements
from shared.state.approvals.asking import Asking
from shared.state.database import Database, open_database
from shared.state.foreign import Foreign
from shared.state.jobs.book import Book
from shared.state.keys import Keys, load_keys
from shared.state.lending import session_url
from shared.state.lines import lines_of
from shared.state.pooler import require_as_said
from shared.state.renewing import looked_after
from shared.state.roles import Urls
from shared.state.room import BESIDE_OUR_POOL, warn_if_cramped
from shared.state.stores import Stores, open_stores
from shared.state.switch_table import purge
from shared.state.switch_watch import open_switches
from shared.state.switches import Switches
from shared.steps.approvals import Approvals
from shared.steps.audit.recovery import recover
from shared.steps.audit.writer import Writer, open_writer
from shared.steps.idempotency import Ledger
from shared.steps.limits import Limits
from shared.steps.policy import Here, InForce, Policy

if TYPE_CHECKING:
    from shared.edge.outbound.opened import Opened

_LOOK_AFTER_S = 60.0
_RECORDS_POOL = 4

log = structlog.get_logger("app")


@dataclass(frozen=True)
class Parts:
    """What a process opened, for all its servers.

    Attributes:
        records: Where there are upstreams, a small pool for the records of what is sent there: the calls that send
            hold a connection each, and would wait for each other's if they all needed a second one of the same pool.
        urls: Of the database, by role; those that the process was not given are empty.
        everything: Every server there is, whether or not this process serves it.
        opened: What servers opened for themselves (`Server.open`), by server.
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
    upstreams: "dict[str, Opened]" = field(default_factory=dict[str, "Opened"])
    records: Database | None = None
    policies: dict[str, InForce] = field(default_factory=dict[str, InForce])
    peers: OpenedPeers | None = None
    urls: Urls | None = None
    everything: Mapping[str, Server] = field(default_factory=dict[str, Server])
    opened: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def here(self) -> Here:
        """What policies may know of this process."""
        return Here(self.settings.environment, self.settings.read_only)

    @property
    def process(self) -> Process:
        """What servers open with what they need of their own."""
        return Process(
            settings=self.settings,
            urls=self.urls,
            database=self.database,
            stores=self.stores,
            keys=self.keys,
            switches=self.switches,
            sink=self.writer,
            checks=self.checks,
            servers=self.everything,
            publish=self.stores.notices.publish,
        )

    def pipeline(self, server: Server) -> Pipeline:
        """The request path of one server."""
        ledger = Ledger(self.database, self.keys.ledger, self.settings, server.name, server.rights)
        asking = Asking(self.database, self.settings)
        review_url = f"{self.settings.console_base_url}/approvals"
        return Pipeline(
            sink=self.writer,
            policy=Policy(self.policies[server.name], self.here, self.stores.seen),
            limits=Limits(self.stores.counters, self.settings, server.name, self.stores.spare, self.pressure.pressed),
            ledger=ledger,
            approvals=Approvals(asking, ledger, server.name, review_url, self.stores.notices.publish),
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
            opened=self.opened.get(server.name),
            peers=self.peers.asked_by(server.name) if self.peers else None,
        )


@asynccontextmanager
async def open_parts(
    settings: Settings,
    database_url: str,
    *,
    urls: Urls | None = None,
    everything: Mapping[str, Server] | None = None,
) -> AsyncGenerator[Parts]:
    """Open everything a process needs, resolve what a dead one left behind, and close in the opposite order.

    Args:
        settings: Of the process.
        database_url: The application role's.
        urls: Of the database, by role, for servers that open something of their own.
        everything: Every server there is, by name, for the same.
    """
    keys = load_keys(settings)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(looked_after(lines_of(settings)))
        database = await stack.enter_async_context(open_database(database_url, settings))
        await require_as_said(database, database_url, settings)
        await database.require_tables()
        own_url = session_url(settings, database_url)
        async with database.connection() as connection:
            beside_ours = BESIDE_OUR_POOL + (_RECORDS_POOL if settings.upstreams else 0)
            await warn_if_cramped(connection, settings, beside_ours)
        writer = await stack.enter_async_context(open_writer(own_url, keys.audit, settings))
        stores = await stack.enter_async_context(open_stores(settings, keys))
        announcements = Announcements(database, stores.notices)
        heard = {} if settings.read_only else {CHANNEL: announcements.wake}
        watching = await stack.enter_async_context(open_switches(database, own_url, stores.bus, settings, heard))
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
        parts = replace(parts, peers=await stack.enter_async_context(open_peers(settings)))
        parts = replace(parts, urls=urls, everything=everything or {})
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
