from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace

import anyio

from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from shared.state.bus import Bus, Replicas
from shared.state.coherent_notices import CoherentNotices
from shared.state.counters import Counters
from shared.state.keys import Keys
from shared.state.local import LocalCounters
from shared.state.local_bus import LocalBus, LocalReplicas
from shared.state.local_notices import LocalNotices
from shared.state.local_seen import LocalSeen
from shared.state.local_sessions import LocalSessions
from shared.state.local_web_store import LocalWebStore
from shared.state.metadata import Metadata, open_metadata
from shared.state.notices import Notices
from shared.state.seen import Seen
from shared.state.sessions import Sessions
from shared.state.web_store import WebStore


@dataclass(frozen=True)
class Stores:
    """What replicas share and may lose: PostgreSQL holds what they may not.

    Attributes:
        spare: Where each process counts reads by itself while `counters` are away, if the settings allow it.
        metadata: What this process keeps by itself; publishing `notices` makes it forget.
        web: Sessions of people in browsers.
    """

    counters: Counters
    sessions: Sessions
    bus: Bus
    notices: Notices
    replicas: Replicas
    seen: Seen
    web: WebStore
    spare: Counters | None = None
    metadata: Metadata | None = None


@asynccontextmanager
async def open_stores(settings: Settings, keys: Keys) -> AsyncGenerator[Stores]:
    """All of them over one Redis, or in this process, which is then the only one.

    While the context lasts the process says that it lives (`Replicas.beat`), and that it is gone at the end: leave
    it after the last call is over.

    Raises:
        Misconfigured: Several replicas without a Redis, or its URL is none.
    """
    async with AsyncExitStack() as stack:
        if settings.redis_url is None:
            stores = _local(settings, keys)
        else:
            stores = await stack.enter_async_context(_open_redis(settings.redis_url.get_secret_value(), settings, keys))
        stack.push_async_callback(_leave, stores.replicas)
        tasks = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(tasks.cancel_scope.cancel)
        tasks.start_soon(stores.replicas.beat)
        metadata = await stack.enter_async_context(open_metadata(stores.bus, settings))
        yield replace(stores, metadata=metadata, notices=CoherentNotices(stores.notices, metadata))


def _local(settings: Settings, keys: Keys) -> Stores:
    if settings.replicas > 1:
        raise Misconfigured(
            f"SUITE_REPLICAS is {settings.replicas}, and processes share sessions and limits only through Redis: "
            "set SUITE_REDIS_URL"
        )
    bus = LocalBus()
    sessions, notices = LocalSessions(bus, settings), LocalNotices(bus)
    web = LocalWebStore(keys.sessions)
    return Stores(LocalCounters(), sessions, bus, notices, LocalReplicas(), LocalSeen(settings), web)


@asynccontextmanager
async def _open_redis(url: str, settings: Settings, keys: Keys) -> AsyncGenerator[Stores]:
    # 0.1 s that stdio's client would wait
    from shared.state.redis import RedisCounters, open_redis  # noqa: PLC0415 - as said above
    from shared.state.redis_bus import open_redis_bus  # noqa: PLC0415 - as said above
    from shared.state.redis_notices import RedisNotices  # noqa: PLC0415 - as said above
    from shared.state.redis_replicas import RedisReplicas  # noqa: PLC0415 - as said above
    from shared.state.redis_seen import RedisSeen  # noqa: PLC0415 - as said above
    from shared.state.redis_sessions import RedisSessions  # noqa: PLC0415 - as said above
    from shared.state.redis_web_store import RedisWebStore  # noqa: PLC0415 - as said above

    async with (
        open_redis(url, settings) as redis,
        open_redis_bus(redis, settings) as bus,
        aclosing(RedisCounters(redis, settings)) as counters,
    ):
        sessions = RedisSessions(redis, settings, keys.sessions)
        notices, replicas = RedisNotices(redis, settings, bus), RedisReplicas(redis, settings)
        spare = LocalCounters() if settings.redis_loss_reads == "local" else None
        seen, web = RedisSeen(redis, settings), RedisWebStore(redis, settings, keys.sessions)
        yield Stores(counters, sessions, bus, notices, replicas, seen, web, spare)


async def _leave(replicas: Replicas) -> None:
    with anyio.CancelScope(shield=True):
        await replicas.leave()
