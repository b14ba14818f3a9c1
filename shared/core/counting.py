"""Counters, histograms and gauges in plain dictionaries: adding costs less than a microsecond, whoever reads pays.

As a last resort a metric of too many label sets counts new ones under `other`.
"""

from bisect import bisect_left
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from types import TracebackType

Labels = tuple[str, ...]

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of every histogram's buckets."""

_SERIES_MAX = 2000
_OTHER = "other"


@dataclass(slots=True)
class Counted:
    """One series of a histogram: observations by bucket, the last beyond every bound, and their sum."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(SECONDS) + 1))
    sum: float = 0.0


class Counter:
    """Only ever goes up."""

    def __init__(self, name: str, meaning: str, *labels: str) -> None:
        self.name = name
        self.meaning = meaning
        self.labels = labels
        self._series: dict[Labels, float] = {}

    def add(self, *labels: str, by: float = 1) -> None:
        known = self._series.get(labels)
        if known is None and len(self._series) >= _SERIES_MAX:
            labels = (_OTHER,) * len(labels)
            known = self._series.get(labels)
        self._series[labels] = (known or 0) + by

    def read(self) -> list[tuple[Labels, float]]:
        return list(self._series.copy().items())  # copied at once: another thread counts meanwhile

    def value(self, *labels: str) -> float:
        return self._series.get(labels, 0)


class Histogram:
    """How long something took, in seconds."""

    def __init__(self, name: str, meaning: str, *labels: str) -> None:
        self.name = name
        self.meaning = meaning
        self.labels = labels
        self._series: dict[Labels, Counted] = {}

    def observe(self, seconds: float, *labels: str) -> None:
        series = self._series.get(labels)
        if series is None:
            if len(self._series) >= _SERIES_MAX:
                labels = (_OTHER,) * len(labels)
            series = self._series.setdefault(labels, Counted())
        series.buckets[bisect_left(SECONDS, seconds)] += 1
        series.sum += seconds

    def timed(self, *labels: str) -> "Timed":
        """A context whose duration is observed, however it ends."""
        return Timed(self, labels)

    def read(self) -> list[tuple[Labels, Counted]]:
        return [(labels, Counted([*series.buckets], series.sum)) for labels, series in self._series.copy().items()]


class Timed:
    """See `Histogram.timed`."""

    __slots__ = ("_began", "_histogram", "_labels")

    def __init__(self, histogram: Histogram, labels: Labels) -> None:
        self._histogram = histogram
        self._labels = labels
        self._began = 0.0

    def __enter__(self) -> None:
        self._began = perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._histogram.observe(perf_counter() - self._began, *self._labels)


class Gauge:
    """As things are when somebody looks: what is held now, and what those who know say; summed."""

    def __init__(self, name: str, meaning: str, *labels: str) -> None:
        self.name = name
        self.meaning = meaning
        self.labels = labels
        self._readers: dict[object, tuple[Labels, Callable[[], float]]] = {}
        self._held: dict[Labels, float] = {}

    def held(self, *labels: str) -> "Held":
        """A context that counts as one for as long as it lasts."""
        return Held(self._held, labels)

    @contextmanager
    def reading(self, read: Callable[[], float], *labels: str) -> Generator[None]:
        """Ask `read`, from any thread, for as long as the context lasts."""
        key = object()
        self._readers[key] = (labels, read)
        try:
            yield
        finally:
            del self._readers[key]

    def read(self) -> list[tuple[Labels, float]]:
        found = dict(self._held)
        for labels, read in list(self._readers.values()):
            found[labels] = found.get(labels, 0) + read()
        return list(found.items())


class Held:
    """See `Gauge.held`."""

    __slots__ = ("_held", "_labels")

    def __init__(self, held: dict[Labels, float], labels: Labels) -> None:
        self._held = held
        self._labels = labels

    def __enter__(self) -> None:
        self._held[self._labels] = self._held.get(self._labels, 0) + 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held[self._labels] -= 1


Metric = Counter | Histogram | Gauge
