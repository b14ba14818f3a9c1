"""What only one of the two places has to show: the server that goes away, and the memory of a process."""

import asyncio
import signal
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.errors import Unavailable
from shared.core.settings import Settings
from shared.state.counters import Demand
from shared.state.embedded_redis import EmbeddedRedis
from shared.state.local import LocalCounters
from shared.state.redis import RedisCounters, open_redis
from tests.counting import MINUTE_US, SECOND_US, budget, demand, granted, places, rate
from tests.own_redis import OwnRedis, own_redis

pytestmark = pytest.mark.anyio

SLACK_US = 2_000  # the server's clock and ours are read at different moments
REPLICAS, CALLERS = 3, 50


@pytest.fixture
async def replicas(redis_server: EmbeddedRedis) -> AsyncGenerator[list[RedisCounters]]:
    """Counters of several processes: each has connections of its own."""
    settings = Settings()
    async with AsyncExitStack() as stack:
        made: list[RedisCounters] = []
        for _ in range(REPLICAS):
            redis = await stack.enter_async_context(open_redis(redis_server.url, settings))
            made.append(RedisCounters(redis, settings))
            stack.push_async_callback(made[-1].aclose)
        yield made


async def is_refused(counters: RedisCounters, wanted: Demand) -> bool:
    return (await counters.take(wanted)).refused is not None


async def test_three_replicas_and_fifty_callers_never_admit_more_than_the_rate(replicas: list[RedisCounters]) -> None:
    fast = rate(per_minute=6_000, burst=20)
    began = time.monotonic()
    ends = began + 1.5
    admitted = 0

    async def caller(number: int) -> None:
        nonlocal admitted
        while time.monotonic() < ends:
            got = await granted(replicas[number % REPLICAS], demand(fast), 1)
            admitted += got

    with anyio.fail_after(30):
        await asyncio.gather(*(caller(number) for number in range(CALLERS)))
    elapsed = time.monotonic() - began
    most = fast.burst + elapsed * fast.per_minute / 60
    print(f"{admitted} of {most:.1f} calls in {elapsed:.2f} s")  # noqa: T201 - the figure of the run
    assert fast.burst < admitted <= most


async def test_replicas_share_places_and_budgets(replicas: list[RedisCounters]) -> None:
    few, steps = places(most=5), budget(most=9)
    taken = await asyncio.gather(*(replicas[n % REPLICAS].take(demand(few, steps)) for n in range(20)))
    assert [one.refused for one in taken].count(None) == 5
    for number, one in enumerate(taken):
        if one.refused is None:
            replicas[number % REPLICAS].release(demand(few, steps), one.lease)
    for counters in replicas:
        await counters.aclose()
    taken = await asyncio.gather(*(replicas[n % REPLICAS].take(demand(few, steps)) for n in range(20)))
    assert [one.refused for one in taken].count(None) == 4


async def test_places_are_given_back_though_nobody_calls_again(replicas: list[RedisCounters]) -> None:
    here, there = replicas[:2]
    wanted = demand(places(most=1))
    taken = await here.take(wanted)
    assert await is_refused(there, wanted)
    here.release(wanted, taken.lease)
    with anyio.fail_after(10):
        while await is_refused(there, wanted):
            pass


async def test_a_call_takes_the_ended_leases_along(replicas: list[RedisCounters]) -> None:
    """One after the other, as fast as it goes: nobody is in his own way."""
    wanted = demand(places(most=1))
    for _ in range(50):
        taken = await replicas[0].take(wanted)
        assert taken.refused is None
        replicas[0].release(wanted, taken.lease)


async def test_waiting_as_long_as_told_admits_by_the_clock_of_the_server(replicas: list[RedisCounters]) -> None:
    fast = demand(rate(per_minute=600, burst=2))  # one every 100 ms
    assert await granted(replicas[0], fast, 2) == 2
    asked = time.monotonic_ns() // 1000
    refusal = await replicas[0].take(fast)
    told = begun = time.monotonic_ns() // 1000
    with anyio.fail_after(10):
        while await is_refused(replicas[1], fast):
            assert begun < told + refusal.wait_us + SLACK_US, "still refused after the time it told"
            begun = time.monotonic_ns() // 1000
    assert time.monotonic_ns() // 1000 > asked + refusal.wait_us - SLACK_US, "admitted too early"


async def test_what_is_whole_again_leaves_nothing_behind(redis_server: EmbeddedRedis) -> None:
    settings = Settings()
    async with open_redis(redis_server.url, settings) as redis:
        counters = RedisCounters(redis, settings)
        wanted = demand(
            rate(per_minute=1200, burst=2),
            budget(window_us=100_000),
            places(),
            again=budget("same", window_us=100_000),
        )
        taken = await counters.take(wanted, "digest")
        assert wanted.again is not None
        fading = [wanted.rates[0].key, wanted.budgets[0].key, wanted.again.key + "digest"]
        assert all([0 < await redis.pttl(key) <= 101 for key in fading])
        assert 0 < await redis.pttl(wanted.places[0].key) <= 600_000
        counters.release(wanted, taken.lease)
        await counters.aclose()
        with anyio.fail_after(10):
            while await redis.exists(*fading, wanted.places[0].key):
                pass


async def test_the_clock_of_the_server_set_back_does_not_lock_a_caller_out(redis_server: EmbeddedRedis) -> None:
    """The same as a clock that runs ahead until it is corrected: what is kept lies an hour in the future."""
    settings = Settings()
    ahead = "local now = clock[1] * 1000000 + clock[2] + 3600000000"
    plain = "local now = clock[1] * 1000000 + clock[2]"
    assert plain in RedisCounters.script

    class Ahead(RedisCounters):
        script = RedisCounters.script.replace(plain, ahead)

    wanted = demand(rate(per_minute=60, burst=2), budget(most=2, window_us=SECOND_US))
    async with open_redis(redis_server.url, settings) as redis:
        assert await granted(Ahead(redis, settings), wanted, 3) == 2
        refusal = await RedisCounters(redis, settings).take(wanted)
    assert refusal.refused is not None
    assert refusal.wait_us <= SECOND_US


async def test_a_server_that_forgot_the_script_is_given_it_again(redis_server: EmbeddedRedis) -> None:
    settings, slow = Settings(), demand(rate(burst=2))
    async with open_redis(redis_server.url, settings) as redis:
        counters = RedisCounters(redis, settings)
        assert not await is_refused(counters, slow)
        await redis.script_flush()
        assert not await is_refused(counters, slow)
        assert await is_refused(counters, slow)


@pytest.fixture
def own_server(tmp_path: Path) -> Generator[OwnRedis]:
    with own_redis(tmp_path) as server:
        yield server


async def test_a_killed_server_refuses_and_heals_when_it_is_back(own_server: OwnRedis) -> None:
    settings = Settings(redis_timeout_s=0.5)
    async with open_redis(own_server.url, settings) as redis:
        counters = RedisCounters(redis, settings)
        await asyncio.gather(*(counters.take(demand(rate())) for _ in range(20)))  # many pooled connections
        own_server.kill()
        with anyio.fail_after(2):
            for ask in (lambda: counters.take(demand(rate())), counters.check):
                with pytest.raises(Unavailable, match="retry in a moment"):
                    await ask()
        own_server.start()
        with anyio.fail_after(10):
            answers = await asyncio.gather(*(counters.take(demand(rate())) for _ in range(40)))
        assert [taken.refused for taken in answers] == [None] * 40


async def test_places_that_could_not_be_given_back_are_forgotten(own_server: OwnRedis) -> None:
    settings = Settings(redis_timeout_s=0.5)
    async with open_redis(own_server.url, settings) as redis:
        counters, wanted = RedisCounters(redis, settings), demand(places(most=10_000))
        taken = [await counters.take(wanted) for _ in range(5)]
        own_server.kill()
        for one in taken * 1000:
            counters.release(wanted, one.lease)
        assert len(counters._ended[wanted.places[0].key]) == 4000  # pyright: ignore[reportPrivateUsage]
        with anyio.fail_after(5):
            await counters.aclose()
        own_server.start()
        assert (await counters.take(wanted)).refused is None


async def test_a_restart_between_two_calls_is_not_noticed(own_server: OwnRedis) -> None:
    settings = Settings(redis_timeout_s=2)
    async with open_redis(own_server.url, settings) as redis:
        counters = RedisCounters(redis, settings)
        await asyncio.gather(*(counters.take(demand(rate())) for _ in range(20)))
        own_server.kill()
        own_server.start()
        answers = await asyncio.gather(*(counters.take(demand(rate())) for _ in range(40)))
    assert [taken.refused for taken in answers] == [None] * 40


async def test_a_frozen_server_refuses_within_the_timeout_and_heals(own_server: OwnRedis) -> None:
    settings = Settings(redis_timeout_s=0.3)
    async with open_redis(own_server.url, settings) as redis:
        counters = RedisCounters(redis, settings)
        await counters.check()
        own_server.signal(signal.SIGSTOP)
        try:
            with anyio.fail_after(2):  # 60 calls, more than the pool has connections
                asked = (counters.take(demand(rate())) for _ in range(60))
                answers = await asyncio.gather(*asked, return_exceptions=True)
        finally:
            own_server.signal(signal.SIGCONT)
        assert {type(answer) for answer in answers} == {Unavailable}
        await _answers_own_question(counters)


async def _answers_own_question(counters: RedisCounters) -> None:
    """After the pause each caller gets the answer to its own question, not one that came late."""
    alone = [demand(rate(burst=1)) for _ in range(10)]
    with anyio.fail_after(10):
        while True:
            with suppress(Unavailable):
                await counters.check()
                break
        first = await asyncio.gather(*(counters.take(one) for one in alone))
        again = await asyncio.gather(*(counters.take(one) for one in alone))
    assert [taken.refused for taken in first] == [None] * 10
    assert [taken.refused for taken in again] == [one.rates[0] for one in alone]


async def test_the_twin_refuses_new_callers_when_full_and_forgets_nobody() -> None:
    now = [0]
    counters = LocalCounters(clock=lambda: now[0], most=100)
    kept = [demand(rate(burst=1)) for _ in range(100)]
    assert [(await counters.take(one)).refused for one in kept] == [None] * 100
    with pytest.raises(Unavailable):
        await counters.take(demand(rate(burst=1)))
    assert None not in [(await counters.take(one)).refused for one in kept]
    now[0] += MINUTE_US
    assert await granted(counters, demand(rate(burst=1)), 1) == 1


async def test_the_twin_forgets_the_oldest_of_repeated_calls_when_full() -> None:
    counters, wanted = LocalCounters(most=100), demand(again=budget("same", most=1))
    for number in range(500):
        assert await granted(counters, wanted, 2, str(number)) == 1
    assert len(counters) == 100


async def test_the_twin_sweeps_faster_than_it_grows() -> None:
    now = [0]
    counters = LocalCounters(clock=lambda: now[0])
    sizes: list[int] = []
    same = budget("same", window_us=SECOND_US)
    for number in range(3_000):
        now[0] += 10_000
        # 100 callers at any time, each with a rate, a budget, places and a call of his own
        limits = (rate(per_minute=60, burst=1), budget(window_us=SECOND_US), places())
        taken = await counters.take(demand(*limits, again=same, hold_us=SECOND_US), str(number))
        assert taken.refused is None
        sizes.append(len(counters))
    assert max(sizes) < 900


@given(
    per_minute=st.integers(1, 100_000),
    burst=st.integers(1, 30),
    gaps=st.lists(st.integers(0, 400_000) | st.just(0) | st.integers(0, 50), max_size=120),
)
def test_no_window_admits_more_than_its_rate_and_one_burst(per_minute: int, burst: int, gaps: list[int]) -> None:
    now = 0
    one = demand(rate(per_minute=per_minute, burst=burst))
    counters = LocalCounters(clock=lambda: now)
    times: list[int] = []
    with asyncio.Runner() as runner:
        for gap in gaps:
            now += gap
            if runner.run(counters.take(one)).refused is None:
                times.append(now)
    for first, start in enumerate(times):
        for count, end in enumerate(times[first:], start=1):
            assert count <= burst + (end - start) * per_minute / MINUTE_US
