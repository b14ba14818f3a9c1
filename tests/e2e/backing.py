"""A Redis and a PostgreSQL of a drill's own, which can be stopped and started where they were."""

import signal
import socket
import subprocess
import time
from pathlib import Path
from secrets import token_urlsafe

from compose.fleet.plan import free_ports
from shared.state.cluster import Cluster
from shared.state.engines import find_postgres, find_redis
from shared.state.processes import spawn, stop
from tests.services import source

_START_S = 10.0


class Redis:
    """Keeps nothing: after a stop it comes back empty, which is the worst that can happen to those who use it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        found = find_redis(source())
        self._program, self.engine = found.path, found.engine
        self._log, self._config = folder / "redis.log", folder / "redis.conf"
        [self._port] = free_ports(1)
        self._password = token_urlsafe(24)
        lines = ("bind 127.0.0.1", f"port {self._port}", f"requirepass {self._password}", 'save ""', "appendonly no")
        self._config.write_text("\n".join([*lines, ""]))
        self._running: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://:{self._password}@127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Nothing, if it runs."""
        if self._running is not None and self._running.poll() is None:
            return
        with self._log.open("ab") as log:
            self._running = spawn([self._program, self._config], log, on_parent_death=signal.SIGKILL)
        deadline = time.monotonic() + _START_S
        while not self._answers():
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.005)

    def stop(self) -> None:
        if self._running is not None:
            stop(self._running, signal.SIGTERM)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=1) as connection:
                connection.sendall(f"AUTH {self._password}\r\n".encode())
                return connection.recv(3) == b"+OK"
        except OSError:
            return False


class Postgres:
    """A cluster of its own: the one the session shares is not ours to stop, and may forget what it confirmed."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        found = find_postgres(source())
        self.engine = found.engine
        self._cluster = Cluster(folder.resolve(), found.path, found.engine.major, durable=True)
        self._port: int | None = None
        self._running: subprocess.Popen[bytes] | None = None

    @property
    def admin_url(self) -> str:
        return f"postgresql://postgres:{self._cluster.password()}@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        """Nothing, if it runs."""
        if self._running is not None and self._running.poll() is None:
            return
        self._cluster.create()
        self._running, self._port = self._cluster.start(self._port)

    def stop(self) -> None:
        """At once, as if its machine were gone: those connected are cut off, and it recovers when it is started."""
        if self._running is not None:
            stop(self._running, signal.SIGQUIT)
