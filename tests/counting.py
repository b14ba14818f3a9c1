"""Both places where allowances are kept, over a clock that a test moves."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol
from uuid import uuid4

from redis.asyncio import Redis

from shared.core.settings import Settings
from shared.state.counters import Budget, Counters, Demand, Limit, Places, Rate
from shared.state.local import LocalCounters
from shared.state.redis import RedisCounters, open_redis

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
START_US = 1_700_000_000 * SECOND_US


class Bench(Protocol):
    """One implementation, and how its time is made to pass."""

    @property
    def counters(self) -> Counters: ...

    async def later(self, us: int) -> None: ...


@dataclass
class LocalBench:
    now: int = START_US
    counters: LocalCounters = field(init=False)

    def __post_init__(self) -> None:
        self.counters = LocalCounters(clock=lambda: self.now)

    async def later(self, us: int) -> None:
        self.now += us


@dataclass
class RedisBench:
    redis: Redis
    counters: RedisCounters
    clock: str
    now: int = START_US

    async def later(self, us: int) -> None:
        self.now += us
        await self.redis.set(self.clock, self.now)


@asynccontextmanager
async def clocked_redis(url: str) -> AsyncGenerator[RedisBench]:
    """The real server and script, but for the clock, and for keys that live as long as the test."""
    settings, clock = Settings(), f"suite:{{test}}:clock:{uuid4().hex}"
    script = RedisCounters.script
    for real, ours in (("call('TIME')", f"{{0, call('GET', '{clock}')}}"), ("/ 1000)", "* 1000)")):
        assert real in script
        script = script.replace(real, ours)

    class Clocked(RedisCounters):
        pass

    Clocked.script = script
    async with open_redis(url, settings) as redis:
        bench = RedisBench(redis, Clocked(redis, settings), clock)
        await bench.later(0)
        yield bench
        await bench.counters.aclose()


def _key() -> str:
    return f"suite:{{test}}:{uuid4().hex}"


def rate(name: str = "calls", per_minute: int = 1, burst: int = 3, reserved: int = 0) -> Rate:
    return Rate(_key(), name, per_minute, burst, reserved)


def places(name: str = "in progress", most: int = 2, reserved: int = 0) -> Places:
    return Places(_key(), name, most, reserved)


def budget(
    name: str = "steps", most: int = 3, charge: int = 1, window_us: int = MINUTE_US, reserved: int = 0
) -> Budget:
    return Budget(_key(), name, most, charge, window_us, reserved)


def demand(*limits: Limit, again: Budget | None = None, hold_us: int = MINUTE_US) -> Demand:
    return Demand(
        rates=tuple(limit for limit in limits if isinstance(limit, Rate)),
        places=tuple(limit for limit in limits if isinstance(limit, Places)),
        budgets=tuple(limit for limit in limits if isinstance(limit, Budget)),
        again=again,
        hold_us=hold_us,
    )


async def granted(counters: Counters, wanted: Demand, tries: int, digest: str | None = None) -> int:
    return sum([(await counters.take(wanted, digest)).refused is None for _ in range(tries)])
