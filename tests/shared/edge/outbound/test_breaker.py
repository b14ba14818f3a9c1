from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.edge.outbound.breaker import Admitted, Breaker


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def breaker(clock: Clock, failures: int = 3) -> Breaker:
    return Breaker(failures, 10, 5, clock)


def fail(one: Breaker, times: int) -> None:
    for _ in range(times):
        one.failed(let_through(one))


def let_through(one: Breaker) -> Admitted:
    admitted = one.admit()
    assert admitted is not None
    return admitted


def test_it_opens_at_so_many_failures_within_the_window() -> None:
    clock = Clock()
    one = breaker(clock)
    fail(one, 2)
    assert one.state == "closed"
    fail(one, 1)
    assert (one.state, one.admit(), one.wait_s()) == ("open", None, 5)


def test_failures_of_long_ago_do_not_count_and_successes_between_do_not_hide_the_others() -> None:
    clock = Clock()
    one = breaker(clock)
    fail(one, 2)
    clock.now += 10.1
    fail(one, 2)
    assert one.state == "closed"
    one.succeeded(let_through(one))
    fail(one, 1)
    assert one.state == "open"


@pytest.mark.parametrize(("end", "state"), [("succeeded", "closed"), ("failed", "open"), ("gave_up", "half_open")])
def test_half_open_one_is_let_through_and_its_end_decides(end: str, state: str) -> None:
    clock = Clock()
    one = breaker(clock)
    fail(one, 3)
    clock.now += 5
    assert one.state == "half_open"
    assert [one.admit() for _ in range(3)] == ["to_try", None, None]
    getattr(one, end)("to_try")
    assert one.state == state
    assert (one.admit() is None) == (state == "open")


def test_it_forgets_what_was_before_it_closed() -> None:
    clock = Clock()
    one = breaker(clock)
    fail(one, 3)
    clock.now += 5
    one.succeeded(let_through(one))
    fail(one, 2)
    assert one.state == "closed"


@pytest.mark.parametrize("late", ["succeeded", "failed", "gave_up"])
def test_what_was_under_way_when_it_opened_decides_nothing(late: str) -> None:
    clock = Clock()
    one = breaker(clock)
    early = let_through(one)
    fail(one, 3)
    getattr(one, late)(early)
    assert (one.state, one.wait_s()) == ("open", 5)
    clock.now += 5
    probe = let_through(one)
    getattr(one, late)(early)
    assert one.admit() is None
    one.succeeded(probe)
    assert one.state == "closed"


@given(st.lists(st.sampled_from(["admit", "succeeded", "failed", "gave_up", "wait"]), max_size=60))
def test_it_never_lets_two_try_at_once_and_never_stays_open_for_good(acts: list[str]) -> None:
    clock = Clock()
    one = breaker(clock, 2)
    under_way: list[Admitted] = []
    for act in acts:
        if act == "wait":
            clock.now += 2
        elif act == "admit":
            was = one.state
            if (admitted := one.admit()) is not None:
                under_way.append(admitted)
                assert (was, admitted) in {("closed", "freely"), ("half_open", "to_try")}
            assert under_way.count("to_try") <= 1
        elif under_way:
            getattr(one, act)(under_way.pop(0))
    for admitted in under_way:
        one.gave_up(admitted)
    clock.now += 5
    assert one.admit() is not None
