"""Keeps a process's copy of what is off up to date: at once by the bus, and twice a second without it."""

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import asyncpg
import structlog

from shared.core import metrics
from shared.core.errors import Misconfigured, Timeout, Unavailable
from shared.core.settings import Settings
from shared.state.bus import Bus, Inbox
from shared.state.database import LOST, Database, connect
from shared.state.switch_table import TOPIC, VERSION, load
from shared.state.switches import Switches

log = structlog.get_logger("switches")

_ANSWER_S = 2.0
_STALE_S = 5.0

_AWAY = (*LOST, asyncpg.PostgresError, OSError, TimeoutError, Unavailable, Timeout)


class Watching:
    """The copy of one process, and how old it is.

    It has a connection of its own: a stop must not wait in line behind the very calls it is to end.

    Args:
        heard: By channel, what to call when PostgreSQL notifies it, and when it may have done so unheard.

    Attributes:
        switches: Always the last that was known; with PostgreSQL away calls are refused for want of an audit.
    """

    def __init__(self, url: str, poll_s: float, heard: Mapping[str, Callable[[], None]] | None = None) -> None:
        self._url = url
        self._poll_s = poll_s
        self._heard = heard or {}
        self._connection: Any = None
        self._seen: int | None = None
        self._looked_at = time.monotonic()
        self._away = False
        self.switches = Switches()

    def age_s(self) -> float:
        """How long ago the copy was last known to be right."""
        return time.monotonic() - self._looked_at

    async def check(self) -> None:
        """Raise Unavailable if this process may not know what is off (readiness)."""
        if self.age_s() > _STALE_S + self._poll_s:
            raise Unavailable("What is switched off cannot be looked up.")

    async def begin(self, connection: Any) -> None:
        """The first look.

        Raises:
            Misconfigured: There is no such table; says which command to run.
        """
        try:
            await self._load(connection)
        except asyncpg.UndefinedTableError:
            raise Misconfigured("the database has no table of switches; run `mcp-suite db migrate` first") from None

    async def run(self, inbox: Inbox) -> None:
        """Look whenever the bus says so, and every `poll_s`, until cancelled."""
        try:
            while True:
                await self._look()
                await inbox.next(self._poll_s)
                while await inbox.next(0) is not None:  # what waits says no more than the first
                    pass
        finally:
            if self._connection is not None:
                self._connection.terminate()

    async def _look(self) -> None:
        try:
            if self._connection is None or self._connection.is_closed():
                self._connection = await connect(self._url, "switches", _ANSWER_S)
                await self._listen(self._connection)
            asked_at = time.monotonic()
            if await self._connection.fetchval(VERSION, timeout=_ANSWER_S) == self._seen:
                self._looked_at = asked_at
            else:
                with anyio.fail_after(_ANSWER_S):
                    await self._load(self._connection)
        except _AWAY as error:
            self._lose(error)
        except Exception:  # the boundary of background work: a crash must not freeze what is off
            log.exception("looking at the switches failed, will try again")
            self._lose(None)
        else:
            if self._away:
                log.info("the switches can be looked up again")
                self._away = False

    async def _listen(self, connection: Any) -> None:
        for channel, hear in self._heard.items():
            with anyio.fail_after(_ANSWER_S):
                await connection.add_listener(channel, lambda *_, hear=hear: hear())  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
            hear()

    def _lose(self, error: Exception | None) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
        if not self._away:
            self._away = True
            log.warning("the switches cannot be looked up; the last known stay", error=type(error).__name__)

    async def _load(self, connection: Any) -> None:
        asked_at = time.monotonic()
        version, found = await load(connection)
        self.switches.replace(found)
        self._seen, self._looked_at = version, asked_at
        if found:
            log.info("the switches were read", off=len(found))


@asynccontextmanager
async def open_switches(
    database: Database,
    url: str,
    bus: Bus,
    settings: Settings,
    heard: Mapping[str, Callable[[], None]] | None = None,
) -> AsyncGenerator[Watching]:
    """What is off, read before the context is entered, and kept up to date as long as it lasts.

    Its connection also listens to the channels of `heard`; see `Watching`.

    Raises:
        Misconfigured: The database was not migrated.
        Unavailable: It cannot be read.
    """
    watching = Watching(url, settings.switch_poll_s, heard)
    async with bus.listening(TOPIC) as inbox:
        async with database.connection() as connection:
            await watching.begin(connection)
        with metrics.SWITCHES_AGE_S.reading(watching.age_s):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(watching.run, inbox)
                try:
                    yield watching
                finally:
                    tasks.cancel_scope.cancel()
