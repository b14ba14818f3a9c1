"""A real PgBouncer, by the configuration that docs/managed-postgresql.md shows."""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from shared.state.processes import clean_environment, spawn, stop
from shared.state.roles import Urls
from tests.debian import Program, program

EXAMPLE = Path(__file__).parents[1] / "docs" / "examples" / "pgbouncer.ini"
_START_S = 10.0
_BEHIND: dict[int, str] = {}
"""Port of each one that runs → host and port of its PostgreSQL."""


@dataclass
class PgBouncer:
    """In front of one PostgreSQL, with all its databases.

    Attributes:
        url: Of the PostgreSQL; its host and port count.
        users: Roles that may come → their passwords.
        changes: Settings of PgBouncer that differ from the example's.
    """

    program: Program
    folder: Path
    url: str = field(repr=False)
    users: Mapping[str, str] = field(repr=False)
    changes: Mapping[str, str] = field(default_factory=dict[str, str])
    port: int = 0
    child: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        self.port = self.port or _free_port()
        config = self._configured()
        with (self.folder / "pgbouncer.log").open("ab") as log:
            environment = {**clean_environment(), **self.program.environment}
            command = [self.program.path, config]
            self.child = spawn(
                command, log, leave_root_in=self.folder, on_parent_death=signal.SIGTERM, environment=environment
            )
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline and self.child.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                _BEHIND[self.port] = urlsplit(self.url).netloc.rpartition("@")[2]
                return
            time.sleep(0.01)
        raise AssertionError((self.folder / "pgbouncer.log").read_text()[-2000:])

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.child is not None:
            stop(self.child, how, patience_s=5)

    def through(self, url: str) -> str:
        """The URL of the same database and role, by way of this."""
        parts = urlsplit(url)
        who = parts.netloc.rpartition("@")[0]
        return parts._replace(netloc=f"{who}@127.0.0.1:{self.port}").geturl()

    def in_front_of(self, urls: Urls) -> Urls:
        """Pools go through it, and what needs a session of its own does not."""
        return Urls(urls.owner, self.through(urls.app), urls.reader, urls.operator, self.through(urls.console))

    def _configured(self) -> Path:
        parts = urlsplit(self.url)
        text = EXAMPLE.read_text()
        text, found = re.subn(
            r"(?m)^suite = host=\S+ port=\d+ dbname=suite", f"* = host={parts.hostname} port={parts.port}", text
        )
        assert found == 1
        changes = {"listen_addr": "127.0.0.1", "listen_port": str(self.port), "auth_file": f"{self.folder}/users.txt"}
        changes |= {"server_idle_timeout": "2", **self.changes}
        changes |= {} if "client_tls_sslmode" in changes else {"client_tls_sslmode": "disable"}
        changes |= {} if "server_tls_sslmode" in changes else {"server_tls_sslmode": "disable"}
        for name, value in changes.items():
            text, found = re.subn(rf"(?m)^{name} = .*$", f"{name} = {value}", text)
            text += "" if found else f"{name} = {value}\n"
        text = re.sub(r"(?m)^(client|server)_tls_\w+_file = /etc/.*\n", "", text)
        users = "".join(f'"{name}" "{unquote(password)}"\n' for name, password in self.users.items())
        self._write("users.txt", users)
        return self._write("pgbouncer.ini", text)

    def _write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        owner = self.folder.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
        return path


@contextmanager
def pgbouncer(folder: Path, urls: Urls, **changes: str) -> Generator[PgBouncer]:
    """PgBouncer in front of the PostgreSQL of `urls`, for as long as the context lasts."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = PgBouncer(
        program("pgbouncer", "usr/sbin/pgbouncer"), folder.resolve(), urls.app, _users(urls.app, urls.console), changes
    )
    made.start()
    try:
        yield made
    finally:
        made.end()


def pooled(urls: Urls) -> dict[str, Any]:
    """The settings that go with URLs of `PgBouncer.in_front_of`; none with others."""
    if urlsplit(urls.app).port not in _BEHIND:
        return {}
    return {"database_pooler": "transaction", "database_session_url": straight(urls.app)}


def straight(url: str) -> str:
    """The URL past a PgBouncer, if one is in between: for tests that speak SQL of their own."""
    parts = urlsplit(url)
    behind = _BEHIND.get(parts.port or 0)
    return parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@{behind}").geturl() if behind else url


def _users(*urls: str) -> dict[str, str]:
    return {parts.username or "": parts.password or "" for parts in map(urlsplit, urls)}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
