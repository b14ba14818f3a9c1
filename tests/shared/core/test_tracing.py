"""Which requests are recorded, and that the others pay nothing for it."""

import random
import time

import pytest
from opentelemetry.trace import SpanContext, TraceFlags

from shared.core import tracing
from shared.core.tracing import ASKED_PER_SECOND, Sampler, parent_of, span


def client(trace_id: int = 1, *, sampled: bool = True) -> SpanContext:
    return SpanContext(trace_id, 1, is_remote=True, trace_flags=TraceFlags(sampled))


def taken(sampler: Sampler, parent: SpanContext | None, times: int = 10_000) -> int:
    return sum(sampler.takes(parent) for _ in range(times))


@pytest.fixture(autouse=True)
def chance() -> None:
    random.seed(7)


def test_the_ratio_decides_where_the_client_says_nothing() -> None:
    assert 800 < taken(Sampler(0.1), None) < 1200
    assert taken(Sampler(1.0), None) == 10_000
    assert taken(Sampler(0.0), None) == 0


def test_a_client_cannot_have_everything_recorded() -> None:
    sampler = Sampler(0.1, lambda: 0.0)
    assert 800 < taken(sampler, client()) < 1200 + ASKED_PER_SECOND


def test_nor_does_its_choice_of_a_trace_id_help() -> None:
    sampler = Sampler(0.1, lambda: 0.0)
    assert taken(sampler, client(trace_id=1)) < 1300  # what TraceIdRatioBased would take whole


def test_a_client_that_records_is_recorded_a_few_times_a_second() -> None:
    now = [0.0]
    sampler = Sampler(1e-12, lambda: now[0])
    first = taken(sampler, client(), 100)
    now[0] += 0.5
    assert (first, taken(sampler, client(), 100)) == (ASKED_PER_SECOND, ASKED_PER_SECOND // 2)


def test_off_is_off_also_for_clients_that_ask() -> None:
    assert taken(Sampler(0.0), client()) == 0


def test_a_client_that_does_not_record_is_not_recorded() -> None:
    assert taken(Sampler(1.0), client(sampled=False)) == 0


def test_a_parent_is_read_as_the_recommendation_says() -> None:
    found = parent_of({"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01", "tracestate": "a=b"}, lambda _: True)
    assert found is not None
    assert (f"{found.trace_id:x}", f"{found.span_id:x}", found.trace_flags.sampled) == ("ab" * 16, "cd" * 8, True)
    assert found.trace_state.to_header() == "a=b"


@pytest.mark.parametrize("stated", [None, 7, ["00"], {}, "", "00", "\x00" * 55])
def test_what_is_no_parent_is_none(stated: object) -> None:
    assert parent_of({"traceparent": stated}) is None


@pytest.mark.parametrize("state", [7, None, "x" * 513, "no state", "=", "a=b\x00"])
def test_a_bad_state_costs_the_state_and_not_the_parent(state: object) -> None:
    found = parent_of({"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01", "tracestate": state}, lambda _: True)
    assert found is not None
    assert found.trace_state.to_header() == ""


def test_a_step_that_is_not_recorded_costs_almost_nothing() -> None:
    with tracing.watch("x", None, 0, lambda: ({}, ())):
        began = time.perf_counter()
        for _ in range(10_000):
            with span("step"):
                pass
        spent = time.perf_counter() - began
    assert spent / 10_000 < 20e-6  # measured: 0.3 µs; a recorded one takes 20 µs and more


def test_outside_of_a_request_nothing_is_known_and_nothing_fails() -> None:
    tracing.tell(outcome="ok")
    with span("step"):
        assert (tracing.current(), tracing.ids()) == (None, {})
