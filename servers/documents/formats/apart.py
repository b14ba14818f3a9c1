"""`parse`, so that no file can harm the process that asks: whatever can take any amount of time or memory is read in
a process of its own, which is ended when it goes too far.

The process guards against files that exhaust or crash their reader. It is no sandbox: it runs as the same user.
"""

import sys
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

import anyio
from anyio import BrokenWorkerProcess, to_process, to_thread

from servers.documents.formats.kinds import recognised
from servers.documents.formats.parsed import Parsed
from servers.documents.formats.reading import parse
from servers.documents.formats.refused import Refused

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

TIME_LIMIT_S = 20.0
MEMORY_LIMIT = 1024 * 1024 * 1024
"""Bytes of address space of a reading process."""

_HARMLESS_BYTES = 256 * 1024
_APART = {"application/pdf", "text/html"}


async def parse_apart(
    name: str, data: bytes, media_type: str | None = None, *, time_limit_s: float = TIME_LIMIT_S
) -> Parsed:
    """As `parse`, of files by strangers: HTML, PDF and large texts in a process of their own.

    At most as many files as there are processors are read at a time; the time limit starts with the reading.

    Raises:
        Refused: As `parse`; also `too_long` past the time limit, `bomb` past 1 GB of memory.
    """
    found = recognised(name, data, media_type)
    if found.startswith("image/"):
        return parse(name, data, media_type)
    if found not in _APART and len(data) <= _HARMLESS_BYTES:
        return await to_thread.run_sync(parse, name, data, media_type)
    return await apart(parse, name, data, media_type, time_limit_s=time_limit_s)


async def apart(
    work: Callable[[*Ts], T],
    *arguments: *Ts,
    time_limit_s: float = TIME_LIMIT_S,
    limiter: anyio.CapacityLimiter | None = None,
) -> T:
    """What a function of a module makes of a file, in a process of its own.

    Args:
        work: Reads the file; what it is given and what it returns goes through a pipe.
        arguments: Of the function.
        time_limit_s: What it may take, of the clock and of the processor.
        limiter: How many may run at a time; by default as many as there are processors.

    Raises:
        Refused: `too_long` past the time limit, `bomb` past 1 GB of memory, `broken` if the process died.
    """
    async with limiter or to_process.current_default_process_limiter():
        try:
            with anyio.fail_after(time_limit_s):
                return await to_process.run_sync(
                    _limited, time_limit_s, work, *arguments, cancellable=True, limiter=anyio.CapacityLimiter(1)
                )
        except TimeoutError:
            message = f"Reading it took longer than {time_limit_s:g} s. Print it anew, or hand in the text."
            raise Refused("too_long", message) from None
        except BrokenWorkerProcess:
            raise Refused("broken", "Reading it ended the process that read it. Print it anew and try that.") from None


def _limited(time_limit_s: float, work: Callable[[*Ts], T], *arguments: *Ts) -> T:
    _limit(time_limit_s)
    try:
        return work(*arguments)
    except MemoryError:
        raise Refused("bomb", "Reading it takes more memory than is given to one file. Split or simplify it.") from None


def _limit(time_limit_s: float) -> None:
    """Also of processor time: should the asking process be killed, this one ends by itself."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 - POSIX only

    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime + time_limit_s) + 2
    for kind, wanted in ((resource.RLIMIT_AS, MEMORY_LIMIT), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_CORE, 0)):
        _, most = resource.getrlimit(kind)
        resource.setrlimit(kind, (wanted if most == resource.RLIM_INFINITY else min(wanted, most), most))
