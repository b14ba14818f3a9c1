"""What is counted stays small, whatever comes in."""

import pytest

from shared.core.counting import SECONDS, Counter, Gauge, Histogram


def test_a_counter_adds_by_its_labels() -> None:
    counter = Counter("c", "", "server", "tool")
    counter.add("a", "x")
    counter.add("a", "x", by=2)
    counter.add("a", "y")
    assert dict(counter.read()) == {("a", "x"): 3, ("a", "y"): 1}


@pytest.mark.parametrize(("seconds", "bucket"), [(0.0, 0), (0.0005, 0), (0.0006, 1), (10.0, 13), (11.0, 14)])
def test_an_observation_is_in_the_first_bucket_that_holds_it(seconds: float, bucket: int) -> None:
    histogram = Histogram("h", "")
    histogram.observe(seconds)
    [(_, series)] = histogram.read()
    assert [number for number, count in enumerate(series.buckets) if count] == [bucket]
    assert (series.sum, len(series.buckets)) == (seconds, len(SECONDS) + 1)


def test_what_ends_with_an_error_is_timed_too() -> None:
    histogram = Histogram("h", "")
    with pytest.raises(KeyError), histogram.timed():
        raise KeyError
    [(_, series)] = histogram.read()
    assert sum(series.buckets) == 1


def test_a_gauge_sums_what_is_held_and_what_others_say_while_they_are_there() -> None:
    gauge = Gauge("g", "", "state")
    with gauge.reading(lambda: 3, "used"), gauge.reading(lambda: 4, "used"), gauge.held("idle"):
        assert dict(gauge.read()) == {("used",): 7, ("idle",): 1}
    assert dict(gauge.read()) == {("idle",): 0}


def test_too_many_label_sets_end_up_under_other() -> None:
    counter, histogram = Counter("c", "", "tool"), Histogram("h", "", "tool")
    for number in range(10_000):
        counter.add(str(number))
        histogram.observe(1, str(number))
    assert len(counter.read()) == len(histogram.read()) == 2001
    assert counter.value("other") == 8000
