"""The figures as tables, for the terminal and for docs/bench.md."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.bench import indexes
from tests.bench.cases import LADDER, WRITES
from tests.bench.goals import Goal, differences, of_startup, of_trail, ratios, scaled
from tests.bench.profile import Share
from tests.bench.replicas import Replicas
from tests.bench.rounds import Figures, Pace
from tests.bench.sharing import SECTIONS
from tests.bench.startup import Startup
from tests.bench.stores import Facts
from tests.bench.trail import Trail


@dataclass(frozen=True)
class Results:
    """A whole run. What was not measured is None."""

    machine: str
    cores: str
    engines: str
    peers: str
    pace: Pace
    figures: Mapping[str, Figures]
    facts: Facts
    trail: Trail | None
    startup: Startup | None
    profile: Sequence[Share]

    @property
    def goals(self) -> list[Goal]:
        found = [*ratios(self.figures), *scaled(self.figures), *differences(self.figures)]
        found += of_startup(self.startup) if self.startup else []
        return found + ([*of_trail(self.trail)] if self.trail else [])


def tables(results: Results) -> Iterator[str]:
    """Every table in Markdown, each after its heading."""
    figures = results.figures
    if rows := [found for key, found in figures.items() if _is_general(key, found)]:
        yield "## Calls a second"
        yield _cases(rows, figures.get("mcpserver"))
    if results.goals:
        yield "## Against the goals"
        yield _goals(results.goals)
    for section in dict.fromkeys(found.case.section for found in figures.values() if found.case.section):
        yield f"## {section}"
        yield SECTIONS[section].strip()
        yield _section([found for found in figures.values() if found.case.section == section])
    if any(key.startswith("with_") for key in figures):
        yield "## What each control costs"
        yield _ladder(figures)
    if any(key in figures for key in _WRITTEN):
        yield "## What a write costs"
        yield _cases((figures[key] for key in _WRITTEN if key in figures), None)
    if found := [found for key, found in figures.items() if key.startswith("search_")]:
        yield f"## Searching {results.facts['customers']:,} customers"
        yield _cases(found, None)
    if results.trail:
        yield "## The audit"
        yield _trail(results.trail)
    if results.startup:
        yield "## Starting over stdio"
        yield _startup(results.startup)
    if results.profile:
        yield "## Where the time of a call goes"
        yield table(("share", "where"), ((f"{share.part:.0%}", share.where) for share in results.profile))


_WRITTEN = tuple(key for key, _, _ in WRITES)


def _is_general(key: str, found: Figures) -> bool:
    return not (found.case.section or key.startswith(("with_", "search_")) or key in _WRITTEN)


def _section(rows: Sequence[Figures]) -> str:
    """The usual table; of replicas also what one core of them would do, of neighbours what they were refused."""
    shown = _cases(rows, None)
    if replicas := [found for found in rows if isinstance(found.case.target, Replicas)]:
        heads = ("case", "calls/s against the first", "calls a second of server CPU", "× cores", "against the first")
        shown += "\n\n" + table(heads, (_replicas(found, replicas[0]) for found in replicas))
    for found in rows:
        if found.noise:
            shown += f"\n\nThe noisy one is refused {found.noise_per_second:,.0f} times a second meanwhile."
    return shown


def _replicas(found: Figures, first: Figures) -> list[str]:
    ours, its = _capacity(found), _capacity(first)
    rate = f"{found.per_second / first.per_second:.2f}"
    return [found.case.said, rate, f"{1e6 / (found.cpu or 1):,.0f}", f"{ours:,.0f}", f"{ours / its:.2f}"]


def _capacity(found: Figures) -> float:
    """Calls a second of processor time of the servers, times the cores they were given."""
    target = found.case.target
    assert isinstance(target, Replicas)
    return 1e6 / (found.cpu or 1) * target.cores


def _cases(rows: Iterable[Figures], against: Figures | None) -> str:
    heads = ["case", "at once", "calls/s", "slowest–fastest window", "p50 ms", "p99 ms", "server CPU µs"]
    return table([*heads, *(["× MCPServer"] if against else [])], (_case(found, against) for found in rows))


def _case(found: Figures, against: Figures | None) -> list[str]:
    low, high = found.spread
    cells = [
        *(found.case.said, str(found.case.concurrency), f"{found.per_second:,.0f}", f"{low:,.0f}–{high:,.0f}"),
        *(f"{found.latency(0.5):.2f}", f"{found.latency(0.99):.2f}", _number(found.cpu)),
    ]
    if against is None:
        return cells
    comparable = found.case.concurrency == against.case.concurrency
    return [*cells, f"{found.per_second / against.per_second:.2f}" if comparable else ""]


def _goals(goals: Sequence[Goal]) -> str:
    def row(goal: Goal) -> list[str]:
        sign = "≥" if goal.least else "≤"
        then = f"{sign} {goal.then:,g} {goal.unit}" if goal.then is not None else ""
        figure = f"{goal.figure:,.0f}" if goal.figure >= 1000 else f"{goal.figure:.3g}"
        return [goal.what, f"{figure} {goal.unit}", f"{sign} {goal.first:,g} {goal.unit}", then, goal.verdict]

    return table(("what", "measured", "owed first", "then", "verdict"), map(row, goals))


def _ladder(figures: Mapping[str, Figures]) -> str:
    rows: list[list[str]] = []
    before: float | None = None
    for key, said, _ in LADDER:
        found = figures.get(f"with_{key}")
        if found is None:
            continue
        cost = "" if before is None or found.cpu is None else f"{found.cpu - before:+.0f}"
        rows.append([said, f"{found.per_second:,.0f}", f"{found.latency(0.5):.2f}", _number(found.cpu), cost])
        before = found.cpu
    return table(("`get_customer` with", "calls/s", "p50 ms", "server CPU µs", "µs more"), rows)


def _trail(trail: Trail) -> str:
    found, named = trail.touched
    return table(
        ("what", "measured"),
        (
            (
                "written, 64 callers at once, each waiting until its record is durable",
                f"{trail.written:,.0f} records/s",
            ),
            ("written, one caller", f"{trail.written_alone_ms:.2f} ms a record"),
            (f"verified, {trail.records:,} records in 10 chains", f"{trail.verified:,.0f} records/s"),
            (f"who read the resource of C-000042 last quarter ({found} records)", f"{trail.touched_ms:.1f} ms"),
            (f"who touched C-000042 last quarter, by any record that names it ({named})", f"{trail.named_ms:.1f} ms"),
        ),
    )


def audit(trail: Trail, costs: Sequence[indexes.Cost]) -> Iterator[str]:
    """What `--only audit` shows."""
    yield _trail(trail)
    every = {cost.indexes: cost for cost in costs}
    none, whole = every[indexes.NONE], every[indexes.ALL]
    rows = (
        (
            *(cost.indexes, f"{cost.cpu_us:.1f}", f"{cost.cpu_us / none.cpu_us:.1f}"),
            *(f"{cost.cpu_us / whole.cpu_us:.2f}", f"{cost.wal_bytes:,.0f}", f"{cost.wal_bytes / whole.wal_bytes:.2f}"),
        )
        for cost in costs
    )
    heads = ("a record stored with", "CPU µs in the database", "× none", "× all", "bytes of log", "× all")
    yield table(heads, rows)


def _startup(startup: Startup) -> str:
    return table(
        ("what", "measured"),
        (
            ("to the first `tools/list`, PostgreSQL running", f"{startup.attached_s:.2f} s"),
            ("the same, with the embedded PostgreSQL to be started first", f"{startup.embedded_s:.2f} s"),
            ("resident memory then", f"{_number(startup.resident_mb)} MB"),
        ),
    )


def _number(value: float | None) -> str:
    return "not known" if value is None else f"{value:,.0f}"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
