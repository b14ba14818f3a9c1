"""One interleaved run: every case once a round, several rounds, medians.

What disturbs a machine for a while then disturbs all cases alike. Each target is a fresh process in each round, so
that the chance layout of one process is no result.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from tests.bench.load import Asks, Window, press, warm
from tests.bench.machine import Cores, cpu_seconds
from tests.bench.targets import Target

_MANY = 32


@dataclass(frozen=True)
class Case:
    """One kind of request to one target.

    Attributes:
        key: Unique, and what reports ask for.
        said: What it is, for people.
        concurrency: Connections, each with one request under way.
    """

    key: str
    said: str
    target: Target
    asks: Asks
    concurrency: int = _MANY


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
    target, ready = all_of_one[0].case.target, next(all_of_one[0].case.asks())
    async with target.running(ready, cores.server) as process_id:
        # Connections, caches and statements are those of a server that has been at it for a while.
        await warm(target.port, all_of_one[0].case.asks, _MANY, pace.warm_s)
        for figures in all_of_one:
            case = figures.case
            await warm(target.port, case.asks, case.concurrency, pace.warm_s)
            before = cpu_seconds(process_id)
            window = await press(target.port, case.asks, case.concurrency, pace.seconds, 0)
            after = cpu_seconds(process_id)
            figures.windows.append(window)
            if before is not None and after is not None:
                figures.cpu_us.append((after - before) / len(window.latencies_ms) * 1e6)
