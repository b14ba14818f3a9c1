"""The figures as tables, for the terminal and for docs/bench-documents.md."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.bench.documents.cases import BROWSING, READING, SEARCHING, WRITING
from tests.bench.documents.ingesting import Ingested
from tests.bench.documents.peers import OURS, Peer
from tests.bench.documents.queries import queries
from tests.bench.documents.streaming import READERS, Streamed
from tests.bench.page import table
from tests.bench.rounds import Figures, Pace
from tests.bench.stores import ROOT, Facts

PAGE = ROOT / "docs" / "bench-documents.md"

GOALS = (
    ("search_", "search, one caller", 50.0),
    ("section", "read_section, one caller", 10.0),
    ("read", "resources/read, one caller", 10.0),
)
"""Of p95, in ms, by how the keys of cases begin."""

_SECTIONS = (SEARCHING, READING, BROWSING, WRITING)


@dataclass
class Results:
    """A whole run. What was not measured is empty."""

    machine: str
    cores: str
    engines: str
    pace: Pace
    facts: Facts
    figures: Mapping[str, Figures]
    peers: Sequence[Peer] = ()
    streamed: Sequence[Streamed] = ()
    ingested: Ingested | None = None
    busy: str = ""


def tables(results: Results) -> Iterator[str]:
    """Every table in Markdown, each after its heading."""
    yield _told(results)
    yield "## Against the goals"
    yield _goals(results.figures)
    for section in _SECTIONS:
        if rows := [found for found in results.figures.values() if found.case.section == section]:
            yield f"## {section}"
            yield _cases(rows)
    if results.peers:
        yield "## The same searches asked in other ways"
        yield _peers(results.peers)
    if results.ingested:
        yield "## Taking a folder in"
        yield _ingest(results.ingested)
    if results.streamed:
        yield "## Memory"
        yield _memory(results)


def _told(results: Results) -> str:
    facts = results.facts
    size = f"{facts['bytes'] / 1e6:,.0f} MB of Markdown in {facts['sections']:,} sections"
    told = (
        f"{facts['documents']:,} documents of one tenant, {size}, beside a fifth as many of another, in the same words",
        results.machine,
        f"{results.cores}; {results.busy}",
        f"{results.engines}; commits are durable",
    )
    return "\n".join(f"- {line}" for line in told)


def _goals(figures: Mapping[str, Figures]) -> str:
    def rows() -> Iterator[list[str]]:
        for begin, said, most in GOALS:
            alone = {
                key: found for key, found in figures.items() if key.startswith(begin) and found.case.concurrency == 1
            }
            if alone:
                key = max(alone, key=lambda key: alone[key].latency(0.95))
                slowest = alone[key].latency(0.95)
                verdict = "met" if slowest < most else "missed"
                yield [f"{said}: the slowest kind ({key})", f"{slowest:.1f} ms", f"< {most:.0f} ms", verdict]

    return table(("p95", "measured", "owed", "verdict"), rows())


def _cases(rows: Iterable[Figures]) -> str:
    heads = ("case", "at once", "p50 ms", "p95 ms", "p95 by window", "calls/s", "server CPU ms")
    return table(heads, map(_case, rows))


def _case(found: Figures) -> list[str]:
    p95s = [window.percentile(0.95) for window in found.windows]
    return [
        *(found.case.said, str(found.case.concurrency)),
        *(f"{found.latency(0.5):.1f}", f"{found.latency(0.95):.1f}", f"{min(p95s):.1f}–{max(p95s):.1f}"),
        *(f"{found.per_second:,.0f}", f"{found.cpu / 1000:.1f}" if found.cpu else "not known"),
    ]


def _peers(peers: Sequence[Peer]) -> str:
    kinds = list(peers[0].took_ms)
    ours = next(peer for peer in peers if peer.said == OURS)

    def row(peer: Peer) -> list[str]:
        return [
            peer.said,
            *(f"{peer.took_ms[kind]:,.1f} ({peer.took_ms[kind] / ours.took_ms[kind]:.2g} ×)" for kind in kinds),
        ]

    return table(("ms (against the first)", *(f"`{queries()[kind]}`, {kind}" for kind in kinds)), map(row, peers))


def _ingest(found: Ingested) -> str:
    rate = f"{found.files / found.seconds:,.0f} files/s, {found.bytes / found.seconds / 1e6:.2f} MB/s"
    again = f"{found.files / found.again_s:,.0f} files/s"
    return table(
        ("what", "measured"),
        (
            (f"{found.files:,} new files, {found.bytes / 1e6:,.1f} MB, with a record of each", rate),
            ("the same folder again, nothing changed", again),
            ("the first, from the start of the command to its end", f"{found.whole_s:.1f} s"),
            ("memory at most, of the command and its workers", f"{found.peak.peak_mb:,.0f} MB"),
        ),
    )


def _memory(results: Results) -> str:
    def rows() -> Iterator[list[str]]:
        for found in results.streamed:
            unit = "bytes" if "PDF" in found.said else "characters"
            rate = found.window.per_second * found.piece / 1e6
            yield [
                f"{found.said}, {found.piece:,} {unit} a piece",
                *(f"{found.peak.before_mb:,.0f}", f"+{found.peak.grown_mb:,.0f}", f"{rate:,.0f}"),
                *(f"{found.window.percentile(0.5):.0f}", f"{found.window.percentile(0.95):.0f}"),
            ]

    heads = (f"read over and over by {READERS} at once", "server MB before", "at most", "MB/s", "p50 ms", "p95 ms")
    return table(heads, rows())


_BEGIN = """# How fast the documents server is

Generated by `python -m tests.bench.documents --write`; every figure below is from one run of it, on one machine.
Compare ratios, not milliseconds: another machine has other figures, and much the same ratios.

## How it is measured

The server runs as everybody runs it, all controls on, its limits out of reach; the load is that of
[`bench.md`](bench.md): a closed loop over keep-alive connections, of which every answer is checked. {rounds} rounds of
{seconds:g} s windows; figures are medians over the windows. Documents are generated (`tests/bench/documents/`): words
as frequent as in a language, topics, sizes and readers as companies have them. "Reads all" is a manager cleared for
restricted documents, "reads little" a support agent who sees public and internal ones.
"""


def page(results: Results) -> str:
    pace = results.pace
    begin = _BEGIN.format(rounds=pace.rounds, seconds=pace.seconds).rstrip()
    return "\n\n".join([begin, *tables(results)]) + "\n"
