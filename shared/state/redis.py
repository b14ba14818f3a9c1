import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from hashlib import sha1
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import NoScriptError, RedisError

from shared.core.backend import RoundTrip
from shared.core.errors import Misconfigured, Unavailable
from shared.core.settings import Settings
from shared.state.counters import Limit, Refusal

_CONNECTIONS = 32
_DESCRIBED = {"db.system.name": "redis", "db.operation.name": "EVALSHA"}

_TAKE = """
-- KEYS: one a limit. ARGV: interval_us, burst for each. Answers {0}, or {limit's number, microseconds to wait}.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local refused, longest = 0, 0
local due = {}
for i, key in ipairs(KEYS) do
  local interval, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local whole = tonumber(redis.call('GET', key) or now)
  -- never further ahead than a spent allowance: a clock that was set back, or a limit since raised, must heal
  due[i] = math.max(math.min(whole, now + burst * interval), now)
  local wait = due[i] - (burst - 1) * interval - now
  if wait > longest then refused, longest = i, wait end
  due[i] = due[i] + interval
end
if refused > 0 then return {refused, longest} end
for i, key in ipairs(KEYS) do
  redis.call('SET', key, string.format('%.0f', due[i]), 'PX', math.ceil((due[i] - now) / 1000))
end
return {0}
"""
_TAKE_SHA = sha1(_TAKE.encode(), usedforsecurity=False).hexdigest()


class RedisCounters:
    """Allowances that all replicas share, decided in one round trip, by the server's clock.

    The keys of one call must be in one slot of a cluster, hence a hash tag in each (`{...}`).
    """

    def __init__(self, redis: Redis, settings: Settings) -> None:
        self._redis = redis
        self._timeout_s = settings.redis_timeout_s

    async def take(self, limits: Sequence[Limit]) -> Refusal | None:
        keys = [limit.key for limit in limits]
        numbers = [number for limit in limits for number in (limit.interval_us, limit.burst)]
        refused, *wait = await self._ask(len(keys), *keys, *numbers)
        return Refusal(limits[refused - 1], wait[0]) if refused else None

    async def check(self) -> None:
        """Raise Unavailable unless the script runs (a take of nothing)."""
        await self._ask(0)

    async def _ask(self, *arguments: int | str) -> list[int]:
        try:
            with RoundTrip("redis", "EVALSHA", _DESCRIBED):
                async with asyncio.timeout(self._timeout_s):
                    return await self._run(*arguments)
        except (RedisError, OSError, TimeoutError) as error:
            raise Unavailable("Limits cannot be checked right now. Nothing was done; retry in a moment.") from error

    async def _run(self, *arguments: int | str) -> list[int]:
        run: Any = self._redis.execute_command  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        try:
            return await run("EVALSHA", _TAKE_SHA, *arguments)
        except NoScriptError:  # the server restarted, failed over or was flushed; EVAL also keeps the script
            return await run("EVAL", _TAKE, *arguments)


@asynccontextmanager
async def open_redis(url: str, settings: Settings) -> AsyncGenerator[Redis]:
    """A client with a bounded pool; it connects on first use, and again whenever the server was away.

    A lost connection is tried anew once and at once: after a restart every pooled one is stale. A slow answer
    is not asked for again.

    Raises:
        Misconfigured: `url` is no Redis URL.
    """
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
    redis = Redis.from_pool(pool)
    try:
        yield redis
    finally:
        await redis.aclose()
