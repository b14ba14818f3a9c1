import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from contextvars import Context
from hashlib import sha1
from itertools import count
from pathlib import Path
from secrets import token_hex
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import NoScriptError, RedisError

from shared.core.backend import RoundTrip
from shared.core.errors import Misconfigured, Unavailable
from shared.core.settings import Settings
from shared.state.certificates import Renewed
from shared.state.counters import Demand, Taken
from shared.state.lines import towards_redis
from shared.state.multiplexed import MultiplexedRedis

_CONNECTIONS = 32
_DESCRIBED = {"db.system.name": "redis", "db.operation.name": "EVALSHA"}

_TAKE = Path(__file__).with_name("take.lua").read_text()
_GIVE_BACK_S = 0.02
_ENDED_MAX = 4000
"""Leases that wait to be given back; beyond it they are left to end by themselves."""


class RedisCounters:
    """Allowances that all replicas share, decided in one round trip, by the server's clock.

    Nobody waits for places to be given back: the next call that counts in the same place takes the ended leases along,
    and what no call takes along follows in batches. A lost one costs a place until its lease ends.
    """

    script = _TAKE

    def __init__(self, redis: Redis, settings: Settings) -> None:
        self._redis = redis
        self._timeout_s = settings.redis_timeout_s
        self._sha = sha1(self.script.encode(), usedforsecurity=False).hexdigest()
        prefix = token_hex(4)
        self._leases = (f"{prefix}{number:x}" for number in count())
        self._ended: dict[str, list[str]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._giving_back: asyncio.Task[None] | None = None

    async def take(self, demand: Demand, digest: str | None = None) -> Taken:
        lease = next(self._leases)
        keys = demand.keys
        if demand.again is not None and digest is not None:
            keys = (*keys, demand.again.key + digest)
        ended = [" ".join(self._ended.pop(places.key, ())) for places in demand.places]
        refused, wait_us, *left = await self._ask(len(keys), *keys, *demand.packed, lease, *ended)
        if refused:
            return Taken(demand.told(left), "", demand.limits[refused - 1], wait_us)
        return Taken(demand.told(left, charged=True), lease)

    def release(self, demand: Demand, lease: str) -> None:
        if not demand.places or sum(map(len, self._ended.values())) >= _ENDED_MAX:
            return
        for places in demand.places:
            self._ended.setdefault(places.key, []).append(lease)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_GIVE_BACK_S, self._begin, context=Context())

    async def check(self) -> None:
        """Raise Unavailable unless the script runs (a take of nothing)."""
        await self.take(Demand())

    async def aclose(self) -> None:
        """Give back what is still to be given back."""
        if self._timer is not None:
            self._timer.cancel()
            self._begin()
        if self._giving_back is not None:
            await self._giving_back

    def _begin(self) -> None:
        self._timer = None
        if self._giving_back is None:
            self._giving_back = asyncio.get_running_loop().create_task(self._give_back())

    async def _give_back(self) -> None:
        try:
            while self._ended:
                ended, self._ended = self._ended, {}
                with RoundTrip("redis", "ZREM"):
                    async with asyncio.timeout(self._timeout_s), self._redis.pipeline(transaction=False) as pipe:
                        for key, leases in ended.items():
                            pipe.zrem(key, *leases)
                        await pipe.execute()
        except (RedisError, OSError, TimeoutError):
            self._ended.clear()  # leases end by themselves
        finally:
            self._giving_back = None

    async def _ask(self, *arguments: int | str | bytes) -> list[int]:
        try:
            with RoundTrip("redis", "EVALSHA", _DESCRIBED):
                async with asyncio.timeout(self._timeout_s):
                    return await self._run(*arguments)
        except (RedisError, OSError, TimeoutError) as error:
            raise Unavailable("Limits cannot be checked right now. Nothing was done; retry in a moment.") from error

    async def _run(self, *arguments: int | str | bytes) -> list[int]:
        run: Any = self._redis.execute_command  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        try:
            return await run("EVALSHA", self._sha, *arguments)
        except NoScriptError:  # the server restarted, failed over or was flushed; EVAL also keeps the script
            return await run("EVAL", self.script, *arguments)


class RenewedConnection(SSLConnection):
    """redis-py's connection, with the certificates as they are when it is opened."""

    def __init__(self, *, line: Renewed, **options: Any) -> None:
        super().__init__(**options)  # pyright: ignore[reportUnknownMemberType] - its parameters are half typed
        self._line = line

    def _connection_arguments(self) -> dict[str, Any]:
        arguments: dict[str, Any] = {**super()._connection_arguments()}  # pyright: ignore[reportUnknownMemberType] - as above
        return arguments | {"ssl": self._line.newest()}


@asynccontextmanager
async def open_redis(url: str, settings: Settings) -> AsyncGenerator[Redis]:
    """A client with a bounded pool; it connects on first use, and again whenever the server was away.

    A lost connection is tried anew once and at once: after a restart every pooled one is stale. A slow answer
    is not asked for again.

    Raises:
        Misconfigured: `url` is no Redis URL.
    """
    line = towards_redis(settings) if url.startswith("rediss://") else None
    try:
        pool: BlockingConnectionPool = BlockingConnectionPool.from_url(  # pyright: ignore[reportUnknownMemberType]
            url,
            max_connections=_CONNECTIONS,
            timeout=settings.redis_timeout_s,
            socket_timeout=settings.redis_timeout_s,
            socket_connect_timeout=settings.redis_timeout_s,
            retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionLost,)),
        )
    except ValueError:
        raise Misconfigured("SUITE_REDIS_URL must be redis://, rediss:// or unix://") from None
    if line is not None:
        pool.connection_class = RenewedConnection  # `from_url` has its own for rediss://
        pool.connection_kwargs["line"] = line
    redis = MultiplexedRedis.over(pool, url, settings.redis_timeout_s, line)
    try:
        yield redis
    finally:
        await redis.aclose()
