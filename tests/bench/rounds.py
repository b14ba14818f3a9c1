"""One interleaved run: every case once a round, several rounds, medians.

What disturbs a machine for a while then disturbs all cases alike. Each target is a fresh process in each round, so
that the chance layout of one process is no result.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from statistics import median

from tests.bench.connection import Run
from tests.bench.load import Asks, Window, press, pressing, warm
from tests.bench.machine import Cores, cpu_seconds
from tests.bench.replicas import Replicas
from tests.bench.targets import Target

MANY = 32


@dataclass(frozen=True)
class Case:
    """One kind of request to one target.

    Attributes:
        key: Unique, and what reports ask for.
        said: What it is, for people.
        concurrency: Connections, each with one request under way.
        per_second: Requests, whatever the answers take; 0 for each when the answer to the last one is there.
        beside: What others ask at the same time, as fast as they can; no part of the figures.
        section: Of the page, if not the first table.
    """

    key: str
    said: str
    target: Target | Replicas
    asks: Asks
    concurrency: int = MANY
    per_second: float = 0
    beside: Asks | None = None
    section: str = ""


@dataclass(frozen=True)
class Pace:
    """How long a run takes."""

    rounds: int
    seconds: float
    warm_s: float


@dataclass
class Figures:
    """What a case came to, window by window."""

    case: Case
    windows: list[Window] = field(default_factory=list[Window])
    cpu_us: list[float] = field(default_factory=list[float])
    noise: list[float] = field(default_factory=list[float])

    @property
    def per_second(self) -> float:
        return median(window.per_second for window in self.windows)

    @property
    def spread(self) -> tuple[float, float]:
        """The slowest and the fastest window, in answers a second."""
        rates = [window.per_second for window in self.windows]
        return min(rates), max(rates)

    def latency(self, share: float) -> float:
        """The median over the windows of one percentile, in ms."""
        return median(window.percentile(share) for window in self.windows)

    @property
    def cpu(self) -> float | None:
        """Processor time of the server a request, in µs."""
        return median(self.cpu_us) if self.cpu_us else None

    @property
    def noise_per_second(self) -> float:
        """Refused requests a second of those who asked beside."""
        return median(self.noise) if self.noise else 0

    @property
    def busy(self) -> float:
        return median(window.busy for window in self.windows)


async def interleave(
    cases: Sequence[Case], pace: Pace, cores: Cores, tell: Callable[[str], None]
) -> Mapping[str, Figures]:
    """Figures by key.

    Raises:
        WrongAnswer: A server answered something else than was asked for.
    """
    figures = {case.key: Figures(case) for case in cases}
    targets = list(dict.fromkeys(case.target.name for case in cases))
    for number in range(pace.rounds):
        tell(f"round {number + 1} of {pace.rounds}")
        first = number % len(targets)
        for name in targets[first:] + targets[:first]:
            await _turn([figures[case.key] for case in cases if case.target.name == name], pace, cores)
    return figures


async def _turn(all_of_one: Sequence[Figures], pace: Pace, cores: Cores) -> None:
    first = all_of_one[0].case
    target = first.target
    async with target.running(next(first.asks()), cores) as process_ids:
        # Connections, caches and statements are those of a server that has been at it for a while.
        await warm(target.ports, first.asks, MANY, pace.warm_s, per_second=first.per_second)
        for figures in all_of_one:
            async with AsyncExitStack() as stack:
                beside = figures.case.beside
                noise = await stack.enter_async_context(pressing(target.ports, beside, MANY)) if beside else None
                await _window(figures, process_ids, pace, noise)


async def _window(figures: Figures, process_ids: Sequence[int], pace: Pace, noise: Run | None) -> None:
    case = figures.case
    ports, asks, often = case.target.ports, case.asks, case.per_second
    await warm(ports, asks, case.concurrency, pace.warm_s, per_second=often)
    if noise:
        noise.counting = True
    before = [cpu_seconds(process_id) for process_id in process_ids]
    window = await press(ports, asks, case.concurrency, pace.seconds, 0, per_second=often)
    after = [cpu_seconds(process_id) for process_id in process_ids]
    figures.windows.append(window)
    if noise:
        figures.noise.append(noise.refused / window.seconds)
    elif None not in (*before, *after):
        figures.cpu_us.append((_sum(after) - _sum(before)) / len(window.latencies_ms) * 1e6)


def _sum(seconds: Sequence[float | None]) -> float:
    return sum(one or 0 for one in seconds)
