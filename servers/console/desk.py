"""What the console works with: what is kept for people to decide and to look into, opened once per process."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from shared.core.approvals import ANY, Kept, approval_uri
from shared.core.errors import Misconfigured
from shared.core.opening import Process
from shared.core.server import Server
from shared.core.tool import Call
from shared.state.approvals.inbox import Inbox
from shared.state.database import open_database

_CONNECTIONS = 5
"""People look at few pages at a time."""


@dataclass(frozen=True)
class Desk:
    """Everything the console's tools reach beside their arguments.

    Attributes:
        inbox: The approvals.
        servers: Every server there is, by name: what they declare says how their calls are shown.
        publish: Tells who follows something of a server, in a tenant.
        database: The pool of the console's role: its `snapshot` shows one tenant's part of the audit and the switches.
        audit_keys: What the audit is signed with (`KeyRing`).
        sink: Where switching is recorded.
        bus: Tells replicas what was switched, at once.
        policies: The folder of the company's own policies, if it has any.
        checks: The health checks of this process, by name.
    """

    inbox: Inbox
    servers: Mapping[str, Server]
    publish: Callable[[str, str, Sequence[str]], Awaitable[None]] | None = None
    database: Any = None
    audit_keys: Any = None
    sink: Any = None
    bus: Any = None
    policies: Path | None = None
    checks: Mapping[str, Any] = field(default_factory=dict[str, Any])

    async def tell(self, kept: Kept) -> None:
        """Tell the console's open pages, and whoever follows the call at its server, that something was decided."""
        if self.publish is not None:
            uri = approval_uri(kept.id)
            await self.publish("console", kept.tenant, [ANY, uri])
            await self.publish(kept.server, kept.tenant, [uri])


def desk(call: Call) -> Desk:
    """The desk of this call's process."""
    return cast("Desk", call.opened)


@asynccontextmanager
async def open_desk(process: Process) -> AsyncGenerator[Desk]:
    """Open the pool of the role that may decide, and what works over it.

    Raises:
        Misconfigured: Nobody said how to connect as that role.
    """
    url = process.urls.console if process.urls else ""
    if not url:
        raise Misconfigured(
            "The console decides under a database role of its own: set SUITE_DATABASE_CONSOLE_URL to the URL of "
            "suite_console"
        )
    few = process.settings.model_copy(update={"pool_min": 1, "pool_max": min(_CONNECTIONS, process.settings.pool_max)})
    async with open_database(url, few) as database:
        yield Desk(
            inbox=Inbox(database),
            servers=process.servers,
            publish=process.publish,
            database=database,
            audit_keys=process.keys.audit,
            sink=process.sink,
            bus=process.stores.bus,
            policies=process.settings.policy_dir,
            checks=process.checks,
        )
