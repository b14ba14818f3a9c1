"""A PostgreSQL data directory: made, started, waited for and stopped by the one process that owns it."""

import locale
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe

from shared.state.private import draft_private, keep_private
from shared.state.processes import spawn, stop

_START_S = 30.0
_INITDB_S = 120.0
_POLL_S = 0.005
_AGAIN_S = 0.1
_STARTUP = b"user\0postgres\0database\0postgres\0\0"
_PASSING = (  # what ends by itself: a killed predecessor's processes, a port taken in the meantime
    b"pre-existing shared memory block",
    b"Address already in use",
    b'"postmaster.pid" already exists',
)


class StartFailed(Exception):
    """PostgreSQL did not come up; the message quotes its log."""


@dataclass(frozen=True)
class Cluster:
    """The server's files.

    Attributes:
        home: Our directory, mode 0700: password, log, and the data in `cluster`.
        programs: Folder of `initdb` and `postgres`.
        major: Their major version.
        durable: Off: a commit may be lost when the machine (not only the server) stops. For tests.
    """

    home: Path
    programs: Path
    major: int
    durable: bool

    @property
    def data(self) -> Path:
        return self.home / "cluster"

    @property
    def log(self) -> Path:
        return self.home / "postgres.log"

    def password(self) -> str:
        return keep_private(self.home / "password", lambda: token_urlsafe(24))

    def create(self) -> None:
        """Run initdb, unless it was done; aside, then renamed, so that half a cluster is never taken for one."""
        if self.data.exists():
            return
        for leftover in self.home.glob("cluster.*.tmp"):
            shutil.rmtree(leftover, ignore_errors=True)
        draft = Path(tempfile.mkdtemp(prefix="cluster.", suffix=".tmp", dir=self.home))
        os.close(draft_private(draft / "password", self.password()))
        with self.log.open("ab") as log:
            child = spawn([self.programs / "initdb", *self._initdb(draft)], log, leave_root_in=draft)
            try:
                failed = child.wait(_INITDB_S)
            except subprocess.TimeoutExpired:
                stop(child)
                failed = 1
        if failed:
            raise StartFailed(f"initdb failed: {self._last_words(0)}")
        (draft / "data").rename(self.data)
        shutil.rmtree(draft)
        _sync(self.home)

    def start(self, port: int | None) -> "tuple[subprocess.Popen[bytes], int]":
        """The server, ready for connections on 127.0.0.1, and its port: the given one, else a free one.

        Raises:
            StartFailed: It ended, or was not ready in 30 seconds.
        """
        deadline = time.monotonic() + _START_S
        while True:
            self._disown_stale_pid()
            chosen = port or _free_port()
            with self.log.open("ab") as log:
                before = log.tell()
                server = spawn([self.programs / "postgres", *self._options(chosen)], log, leave_root_in=self.data)
            if self._is_ready(server, chosen, deadline):
                return server, chosen
            stop(server, signal.SIGQUIT)
            words = self._last_words(before)
            passing = any(text in words.encode() for text in _PASSING)
            if not passing or time.monotonic() > deadline:
                raise StartFailed(f"PostgreSQL did not start: {words}")
            time.sleep(_AGAIN_S)

    def _initdb(self, draft: Path) -> list[str]:
        words = [f"--pgdata={draft / 'data'}", "--username=postgres", f"--pwfile={draft / 'password'}"]
        words += ["--auth=scram-sha-256", "--encoding=UTF8", "--no-instructions", f"--locale={_locale()}"]
        if self.major >= 17:  # noqa: PLR2004 - the first release with a locale of its own
            words += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        return words if self.durable else [*words, "--no-sync"]

    def _options(self, port: int) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": "",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
            settings |= {"max_connections": "200"}  # of many applications beside each other
        return ["-D", str(self.data), *(f"--{name}={value}" for name, value in settings.items())]

    def _is_ready(self, server: "subprocess.Popen[bytes]", port: int, deadline: float) -> bool:
        while server.poll() is None and time.monotonic() < deadline:
            if _answers(port) and self._pid() == server.pid:
                return True
            time.sleep(_POLL_S)
        return False

    def _pid(self) -> int | None:
        with suppress(OSError, ValueError, IndexError):
            return int((self.data / "postmaster.pid").read_text().splitlines()[0])
        return None

    def _disown_stale_pid(self) -> None:
        """After a kill -9, the process id in postmaster.pid may by now belong to an unrelated process.

        PostgreSQL would refuse to start then. It does not mind its own parent's id, so we put ours there and
        leave the rest: from it PostgreSQL sees whether processes of the killed server still run.
        """
        pid = self._pid()
        if pid is None or sys.platform != "linux":
            return
        with suppress(OSError):
            if Path(f"/proc/{pid}/cwd").readlink() == self.data:
                return
        file = self.data / "postmaster.pid"
        _, *rest = file.read_text().splitlines(keepends=True)
        file.write_text("".join([f"{os.getpid()}\n", *rest]))

    def _last_words(self, position: int) -> str:
        with self.log.open("rb") as log:
            log.seek(position)
            words = log.read()[-2000:].decode(errors="replace").strip()
        return f"{words or 'it said nothing'} (see {self.log})"


def _answers(port: int) -> bool:
    """Whether a server asks for the password, i.e. accepts connections (PostgreSQL protocol 3.0, startup)."""
    packet = struct.pack("!ii", len(_STARTUP) + 8, 3 << 16) + _STARTUP
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
        connection.sendall(packet)
        return connection.recv(1) == b"R"
    return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def _locale() -> str:
    try:
        locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    except locale.Error:
        return "C"
    return "C.UTF-8"


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
