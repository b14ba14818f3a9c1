"""What a figure was taken on, and which core is whose."""

import os
import platform
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path


@dataclass(frozen=True)
class Cores:
    """One core for the server under load, and another, or more, for all that loads it or serves it.

    Attributes:
        server: None where processes cannot be bound to a core; what is measured then is less steady.
        others: Those of the generator, PostgreSQL and Redis.
    """

    server: frozenset[int] | None
    others: frozenset[int]

    @property
    def every(self) -> frozenset[int]:
        return (self.server or frozenset()) | self.others

    @property
    def told(self) -> str:
        if self.server is None:
            return "processes were not bound to cores"
        return f"the server alone on one core; generator, PostgreSQL and Redis on {len(self.others)} other"


def cores() -> Cores:
    """Of this machine; with a single one, or without a way to bind, nothing is bound."""
    if not hasattr(os, "sched_getaffinity"):
        return Cores(None, frozenset())
    first, *others = sorted(os.sched_getaffinity(0))
    return Cores(frozenset({first}), frozenset(others)) if others else Cores(None, frozenset())


def bind(process_id: int, to: frozenset[int] | None) -> None:
    """Keep a process, and what it starts from now on, on these cores; 0 is our own."""
    if to:
        os.sched_setaffinity(process_id, to)


@contextmanager
def bound(process_ids: Sequence[int], to: frozenset[int], after: frozenset[int]) -> Generator[None]:
    """Keep processes and what they have started on `to` as long as the context lasts, and on `after` from then on."""
    for process_id in chain.from_iterable(map(family, process_ids)):
        bind(process_id, to)
    try:
        yield
    finally:
        for process_id in chain.from_iterable(map(family, process_ids)):
            bind(process_id, after)


def family(process_id: int) -> list[int]:
    """A process and its children; on systems that do not tell, itself."""
    found = [process_id]
    for path in Path(f"/proc/{process_id}/task").glob("*/children"):
        found += map(int, path.read_text().split())
    return found


def cpu_seconds(process_id: int) -> float | None:
    """Processor time of all its threads so far; None where the system does not say it finely enough."""
    try:
        tasks = [path.read_text() for path in Path(f"/proc/{process_id}/task").glob("*/schedstat")]
        return sum(int(task.split()[0]) for task in tasks) / 1e9 if tasks else None
    except (OSError, ValueError, IndexError):
        return None


def resident_mb(process_id: int) -> float | None:
    """Resident memory in MB (10^6 bytes); None where the system does not say it."""
    try:
        lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmRSS:"))
    except (OSError, StopIteration):
        return None


class Busy:
    """What the whole machine does, from here on: of a figure taken beside others' work, only ratios tell."""

    def __init__(self) -> None:
        self._load = os.getloadavg()[0]
        self._began = _ticks()

    def told(self) -> str:
        load = f"load average {self._load:.1f} before and {os.getloadavg()[0]:.1f} after"
        ticks = [now - then for now, then in zip(_ticks(), self._began, strict=True)]
        if not (whole := sum(ticks)):
            return load
        idle, stolen = sum(ticks[3:5]) / whole, ticks[7] / whole
        return f"{load}; processors at work {1 - idle:.0%} of the time, stolen {stolen:.0%}"


def _ticks() -> list[int]:
    """Of all processors, by what they were spent on (proc_stat(5)); nothing where the system does not say."""
    try:
        return [int(ticks) for ticks in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    except OSError:
        return [0] * 8


def told() -> str:
    """Processor, cores and interpreter, in one line."""
    version = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{_processor()}, {os.cpu_count()} cores, {platform.system()}, {version}"


def _processor() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
