"""Metadata that tools look up again and again (titles, counts, outlines), kept for a while in each process.

What is kept was made under the row-level security of one tenant and of certain rights, and is shown under the same
alone. Word of any change of a server and tenant (`notices_topic`) drops all that is kept of them: at the replica that
changed it before the answer leaves, elsewhere as soon as the bus tells. While the bus cannot tell, nothing kept is
shown; its connection is known to be lost at once where it is closed, and within about 4 s where it hangs. Word that
was never sent (a replica killed between its commit and its notice) is made good by the time entries live.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio
import structlog
from anyio.abc import TaskGroup

from shared.core.metrics import METADATA_LOOKUPS
from shared.core.settings import Settings
from shared.state.bus import Bus, Inbox
from shared.state.notices import notices_topic

_FOLLOWED_MAX = 500
"""Servers and tenants at once of which anything is kept; of others nothing is."""
_ENTER_S = 0.1
"""How long the first lookups of a tenant wait until the bus listens."""
_ALONE_S = 5.0
"""How long entries live without Redis: other processes of a laptop change things unheard."""

Key = tuple[str, str, tuple[str, ...], Hashable]
T = TypeVar("T")

log = structlog.get_logger("metadata")


@dataclass(slots=True, eq=False)
class _Flight:
    """One making, and those who wait for it."""

    landed: asyncio.Event = field(default_factory=asyncio.Event)
    made: bool = False
    failed: bool = False
    value: Any = None


@dataclass(slots=True, eq=False)
class _Followed:
    """One server and tenant of which something is kept.

    Attributes:
        flights: By key, what is being made, unless a change was told of since it began.
        keys: Of what is kept.
    """

    used_at: float
    inbox: Inbox | None = None
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    flights: dict[Key, _Flight] = field(default_factory=dict[Key, _Flight])
    keys: set[Key] = field(default_factory=set[Key])

    @property
    def is_current(self) -> bool:
        """Whether every change so far was heard of, as far as anybody can tell."""
        return self.inbox is not None and self.inbox.quiet


@dataclass(slots=True, eq=False)
class _Entry:
    value: Any
    until: float
    followed: _Followed


class Metadata:
    """What one process keeps; open it with `open_metadata`.

    Values are shared by all who ask: whoever gets one must not change it.

    Args:
        bus: Tells of changes.
        tasks: Runs what listens, one for each server and tenant in use.
        ttl_s: How long an entry is shown, counted from when its making began.
        most: Entries; the one that was not asked for longest goes first.
        clock: Seconds, from any beginning.
    """

    def __init__(
        self, bus: Bus, tasks: TaskGroup, ttl_s: float, most: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._bus = bus
        self._tasks = tasks
        self._ttl_s = ttl_s
        self._most = most
        self._clock = clock
        self._followed: dict[tuple[str, str], _Followed] = {}
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()

    def of(self, server: str, tenant: str, rights: Sequence[str] | None) -> "KeptOf":
        """What is kept for callers of a tenant with these rights."""
        return KeptOf(self, server, tenant, rights)

    def forget(self, server: str, tenant: str) -> None:
        """Drop everything of a server and tenant; what is being made now will not be kept."""
        if (followed := self._followed.get((server, tenant))) is not None:
            self._drop(followed)

    async def look_up(self, key: Key, make: Callable[[], Awaitable[T]]) -> T:
        """What is kept, what another call is just making, or what `make` makes now.

        Raises:
            Exception: Of `make`; the next who asks makes it again.
        """
        server, tenant, *_ = key
        while True:
            followed = await self._follow(server, tenant)
            if followed is None or not followed.is_current:
                METADATA_LOOKUPS.add(server, "bypass")
                return await make()
            entry = self._entries.get(key)
            if entry is not None and self._clock() < entry.until:
                self._entries.move_to_end(key)
                METADATA_LOOKUPS.add(server, "hit")
                return entry.value
            flight = followed.flights.get(key)
            if flight is None:
                METADATA_LOOKUPS.add(server, "miss")
                return await self._make(followed, key, make)
            await flight.landed.wait()
            if flight.made:
                METADATA_LOOKUPS.add(server, "hit")
                return flight.value
            if flight.failed:  # all at once, as they would without us: not one after the other
                METADATA_LOOKUPS.add(server, "miss")
                return await make()
            # Who made it was cancelled: one of those who waited begins anew.

    async def _make(self, followed: _Followed, key: Key, make: Callable[[], Awaitable[T]]) -> T:
        began = self._clock()
        flight = followed.flights[key] = _Flight()
        try:
            value = flight.value = await make()
            flight.made = True
            # A change since we began took the flight from the list; one that is still to be read will take the entry.
            if followed.flights.get(key) is flight:
                self._keep(key, _Entry(value, began + self._ttl_s, followed))
            return value
        except Exception:
            flight.failed = True
            raise
        finally:
            flight.landed.set()
            if followed.flights.get(key) is flight:
                del followed.flights[key]

    def _keep(self, key: Key, entry: _Entry) -> None:
        self._entries[key] = entry
        self._entries.move_to_end(key)
        entry.followed.keys.add(key)
        if len(self._entries) > self._most:
            oldest, out = self._entries.popitem(last=False)
            out.followed.keys.discard(oldest)

    def _drop(self, followed: _Followed) -> None:
        for key in followed.keys:
            del self._entries[key]
        followed.keys.clear()
        followed.flights.clear()

    async def _follow(self, server: str, tenant: str) -> _Followed | None:
        """What listens for changes there, once it does; None if it cannot be."""
        followed = self._followed.get((server, tenant))
        if followed is None:
            if self._most == 0 or len(self._followed) >= _FOLLOWED_MAX:
                return None
            followed = self._followed[server, tenant] = _Followed(self._clock())
            # Of no request: it outlives the one that begins it, and is none of its trace.
            Context().run(self._tasks.start_soon, self._listen, server, tenant, followed)
        followed.used_at = self._clock()
        if not followed.entered.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_ENTER_S):
                    await followed.entered.wait()
        return followed

    async def _listen(self, server: str, tenant: str, followed: _Followed) -> None:
        """Drop what is kept whenever something changed, until nobody asked for as long as entries live."""
        try:
            async with self._bus.listening(notices_topic(server, tenant)) as inbox:
                followed.inbox = inbox
                followed.entered.set()
                while (left_s := followed.used_at + self._ttl_s - self._clock()) > 0:
                    told = await inbox.next(left_s)
                    if inbox.missed or told is not None:
                        self._drop(followed)
        except Exception:  # the boundary of background work, as protocol.py is that of calls
            log.exception("listening for changes failed; the next lookup begins anew", server=server)
        finally:
            followed.inbox = None
            followed.entered.set()
            self._drop(followed)
            del self._followed[server, tenant]


@dataclass(slots=True)
class KeptOf:
    """What one call may be shown of what is kept."""

    metadata: Metadata
    server: str
    tenant: str
    rights: Sequence[str] | None

    async def get(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        return await self.metadata.look_up((self.server, self.tenant, tuple(self.rights or ()), key), make)


@asynccontextmanager
async def open_metadata(bus: Bus, settings: Settings) -> AsyncGenerator[Metadata]:
    """What a process keeps, as long as the context lasts."""
    ttl_s = settings.metadata_ttl_s if settings.redis_url else min(settings.metadata_ttl_s, _ALONE_S)
    async with anyio.create_task_group() as tasks:
        try:
            yield Metadata(bus, tasks, ttl_s, settings.metadata_entries)
        finally:
            tasks.cancel_scope.cancel()
