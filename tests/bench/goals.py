"""The speed the suite owes (ratios of one interleaved run, or absolute where the goal is), and whether it is there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.bench.rounds import Figures
from tests.bench.startup import Startup
from tests.bench.trail import Trail

QUIET_SLOWER_MOST = 20.0


@dataclass(frozen=True)
class Goal:
    """One figure beside the goal.

    Attributes:
        first: What is owed now; `then` what comes next.
        least: Whether the figure is to be at least the goal, else at most.
    """

    what: str
    figure: float
    unit: str
    first: float
    then: float | None
    least: bool = True

    @property
    def met(self) -> bool:
        return self._reaches(self.first)

    @property
    def verdict(self) -> str:
        if self.then is not None and self._reaches(self.then):
            return "met, and what comes next"
        return "met" if self.met else "**missed**"

    def _reaches(self, goal: float) -> bool:
        return self.figure >= goal if self.least else self.figure <= goal


def ratios(figures: Mapping[str, Figures]) -> Iterator[Goal]:
    """Goals between cases, as far as these were run."""
    for what, ours, theirs, first, then in (
        ("`get_customer`, all controls, against the bare SDK's no-op (MCPServer)", "get", "mcpserver", 0.45, 0.65),
        ("`get_customer`, all controls, against a bare FastMCP 4 no-op", "get", "fastmcp", 1.3, 2.0),
        ("a no-op through the whole path against the bare SDK's", "noop", "mcpserver", 0.55, 0.8),
        (
            "a call in a session of any replica against the SDK's in one process",
            "session_edge",
            "sdk_session",
            0.8,
            1.0,
        ),
    ):
        if ours in figures and theirs in figures:
            yield Goal(what, figures[ours].per_second / figures[theirs].per_second, "×", first, then)


def scaled(figures: Mapping[str, Figures]) -> Iterator[Goal]:
    """What two replicas could answer of what one can, by the processor time they took, if both cases were run."""
    one, two = figures.get("replicas_one"), figures.get("replicas_two")
    if one and two and one.cpu and two.cpu:
        ratio = len(two.case.target.ports) * one.cpu / two.cpu
        yield Goal("two replicas on two cores against one: answers for their processor time", ratio, "×", 1.8, None)


def differences(figures: Mapping[str, Figures]) -> Iterator[Goal]:
    """Goals of latency between cases, as far as these were run."""
    if "limits_redis_alone" in figures and "limits_none_alone" in figures:
        added = figures["limits_redis_alone"].latency(0.5) - figures["limits_none_alone"].latency(0.5)
        yield Goal("limits in Redis: what they add at p50, one at a time", added, "ms", 0.25, None, least=False)
    for judged, said in (("judged", "decided before"), ("judged_each", "on every call's arguments")):
        if f"{judged}_alone" in figures and "judged_neither_alone" in figures:
            added = figures[f"{judged}_alone"].latency(0.5) - figures["judged_neither_alone"].latency(0.5)
            what = f"verification and policy {said}: what they add at p50, one at a time"
            yield Goal(what, added, "ms", 0.15, None, least=False)
    if "tenant_beside" in figures and "tenant_alone" in figures:
        slower = figures["tenant_beside"].latency(0.5) / figures["tenant_alone"].latency(0.5)
        what = "a quiet tenant's p50 beside a noisy one, against alone"
        yield Goal(what, slower, "×", QUIET_SLOWER_MOST, None, least=False)


def of_startup(startup: Startup) -> Iterator[Goal]:
    yield Goal(
        "stdio start to the first `tools/list`, PostgreSQL running", startup.attached_s, "s", 1, 0.6, least=False
    )
    if startup.resident_mb is not None:
        yield Goal("memory of a stdio process", startup.resident_mb, "MB", 120, None, least=False)


def of_trail(trail: Trail) -> Iterator[Goal]:
    yield Goal("audit: verify", trail.verified, "records/s", 100_000, 300_000)
    said = f"audit: who read the resource of one customer last quarter, over {trail.records:,} records"
    yield Goal(said, trail.touched_ms / 1000, "s", 1, 0.2, least=False)
    said = f"audit: who touched that customer last quarter, by any tool, over {trail.records:,} records"
    yield Goal(said, trail.named_ms / 1000, "s", 1, 0.2, least=False)
