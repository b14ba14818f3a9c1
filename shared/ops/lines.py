import atexit
import os
from collections import deque
from threading import Event, Thread

from shared.core.metrics import TELEMETRY_DROPPED

_QUEUE = 10_000
_END_S = 2.0


class Lines:
    """A file whose writer never waits: a thread does, and what nobody reads in time is dropped and counted.

    Without it, a parent that started us over stdio and never reads our stderr would stop every call.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._waiting: deque[str] = deque()
        self._written = Event()
        self._wake = Event()
        Thread(target=self._run, name="log lines", daemon=True).start()
        atexit.register(self.drain)

    def write(self, text: str) -> int:
        if len(self._waiting) >= _QUEUE:
            TELEMETRY_DROPPED.add("log_lines", "queue_full")
        else:
            self._waiting.append(text)
            self._wake.set()
        return len(text)

    def flush(self) -> None:
        """Nothing: the thread writes as soon as it can."""

    def drain(self, timeout_s: float = _END_S) -> None:
        """Wait until what was written so far is out, for `timeout_s` seconds at most."""
        self._written.clear()
        self._wake.set()
        self._written.wait(timeout_s)

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            taken = [self._waiting.popleft() for _ in range(len(self._waiting))]
            try:
                self._out("".join(taken).encode(errors="replace"))
            except OSError:  # closed: nobody is left to tell
                return
            if not self._waiting:
                self._written.set()

    def _out(self, content: bytes) -> None:
        # Not through sys.stderr, whose lock the interpreter needs to end while this thread may still wait.
        while content:
            content = content[os.write(self._descriptor, content) :]
