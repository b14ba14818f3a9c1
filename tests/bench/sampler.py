"""A profiler that asks, every few milliseconds of processor time, whose code is running."""

import json
import signal
import sysconfig
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from tests.bench.stores import ROOT

_EVERY_S = 0.002
_LIBRARIES = sysconfig.get_path("purelib")
_OURS = f"{ROOT}/"
_BENCH = str(Path(__file__).parent)
_LOOP = "the event loop and the kernel"
_MERGED = {"mcp_types": "mcp", "pydantic_core": "pydantic", "httptools": "uvicorn", "sniffio": "anyio"}


def owner(frame: FrameType | None) -> str:
    """Our file, or the library, that runs or had the standard library run for it."""
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(_LIBRARIES):
            name = file[len(_LIBRARIES) + 1 :].split("/")[0].removesuffix(".py")
            return _MERGED.get(name, name)
        if file.startswith(_OURS):
            # Ours is the outermost frame, too: below it there is only the loop, and what it does for sockets.
            return _LOOP if file.startswith(_BENCH) else file[len(_OURS) :]
        frame = frame.f_back
    return _LOOP


@contextmanager
def sampling(into: Path) -> Generator[None]:
    """Write how often each owner was met, as JSON, once the context ends."""
    met: Counter[str] = Counter()
    signal.signal(signal.SIGPROF, lambda _number, frame: met.update((owner(frame),)))
    signal.setitimer(signal.ITIMER_PROF, _EVERY_S, _EVERY_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        into.write_text(json.dumps(met.most_common()))
