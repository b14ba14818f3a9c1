"""One contract for both places where allowances are kept. The server is real: without one these tests fail."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import replace

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.state.counters import Demand, Limit
from shared.state.embedded_redis import EmbeddedRedis
from tests.counting import (
    MINUTE_US,
    SECOND_US,
    Bench,
    LocalBench,
    budget,
    clocked_redis,
    demand,
    granted,
    places,
    rate,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["local", "redis"])
async def bench(request: pytest.FixtureRequest) -> AsyncGenerator[Bench]:
    if request.param == "local":
        yield LocalBench()
        return
    server: EmbeddedRedis = request.getfixturevalue("redis_server")
    async with clocked_redis(server.url) as made:
        yield made


async def test_a_burst_is_admitted_and_the_next_call_is_refused(bench: Bench) -> None:
    slow = rate(burst=3)
    assert await granted(bench.counters, demand(slow), 3) == 3
    taken = await bench.counters.take(demand(slow))
    assert (taken.refused, taken.wait_us) == (slow, MINUTE_US)


async def test_waiting_as_long_as_told_admits_and_not_any_sooner(bench: Bench) -> None:
    kinds = [demand(rate(per_minute=7, burst=2)), demand(budget(most=2)), demand(again=budget("same", most=2))]
    for wanted in kinds:
        assert await granted(bench.counters, wanted, 2, "digest") == 2
        await bench.later(1_234)
        taken = await bench.counters.take(wanted, "digest")
        await bench.later(taken.wait_us - 1)
        assert (await bench.counters.take(wanted, "digest")).refused is not None
        await bench.later(1)
        assert (await bench.counters.take(wanted, "digest")).refused is None


async def test_a_refused_call_is_charged_to_none_of_its_limits(bench: Bench) -> None:
    wide = (rate("wide", burst=5), places("wide places", most=5), budget("wide budget", most=5))
    same = budget("wide same", most=5)
    narrow = [rate("narrow", burst=1), places("narrow", most=1), budget("narrow", most=1)]
    for number, one in enumerate(narrow):
        assert (await bench.counters.take(demand(*wide, one, again=same), "d")).refused is None
        refused = [await bench.counters.take(demand(*wide, one, again=same), "d") for _ in range(5)]
        assert {taken.refused and taken.refused.name for taken in refused} == {"narrow"}
        lefts = [taken.left[limit.name] for taken in refused for limit in (*wide, same)]
        assert set(lefts) == {4 - number}
    assert await granted(bench.counters, demand(*wide, again=same), 10, "d") == 2


async def test_a_loop_is_refused_without_a_charge_to_anything_else(bench: Bench) -> None:
    wide, same = rate("wide", burst=5), budget("same", most=1)
    assert await granted(bench.counters, demand(wide, again=same), 5, "one") == 1
    assert await granted(bench.counters, demand(wide), 10) == 4


async def test_the_limit_with_the_longest_wait_is_the_one_told(bench: Bench) -> None:
    soon, late = rate("soon", per_minute=60, burst=1), rate("late", per_minute=1, burst=1)
    latest = budget("latest", most=1, window_us=2 * MINUTE_US)
    assert (await bench.counters.take(demand(soon, late, latest))).refused is None
    for order in ([soon, late], [late, soon]):
        taken = await bench.counters.take(demand(*order))
        assert (taken.refused and taken.refused.name, taken.wait_us) == ("late", MINUTE_US)
    taken = await bench.counters.take(demand(soon, late, latest))
    assert (taken.refused and taken.refused.name, taken.wait_us) == ("latest", 2 * MINUTE_US)


async def test_a_limit_that_was_raised_holds_at_once(bench: Bench) -> None:
    before = rate(per_minute=1, burst=50)
    assert await granted(bench.counters, demand(before), 60) == 50
    taken = await bench.counters.take(demand(replace(before, per_minute=600, burst=1)))
    assert 0 < taken.wait_us <= MINUTE_US // 600
    long = budget(most=1, window_us=10 * MINUTE_US)
    assert await granted(bench.counters, demand(long), 2) == 1
    assert (await bench.counters.take(demand(replace(long, window_us=SECOND_US)))).wait_us == SECOND_US


async def test_so_many_calls_are_in_progress_and_each_that_ends_makes_room(bench: Bench) -> None:
    wanted = demand(places(most=2))
    first, second = [await bench.counters.take(wanted) for _ in range(2)]
    assert first.lease != second.lease
    assert (await bench.counters.take(wanted)).refused == wanted.places[0]
    bench.counters.release(wanted, first.lease)
    bench.counters.release(wanted, first.lease)  # twice is once
    assert await granted(bench.counters, wanted, 3) == 1


async def test_the_places_of_a_process_that_died_free_themselves(bench: Bench) -> None:
    wanted = demand(places(most=2), hold_us=5 * SECOND_US)
    assert await granted(bench.counters, wanted, 3) == 2
    await bench.later(5 * SECOND_US - 1)
    assert await granted(bench.counters, wanted, 1) == 0
    await bench.later(1)
    assert await granted(bench.counters, wanted, 3) == 2


async def test_a_lease_that_ended_by_itself_can_still_be_given_back(bench: Bench) -> None:
    wanted = demand(places(most=1), hold_us=SECOND_US)
    late = await bench.counters.take(wanted)
    await bench.later(SECOND_US)
    assert await granted(bench.counters, wanted, 1) == 1
    bench.counters.release(wanted, late.lease)
    assert await granted(bench.counters, wanted, 1) == 0, "it gave somebody else's place back"


async def test_a_budget_is_spent_to_its_last_unit_and_not_beyond(bench: Bench) -> None:
    cost = budget("cost", most=1_000, charge=300)
    assert await granted(bench.counters, demand(cost), 5) == 3
    taken = await bench.counters.take(demand(cost))
    assert (taken.refused, dict(taken.left)) == (cost, {"cost": 100})
    cheap = await bench.counters.take(demand(replace(cost, charge=100)))
    assert (cheap.refused, dict(cheap.left)) == (None, {"cost": 0})


async def test_what_costs_nothing_goes_on_when_nothing_is_left(bench: Bench) -> None:
    cost = budget("cost", most=300, charge=300)
    free = replace(cost, charge=0)
    assert await granted(bench.counters, demand(free), 2) == 2
    assert await granted(bench.counters, demand(cost), 2) == 1
    assert await granted(bench.counters, demand(free), 5) == 5
    assert await granted(bench.counters, demand(replace(free, most=100)), 1) == 1  # lowered meanwhile


async def test_a_window_begins_with_its_first_use_and_ends_whole(bench: Bench) -> None:
    steps = demand(budget(most=2, window_us=MINUTE_US))
    await bench.counters.take(steps)
    await bench.later(MINUTE_US - 1)
    assert await granted(bench.counters, steps, 3) == 1
    assert (await bench.counters.take(steps)).wait_us == 1
    await bench.later(1)
    assert await granted(bench.counters, steps, 3) == 2


async def test_what_is_reserved_is_left_to_calls_that_cannot_wait(bench: Bench) -> None:
    limits: list[Limit] = [rate(burst=10), places(most=10), budget(most=10)]
    for limit in limits:
        waits = demand(replace(limit, reserved=2))
        assert await granted(bench.counters, waits, 20) == 8
        assert (await bench.counters.take(waits)).left[limit.name] == 2
        assert await granted(bench.counters, demand(limit), 20) == 2


async def test_a_repeated_call_is_counted_by_its_digest(bench: Bench) -> None:
    wanted = demand(again=budget("same", most=2))
    assert await granted(bench.counters, wanted, 4, "one") == 2
    assert await granted(bench.counters, wanted, 4, "other") == 2
    assert await granted(bench.counters, wanted, 4) == 4


async def test_the_answer_says_what_is_left(bench: Bench) -> None:
    wanted = demand(
        rate("calls", per_minute=1, burst=5),
        budget("steps", most=9),
        budget("cost", most=100, charge=30),
        again=budget("same", most=4),
    )
    lefts = [dict((await bench.counters.take(wanted, "d")).left) for _ in range(2)]
    assert lefts == [
        {"calls": 4, "steps": 8, "cost": 70, "same": 3},
        {"calls": 3, "steps": 7, "cost": 40, "same": 2},
    ]
    await bench.later(MINUTE_US)
    assert (await bench.counters.take(wanted)).left["calls"] == 3


async def test_two_hundred_calls_at_once_get_exactly_the_burst(bench: Bench) -> None:
    contested = demand(rate(burst=20))
    with anyio.fail_after(10):
        answers = await asyncio.gather(*(bench.counters.take(contested) for _ in range(200)))
    assert [taken.refused for taken in answers].count(None) == 20


async def test_fifty_callers_at_once_never_hold_more_than_the_places_there_are(bench: Bench) -> None:
    wanted, held, most, done = demand(places(most=7)), 0, 0, 0

    async def caller() -> None:
        nonlocal held, most, done
        while (taken := await bench.counters.take(wanted)).refused is not None:
            await anyio.lowlevel.checkpoint()
        held += 1
        most = max(most, held)
        await anyio.lowlevel.checkpoint()
        held -= 1
        bench.counters.release(wanted, taken.lease)
        done += 1

    with anyio.fail_after(20):
        await asyncio.gather(*(caller() for _ in range(50)))
    assert (done, most <= 7) == (50, True)


async def test_nothing_is_asked_for_and_granted(bench: Bench) -> None:
    taken = await bench.counters.take(Demand())
    assert (taken.refused, dict(taken.left)) == (None, {})
    bench.counters.release(Demand(), taken.lease)


async def test_readiness_is_green_while_limits_can_be_counted(bench: Bench) -> None:
    await bench.counters.check()


def menu() -> list[Demand]:
    """Demands that meet in the same limits, under keys that no other history has."""
    fast, slow = rate("fast", per_minute=60, burst=4), rate("slow", per_minute=7, burst=2)
    here = places("places", most=3)
    steps = budget("steps", most=6, window_us=90 * SECOND_US)
    cost = budget("cost", most=1_000, charge=250, window_us=50 * SECOND_US)
    same = budget("same", most=2, window_us=20 * SECOND_US)
    everything: list[Limit] = [fast, slow, here, steps, cost]
    return [
        demand(*everything, again=same, hold_us=30 * SECOND_US),
        demand(fast, here, again=same, hold_us=10 * SECOND_US),
        demand(slow, steps, replace(cost, charge=0)),
        demand(*(replace(limit, reserved=1) for limit in everything), hold_us=5 * SECOND_US),
        demand(replace(fast, per_minute=30, burst=6), replace(cost, most=400, charge=100)),
    ]


MOVES = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.none() | st.sampled_from("ab"),
        st.just(0) | st.integers(0, 3_000_000) | st.integers(0, 40_000_000),
        st.booleans(),
    ),
    max_size=40,
)


async def play(url: str, moves: list[tuple[int, str | None, int, bool]]) -> None:
    async with clocked_redis(url) as shared:
        local, demands = LocalBench(), menu()
        held: deque[tuple[Demand, str, str]] = deque()
        for choice, digest, gap, ends in moves:
            for bench in (local, shared):
                await bench.later(gap)
            if ends and held:
                wanted, here, there = held.popleft()
                local.counters.release(wanted, here)
                shared.counters.release(wanted, there)
                await shared.counters.aclose()
            one, other = [await bench.counters.take(demands[choice], digest) for bench in (local, shared)]
            assert (one.refused, one.wait_us) == (other.refused, other.wait_us)
            # Leases of the dead are only looked for when places run short.
            assert {**one.left, "places": 0} == {**other.left, "places": 0}
            if one.refused is None:
                held.append((demands[choice], one.lease, other.lease))


@pytest.mark.parametrize("both", ["redis and local"])
def test_the_twins_decide_alike_on_any_history(redis_server: EmbeddedRedis, both: str) -> None:
    @settings(max_examples=100, deadline=None)
    @given(MOVES)
    def alike(moves: list[tuple[int, str | None, int, bool]]) -> None:
        asyncio.run(play(redis_server.url, moves))

    alike()
