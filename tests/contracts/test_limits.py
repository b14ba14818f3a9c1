"""One contract for both places where allowances are kept. The server is real: without one these tests fail."""

import asyncio
import os
import signal
import socket
import subprocess
import time
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from shared.core.caller import Caller
from shared.core.errors import RateLimited, Unavailable
from shared.core.settings import Settings
from shared.core.tool import Answer, Arguments, Call, Tool, Toolset
from shared.state.counters import Counters, Limit, Refusal
from shared.state.embedded_redis import EmbeddedRedis
from shared.state.engines import find_redis
from shared.state.local import LocalCounters
from shared.state.redis import RedisCounters, open_redis
from shared.steps.limits import RateLimits
from tests.services import source

pytestmark = pytest.mark.anyio

SLACK_US = 2_000  # the server's clock and ours are read at different moments
MINUTE_US = 60_000_000


class Bench(Protocol):
    """One implementation, and how its time is made to pass."""

    @property
    def counters(self) -> Counters: ...

    async def is_honest(self, refusal: Refusal) -> None:
        """Not admitted before the time that was told, and admitted then."""
        ...

    async def forgets(self, limit: Limit) -> None:
        """The key of `limit` is gone once its allowance is whole again."""
        ...


@dataclass
class LocalBench:
    now: int = 7
    counters: LocalCounters = field(init=False)

    def __post_init__(self) -> None:
        self.counters = LocalCounters(clock=lambda: self.now)

    async def is_honest(self, refusal: Refusal) -> None:
        self.now += refusal.retry_after_us - 1
        assert await self.counters.take([refusal.limit]) is not None
        self.now += 1
        assert await self.counters.take([refusal.limit]) is None

    async def forgets(self, limit: Limit) -> None:
        self.now += limit.interval_us * limit.burst
        assert await self.counters.take([]) is None
        assert len(self.counters) == 0


@dataclass
class RedisBench:
    redis: Redis
    counters: RedisCounters

    async def is_honest(self, refusal: Refusal) -> None:
        told = time.monotonic_ns() // 1000
        begun = told
        with anyio.fail_after(10):
            while await self.counters.take([refusal.limit]) is not None:
                assert begun < told + refusal.retry_after_us + SLACK_US, "still refused after the time it told"
                begun = time.monotonic_ns() // 1000
        assert time.monotonic_ns() // 1000 > told + refusal.retry_after_us - SLACK_US, "admitted too early"

    async def forgets(self, limit: Limit) -> None:
        assert 0 < await self.redis.pttl(limit.key) <= limit.interval_us * limit.burst // 1000 + 1
        with anyio.fail_after(10):
            while await self.redis.exists(limit.key):
                pass


@pytest.fixture(params=["local", "redis"])
async def bench(request: pytest.FixtureRequest) -> AsyncGenerator[Bench]:
    if request.param == "local":
        yield LocalBench()
        return
    server: EmbeddedRedis = request.getfixturevalue("redis_server")
    settings = Settings()
    async with open_redis(server.url, settings) as redis:
        yield RedisBench(redis, RedisCounters(redis, settings))


def limit(name: str = "calls", per_minute: int = 1, burst: int = 3, key: str | None = None) -> Limit:
    return Limit(key or f"suite:{{test}}:{uuid4().hex}", name, per_minute, burst)


async def admitted(counters: Counters, limits: Sequence[Limit], tries: int) -> int:
    return [await counters.take(limits) for _ in range(tries)].count(None)


async def test_a_burst_is_admitted_and_the_next_call_is_refused(bench: Bench) -> None:
    slow = limit(burst=3)
    assert await admitted(bench.counters, [slow], 3) == 3
    refusal = await bench.counters.take([slow])
    assert refusal is not None
    assert refusal.limit == slow
    assert 59_000_000 < refusal.retry_after_us <= MINUTE_US


async def test_waiting_as_long_as_told_admits_and_not_any_sooner(bench: Bench) -> None:
    fast = limit(per_minute=600, burst=2)  # one every 100 ms
    assert await admitted(bench.counters, [fast], 2) == 2
    refusal = await bench.counters.take([fast])
    assert refusal is not None
    await bench.is_honest(refusal)


async def test_a_refused_call_is_charged_to_none_of_its_limits(bench: Bench) -> None:
    wide, narrow = limit("wide", burst=5), limit("narrow", burst=1)
    assert await bench.counters.take([wide, narrow]) is None
    for order in ([wide, narrow], [narrow, wide]):
        refusals = [await bench.counters.take(order) for _ in range(5)]
        assert {refusal and refusal.limit.name for refusal in refusals} == {"narrow"}
    assert await admitted(bench.counters, [wide], 10) == 4


async def test_the_limit_with_the_longest_wait_is_the_one_told(bench: Bench) -> None:
    soon, late = limit("soon", per_minute=60, burst=1), limit("late", per_minute=1, burst=1)
    assert await bench.counters.take([soon, late]) is None
    for order in ([soon, late], [late, soon]):
        refusal = await bench.counters.take(order)
        assert refusal is not None
        assert refusal.limit.name == "late"


async def test_two_hundred_calls_at_once_get_exactly_the_burst(bench: Bench) -> None:
    contested = limit(burst=20)
    with anyio.fail_after(10):
        answers = await asyncio.gather(*(bench.counters.take([contested]) for _ in range(200)))
    assert answers.count(None) == 20


async def test_an_allowance_that_is_whole_again_leaves_nothing_behind(bench: Bench) -> None:
    fast = limit(per_minute=1200, burst=2)
    assert await admitted(bench.counters, [fast], 3) == 2
    await bench.forgets(fast)


async def test_a_limit_that_was_raised_holds_at_once(bench: Bench) -> None:
    before = limit(per_minute=1, burst=50)
    assert await admitted(bench.counters, [before], 60) == 50
    refusal = await bench.counters.take([replace(before, per_minute=600, burst=1)])
    assert refusal is not None
    assert refusal.retry_after_us <= MINUTE_US // 600


async def test_readiness_is_green_while_limits_can_be_counted(bench: Bench) -> None:
    await bench.counters.check()


class Nothing(Arguments):
    pass


tools = Toolset()


@tools.read("customers:read")
async def look(call: Call, arguments: Nothing) -> Answer:
    """Look."""
    raise NotImplementedError


@tools.read("customers:read")
async def listen(call: Call, arguments: Nothing) -> Answer:
    """Listen."""
    raise NotImplementedError


LOOK, LISTEN = tools.tools["look"], tools.tools["listen"]


def somebody() -> Caller:
    return Caller(f"jane@{uuid4().hex}.example", "https://idp.example", "desk", "acme", frozenset())


async def calls(limits: RateLimits, caller: Caller, tool: Tool, tries: int = 10) -> int:
    done = 0
    with suppress(RateLimited):
        for _ in range(tries):
            await limits.admit(caller, tool)
            done += 1
    return done


async def test_callers_tenants_and_issuers_have_allowances_of_their_own(bench: Bench) -> None:
    limits = RateLimits(bench.counters, Settings(burst=2, calls_per_minute=1, tool_calls_per_minute=1), "listening")
    jane = somebody()
    others = [
        replace(jane, tenant="globex"),
        replace(jane, issuer="https://other.example"),
        somebody(),
    ]
    assert await calls(limits, jane, LOOK) == 2
    assert [await calls(limits, other, LOOK) for other in others] == [2, 2, 2]


async def test_another_client_or_token_is_no_fresh_allowance(bench: Bench) -> None:
    limits = RateLimits(bench.counters, Settings(burst=2, calls_per_minute=1, tool_calls_per_minute=1), "listening")
    jane = somebody()
    assert await calls(limits, jane, LOOK) == 2
    for again in (replace(jane, client="another"), replace(jane, scopes=frozenset({"a:b"}), token_id="new")):
        assert await calls(limits, again, LOOK) == 0


async def test_tools_of_one_name_on_two_servers_count_apart() -> None:
    asked: list[Limit] = []

    class Recording(LocalCounters):
        async def take(self, limits: Sequence[Limit]) -> Refusal | None:
            asked.extend(limits)
            return None

    jane = somebody()
    for server in ("here", "there"):
        await RateLimits(Recording(), Settings(), server).admit(jane, LOOK)
    (overall_here, look_here, overall_there, look_there) = (limit.key for limit in asked)
    assert overall_here == overall_there
    assert look_here != look_there


async def test_each_tool_has_an_allowance_of_its_own_besides_that_of_the_caller() -> None:
    asked: list[Limit] = []

    class Recording(LocalCounters):
        async def take(self, limits: Sequence[Limit]) -> Refusal | None:
            asked.extend(limits)
            return None

    settings = Settings(burst=7, calls_per_minute=50, tool_calls_per_minute=5)
    limits, jane = RateLimits(Recording(), settings, "listening"), somebody()
    await limits.admit(jane, LOOK)
    await limits.admit(jane, LISTEN)
    overall, looks, overall_again, listens = asked
    assert overall == overall_again
    assert len({overall.key, looks.key, listens.key}) == 3
    assert [(one.per_minute, one.burst) for one in (overall, looks, listens)] == [(50, 7), (5, 7), (5, 7)]


async def test_calls_of_all_tools_share_the_allowance_of_the_caller(bench: Bench) -> None:
    limits = RateLimits(bench.counters, Settings(burst=4, calls_per_minute=1, tool_calls_per_minute=1), "listening")
    jane = somebody()
    assert (await calls(limits, jane, LOOK, 3), await calls(limits, jane, LISTEN, 1)) == (3, 1)
    assert (await calls(limits, jane, LOOK), await calls(limits, jane, LISTEN)) == (0, 0)


async def test_the_refusal_says_which_limit_and_how_long_to_wait(bench: Bench) -> None:
    limits = RateLimits(bench.counters, Settings(burst=1, calls_per_minute=1, tool_calls_per_minute=60), "listening")
    jane = somebody()
    await limits.admit(jane, LOOK)
    with pytest.raises(RateLimited) as refused:
        await limits.admit(jane, LISTEN)
    error = refused.value
    assert error.details["limit"] == "calls_per_minute"
    assert error.details["retry_after_s"] == error.retry_after_s
    assert 59 < error.retry_after_s <= 60
    assert "calls_per_minute is 1 a minute" in error.message


async def test_keys_name_the_tenant_and_nobody_else(redis_server: EmbeddedRedis) -> None:
    settings, jane = Settings(), replace(somebody(), tenant="a}c{me:x")
    async with open_redis(redis_server.url, settings) as redis:
        await RateLimits(RedisCounters(redis, settings), settings, "listening").admit(jane, LOOK)
        pattern = "suite:{a%7Dc%7Bme%3Ax}:rate:*"
        found: list[bytes] = [key async for key in redis.scan_iter(pattern)]  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        keys = [key.decode() for key in found]
    assert len(keys) == 2
    assert not any(word in key for key in keys for word in (jane.subject, "jane", "idp.example", "desk"))


async def test_the_clock_of_the_server_set_back_does_not_lock_a_caller_out(redis_server: EmbeddedRedis) -> None:
    settings, slow = Settings(), limit(per_minute=60, burst=2)
    async with open_redis(redis_server.url, settings) as redis:
        await redis.set(slow.key, (time.time_ns() // 1000) + 3600 * 1_000_000)
        refusal = await RedisCounters(redis, settings).take([slow])
    assert refusal is not None
    assert refusal.retry_after_us <= 1_000_000


async def test_a_decision_is_one_round_trip(redis_server: EmbeddedRedis) -> None:
    settings = Settings()
    async with open_redis(redis_server.url, settings) as redis:
        counters = RedisCounters(redis, settings)
        await counters.check()
        ran = await _commands(redis)
        assert await counters.take([limit(), limit()]) is None
        assert await _commands(redis) == ran + 1


async def _commands(redis: Redis) -> int:
    """How many scripts clients have asked for."""
    stats = await redis.info("commandstats")  # pyright: ignore[reportUnknownMemberType]
    return sum(stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("evalsha", "eval", "script|load"))


async def test_a_flushed_script_is_sent_again(redis_server: EmbeddedRedis) -> None:
    settings, slow = Settings(), limit(burst=2)
    async with open_redis(redis_server.url, settings) as redis:
        counters = RedisCounters(redis, settings)
        assert await counters.take([slow]) is None
        await redis.script_flush()
        assert await counters.take([slow]) is None
        assert await counters.take([slow]) is not None


@dataclass
class OwnServer:
    """A server that a test may kill, freeze, and start again at the same port."""

    program: Path
    home: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        words = [self.program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", self.home]
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        give_up = time.monotonic() + 10
        while time.monotonic() < give_up:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
        pytest.fail(f"{self.program} does not listen")

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)


@pytest.fixture
def own_server(tmp_path: Path) -> Generator[OwnServer]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = OwnServer(find_redis(source()).path, tmp_path, port)
    server.start()
    try:
        yield server
    finally:
        server.kill()


async def test_a_killed_server_refuses_and_heals_when_it_is_back(own_server: OwnServer) -> None:
    settings = Settings(redis_timeout_s=0.5)
    async with open_redis(own_server.url, settings) as redis:
        counters = RedisCounters(redis, settings)
        await asyncio.gather(*(counters.take([limit()]) for _ in range(20)))  # many pooled connections
        own_server.kill()
        with anyio.fail_after(2):
            for ask in (lambda: counters.take([limit()]), counters.check):
                with pytest.raises(Unavailable, match="retry in a moment"):
                    await ask()
        own_server.start()
        with anyio.fail_after(10):
            answers = await asyncio.gather(*(counters.take([limit()]) for _ in range(40)))
        assert answers == [None] * 40


async def test_a_restart_between_two_calls_is_not_noticed(own_server: OwnServer) -> None:
    settings = Settings(redis_timeout_s=2)
    async with open_redis(own_server.url, settings) as redis:
        counters = RedisCounters(redis, settings)
        await asyncio.gather(*(counters.take([limit()]) for _ in range(20)))
        own_server.kill()
        own_server.start()
        answers = await asyncio.gather(*(counters.take([limit()]) for _ in range(40)))
    assert answers == [None] * 40


async def test_a_frozen_server_refuses_within_the_timeout_and_heals(own_server: OwnServer) -> None:
    settings = Settings(redis_timeout_s=0.3)
    async with open_redis(own_server.url, settings) as redis:
        counters = RedisCounters(redis, settings)
        await counters.check()
        own_server.signal(signal.SIGSTOP)
        try:
            with anyio.fail_after(2):  # 60 calls, more than the pool has connections
                asked = (counters.take([limit()]) for _ in range(60))
                answers = await asyncio.gather(*asked, return_exceptions=True)
        finally:
            own_server.signal(signal.SIGCONT)
        assert {type(answer) for answer in answers} == {Unavailable}
        await _answers_own_question(counters)


async def _answers_own_question(counters: RedisCounters) -> None:
    """After the pause each caller gets the answer to its own question, not one that came late."""
    alone = [limit(burst=1) for _ in range(10)]
    with anyio.fail_after(10):
        while True:
            with suppress(Unavailable):
                await counters.check()
                break
        assert await asyncio.gather(*(counters.take([one]) for one in alone)) == [None] * 10
        refusals = await asyncio.gather(*(counters.take([one]) for one in alone))
    assert [refusal and refusal.limit for refusal in refusals] == alone


async def test_the_twin_refuses_new_callers_when_full_and_forgets_nobody() -> None:
    now = [0]
    counters = LocalCounters(clock=lambda: now[0], most=100)
    kept = [limit(burst=1) for _ in range(100)]
    assert [await counters.take([one]) for one in kept] == [None] * 100
    with pytest.raises(Unavailable):
        await counters.take([limit(burst=1)])
    assert None not in [await counters.take([one]) for one in kept]
    now[0] += MINUTE_US
    assert await admitted(counters, [limit(burst=1)], 1) == 1


async def test_the_twin_sweeps_faster_than_it_grows() -> None:
    now = [0]
    counters = LocalCounters(clock=lambda: now[0])
    sizes: list[int] = []
    for _ in range(5_000):
        now[0] += 10_000
        assert await counters.take([limit(per_minute=60, burst=1)]) is None  # 100 alive at any time
        sizes.append(len(counters))
    assert max(sizes) < 250


@given(
    per_minute=st.integers(1, 100_000),
    burst=st.integers(1, 30),
    gaps=st.lists(st.integers(0, 400_000) | st.just(0) | st.integers(0, 50), max_size=120),
)
def test_no_window_admits_more_than_its_rate_and_one_burst(per_minute: int, burst: int, gaps: list[int]) -> None:
    now = 0
    one = limit(per_minute=per_minute, burst=burst)
    counters = LocalCounters(clock=lambda: now)
    times: list[int] = []
    with asyncio.Runner() as runner:
        for gap in gaps:
            now += gap
            if runner.run(counters.take([one])) is None:
                times.append(now)
    for first, start in enumerate(times):
        for count, end in enumerate(times[first:], start=1):
            assert count <= burst + (end - start) * per_minute / MINUTE_US
