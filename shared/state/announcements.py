"""Announcements: changes made outside of calls, told to their followers at least once.

Whatever changes data beside the serving processes, a command that ingests files say, leaves rows in
`suite.announcements` in the transaction of its change. A replica of the server takes them in batches, publishes them,
and deletes them: another one passes over what it holds, and takes it if it dies. A notice told twice is harmless.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import structlog

from shared.core.errors import Failure, Unavailable
from shared.state.database import Database
from shared.state.notices import Notices

CHANNEL = "suite_announcements"
"""PostgreSQL notifies it when rows are committed."""

_BATCH = 500
_LOOK_S = 5.0
"""How often a replica looks by itself: another one died over a batch, or notifications do not reach us."""
_NOBODY = ""

_ANNOUNCE = "SELECT suite.announce($1, $2, $3)"
_AS_PUBLISHER = "SELECT set_config('app.publishing', 'announcements', true)"
_TAKE = """
SELECT id, server, tenant, uri FROM suite.announcements
WHERE server = ANY($1) ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
"""
_FORGET = "DELETE FROM suite.announcements WHERE id = ANY($1)"

log = structlog.get_logger("announcements")


async def announce(connection: Any, server: str, tenant: str, uris: Sequence[str]) -> None:
    """Have it told that these resources changed, once the transaction of the connection is committed.

    In SQL: `SELECT suite.announce(server, tenant, uris)`. The transaction must have `app.tenant` set to the tenant;
    row-level security refuses word of another's.
    """
    await connection.execute(_ANNOUNCE, server, tenant, list(uris))


class Announcements:
    """Publishes what was left in the table."""

    def __init__(self, database: Database, notices: Notices) -> None:
        self._database = database
        self._notices = notices
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """There is, or may be, something to publish."""
        self._woken.set()

    async def run(self, servers: Sequence[str]) -> None:
        """Publish what comes until cancelled; an outage is waited out.

        Args:
            servers: Whose resources; a process tells only of what it serves itself.
        """
        while True:
            self._woken.clear()
            try:
                while await self.publish(servers):
                    pass
            except Failure as failure:
                log.warning("announcements wait for the database", code=failure.code)
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await self._woken.wait()

    async def publish(self, servers: Sequence[str]) -> int:
        """Take one batch and publish it; how many rows were told and deleted.

        Raises:
            Failure: The database is away; what was told is told again.
        """
        async with self._database.transaction(_NOBODY) as transaction:
            await transaction.connection.execute(_AS_PUBLISHER)
            taken = await transaction.connection.fetch(_TAKE, list(servers), _BATCH)
            told = await self._tell(taken)
            if told:
                await transaction.connection.execute(_FORGET, told)
        return len(told)

    async def _tell(self, taken: Sequence[Any]) -> list[int]:
        """The ids of what was told; what cannot be told now is left for later."""
        followed: dict[tuple[str, str], list[Any]] = {}
        for row in taken:
            followed.setdefault((row["server"], row["tenant"]), []).append(row)
        told: list[int] = []
        for (server, tenant), rows in followed.items():
            try:
                await self._notices.deliver(server, tenant, list(dict.fromkeys(row["uri"] for row in rows)))
            except Unavailable as failure:
                log.warning("announcements wait for the bus", code=failure.code)
                break
            told += [row["id"] for row in rows]
        return told
