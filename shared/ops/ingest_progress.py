"""What `mcp-suite documents ingest` shows: how far it is, and what came of it."""

import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # it comes with parsers, which every other command would wait for
    from servers.documents.ingesting.reporting import Report

SHOWN = 20
"""Files of a kind that are named; `--report` names all."""
_EVERY_S = 5.0


class _Out(Protocol):
    def __call__(self, message: str, /) -> object: ...


@contextmanager
def showing(report: "Report", say: _Out) -> Generator[Callable[[], None]]:
    """A function to be called when something was done: it moves a bar, or where nobody watches one, says a line every
    few seconds.
    """
    if not sys.stderr.isatty():
        yield _lines(report, say)
        return
    from rich.console import Console  # noqa: PLC0415 - for people alone
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"doc://{report.collection}", total=None)
        yield lambda: bar.update(task, completed=report.handled, total=report.found)


def _lines(report: "Report", say: _Out) -> Callable[[], None]:
    said_at = time.monotonic()

    def progress() -> None:
        nonlocal said_at
        if time.monotonic() - said_at >= _EVERY_S:
            said_at = time.monotonic()
            say(f"{report.handled:,} of {report.found:,} files")

    return progress


def summary(report: "Report", *, pruned: bool) -> Iterator[str]:
    """The lines that are printed at the end."""
    done = ", ".join(f"{count:,} {what}" for what, count in report.counts.items() if count and what != "found")
    tried = " (dry run: nothing was changed)" if report.dry_run else ""
    yield f"doc://{report.collection}: {report.found:,} files in {report.seconds:.1f} s: {done or 'none'}{tried}"
    for each in report.skipped[:SHOWN]:
        yield f"skipped {each.path} ({each.code}): {each.message}"
    yield from _rest(len(report.skipped), "skipped")
    if not pruned:
        for path in report.vanished[:SHOWN]:
            yield f"vanished {path}: its document is kept; --prune archives it"
        yield from _rest(len(report.vanished), "vanished")


def _rest(count: int, what: str) -> Iterator[str]:
    if count > SHOWN:
        yield f"{what} {count - SHOWN:,} more; --report FILE names all"
