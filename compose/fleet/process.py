import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import anyio
import httpx

from shared.core.errors import Misconfigured
from shared.state.processes import spawn, stop

_START_S = 180.0  # many start at once, perhaps on two cores
_POLL_S = 0.05
_LAST_WORDS = 2000


@dataclass
class Process:
    """One process of the fleet. It ends when we do, and may be ended and started again where it was.

    Attributes:
        name: E.g. `customers-2`.
        command: The program by its full path, and its arguments.
        environment: All of it; beside that it is told its name and life, as `show_replica`.
        port: Where it listens, on 127.0.0.1.
        probe: URL that answers 200 once it can work.
        log: Receives what it prints.
        lives: How often it was started.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    port: int
    probe: str
    log: Path
    lives: int = 0
    _running: "subprocess.Popen[bytes] | None" = None

    @property
    def replica(self) -> str:
        """What its answers carry in `Suite-Replica`; another one after each start."""
        return f"{self.name}.{self.lives}"

    @property
    def pid(self) -> int | None:
        return self._running.pid if self._running else None

    @property
    def runs(self) -> bool:
        return self._running is not None and self._running.poll() is None

    def start(self) -> None:
        """Start it; call from a thread that lives as long as the process should (`shared.state.processes`)."""
        self.lives += 1
        environment = {**self.environment, "SUITE_SHOW_REPLICA": self.replica}
        with self.log.open("ab") as log:
            self._running = spawn(self.command, log, on_parent_death=signal.SIGTERM, environment=environment)

    async def ready(self, client: httpx.AsyncClient) -> None:
        """Wait until the probe says so.

        Raises:
            Misconfigured: It ended, or was not ready in three minutes; quotes its last words.
        """
        deadline = time.monotonic() + _START_S
        while self.runs and time.monotonic() < deadline:
            if await self._answers(client):
                return
            await anyio.sleep(_POLL_S)
        words = self.log.read_text(errors="replace")[-_LAST_WORDS:]
        raise Misconfigured(f"{self.name} did not get ready; its last words: {words}")

    def send(self, number: signal.Signals) -> None:
        """Signal it, if it runs."""
        if self._running is not None:
            self._running.send_signal(number)  # which looks first whether it has ended

    async def ended(self) -> int | None:
        """Wait until it has ended; its exit code, None if it never ran."""
        while self.runs:  # noqa: ASYNC110 - it happens in another process
            await anyio.sleep(_POLL_S)
        return None if self._running is None else self._running.returncode

    def kill(self) -> None:
        """End it at once, if it runs."""
        if self._running is not None:
            stop(self._running)

    async def _answers(self, client: httpx.AsyncClient) -> bool:
        try:
            return (await client.get(self.probe)).status_code == HTTPStatus.OK
        except httpx.HTTPError:
            return False
