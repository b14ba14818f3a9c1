import re
import signal
import subprocess
import time
from dataclasses import dataclass, field

from compose.proxy.render import Files, render
from compose.proxy.running import Balancer
from compose.proxy.topology import Topology
from shared.core.errors import Misconfigured
from shared.state.processes import spawn, stop

_CONFIGURATION = "nginx.conf"
_RELOAD_S = 10.0
_POLL_S = 0.01


@dataclass
class Nginx(Balancer):
    """nginx. It is told everything by its configuration, which it reads again at SIGHUP."""

    _drained: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])

    def start(self) -> None:
        self._write(self.topology)
        self.child = self._spawn("-g", "daemon off;")
        try:
            self.wait_until_accepting(self.child)
        except BaseException:  # interrupted too: a process nobody holds would stay
            self.stop()
            raise

    def stop(self) -> None:
        stop(self.child, signal.SIGTERM, patience_s=5)

    def drain(self, server: str, replica: str) -> None:
        self.require(server, replica)
        self._drained.add((server, replica))
        self.reload(self.topology)

    def ready(self, server: str, replica: str) -> None:
        self.require(server, replica)
        self._drained.discard((server, replica))
        self.reload(self.topology)

    def states(self, server: str) -> dict[str, str]:
        names = [replica.name for replica in self.topology.servers[server]]
        return {name: "drain" if (server, name) in self._drained else "up" for name in names}

    def reload(self, topology: Topology) -> None:
        self._write(topology)
        if self._spawn("-t").wait(_RELOAD_S):
            self._write(self.topology)
            raise Misconfigured(f"{self.program} refuses the topology; its last words: {self.last_words()}")
        workers = self._workers(r"start worker process (\d+)") - self._workers(r"worker process (\d+) exited")
        self.child.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + _RELOAD_S
        while not workers <= self._leaving() and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        if not workers <= self._leaving():
            raise Misconfigured(f"{self.program} did not reload; its last words: {self.last_words()}")
        self.topology = topology

    def _spawn(self, *arguments: str) -> "subprocess.Popen[bytes]":
        command = [self.program.path, "-p", self.folder, "-c", _CONFIGURATION, "-e", "stderr", *arguments]
        with self.log.open("ab") as log:
            return spawn(
                command,
                log,
                leave_root_in=self.folder,
                on_parent_death=signal.SIGTERM,
                environment=self.environment,
            )

    def _write(self, topology: Topology) -> None:
        (self.folder / _CONFIGURATION).write_text(render("nginx", topology, Files(), self._drained))

    def _workers(self, said: str) -> set[str]:
        """Process ids of workers of which the log says so."""
        return set(re.findall(said, self.log.read_text(errors="replace")))

    def _leaving(self) -> set[str]:
        """Workers that take no new connections; a reload is over once all of before are among them."""
        return self._workers(r"\[notice\] (\d+)#\d+: gracefully shutting down")
