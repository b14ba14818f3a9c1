import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from compose.proxy import admin
from compose.proxy.render import Files, render
from compose.proxy.running import Balancer
from compose.proxy.topology import Topology
from shared.state.processes import spawn, stop

_CONFIGURATION = "haproxy.cfg"


@dataclass
class Haproxy(Balancer):
    """HAProxy. A reload starts another process, which takes the listening sockets over from the one before."""

    _drained: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    _before: "list[subprocess.Popen[bytes]]" = field(default_factory=list["subprocess.Popen[bytes]"])

    def start(self) -> None:
        self.child = self._spawn(self.topology)

    def stop(self) -> None:
        for child in (*self._before, self.child):
            stop(child, signal.SIGTERM, patience_s=5)

    def drain(self, server: str, replica: str) -> None:
        self._set(server, replica, "drain")
        self._drained.add((server, replica))

    def ready(self, server: str, replica: str) -> None:
        self._set(server, replica, "ready")
        self._drained.discard((server, replica))

    def states(self, server: str) -> dict[str, str]:
        found = admin.states(self._admin, server)
        names = [replica.name for replica in self.topology.servers[server]]
        return {name: found[name] for name in names if name in found}

    def reload(self, topology: Topology) -> None:
        after = self._spawn(topology, "-x", Files.admin_socket, "-sf", str(self.pid))
        self._before = [child for child in (*self._before, self.child) if child.poll() is None]
        self.child, self.topology = after, topology
        self._drained &= {(server, one.name) for server, group in topology.servers.items() for one in group}
        for server, replica in self._drained:
            self._set(server, replica, "drain")

    def accepts(self, child: "subprocess.Popen[bytes]") -> bool:
        """Over the admin socket, too: during a reload the process before answers clients as well."""
        try:
            return f"\nPid: {child.pid}\n" in admin.ask(self._admin, "show info") and super().accepts(child)
        except OSError:
            return False

    @property
    def _admin(self) -> Path:
        return self.folder / Files.admin_socket

    def _set(self, server: str, replica: str, state: str) -> None:
        self.require(server, replica)
        for backend in (server, f"{server}.alive"):
            admin.set_state(self._admin, backend, replica, state)

    def _spawn(self, topology: Topology, *arguments: str) -> "subprocess.Popen[bytes]":
        path = self.folder / _CONFIGURATION
        path.write_text(render("haproxy", topology, Files()))
        command = [self.program.path, "-db", "-C", self.folder, "-f", _CONFIGURATION, *arguments]
        with self.log.open("ab") as log:
            child = spawn(
                command,
                log,
                leave_root_in=self.folder,
                on_parent_death=signal.SIGTERM,
                environment=self.environment,
            )
        try:
            self.wait_until_accepting(child)
        except BaseException:  # interrupted too: a process nobody holds would stay
            stop(child, signal.SIGTERM, patience_s=5)
            raise
        return child
