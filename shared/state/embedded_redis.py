"""A real Redis or Valkey without Docker, for tests and for one process at a time; it keeps nothing."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_urlsafe

from shared.core.errors import Misconfigured
from shared.state.engines import Engine, Source, find_redis
from shared.state.processes import spawn, stop

_START_S = 10.0
_POLL_S = 0.005
_ATTEMPTS = 5


@dataclass(frozen=True)
class EmbeddedRedis:
    """A running server; `url` holds its random password."""

    url: str = field(repr=False)
    engine: Engine


@contextmanager
def embedded_redis(data_dir: Path, *, source: Source = "auto") -> Generator[EmbeddedRedis]:
    """A server of our own on 127.0.0.1, for as long as the context lasts; it dies with us.

    Args:
        data_dir: Holds its log and its configuration with the password, mode 0600; made if missing.
        source: Where the program comes from: the machine first (`auto`), only the machine, only the wheel.

    Raises:
        Misconfigured: No Redis or Valkey, or one that does not start.
    """
    found = find_redis(source)
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    password = token_urlsafe(24)
    server, port = _start(found.path, data_dir.resolve(), password)
    try:
        yield EmbeddedRedis(f"redis://:{password}@127.0.0.1:{port}/0", found.engine)
    finally:
        stop(server, signal.SIGTERM)


def _start(program: Path, home: Path, password: str) -> "tuple[subprocess.Popen[bytes], int]":
    for _ in range(_ATTEMPTS):  # the free port may be taken in between
        port = _free_port()
        config = _configure(home, port, password)
        with (home / "redis.log").open("wb") as log:
            server = spawn([program, config], log, on_parent_death=signal.SIGTERM)
        deadline = time.monotonic() + _START_S
        while server.poll() is None and time.monotonic() < deadline:
            if _answers(port, password):
                return server, port
            time.sleep(_POLL_S)
        stop(server, signal.SIGTERM)
    words = (home / "redis.log").read_text(errors="replace")[-2000:]
    raise Misconfigured(f"{program} did not start; its last words: {words}")


def _configure(home: Path, port: int, password: str) -> Path:
    """A file, since arguments can be read by every user of the machine."""
    path = home / "redis.conf"
    settings = ("bind 127.0.0.1", f"port {port}", f"requirepass {password}", 'save ""', "appendonly no")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write("\n".join([*settings, ""]))
    return path


def _answers(port: int, password: str) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
        connection.sendall(f"AUTH {password}\r\n".encode())
        return connection.recv(3) == b"+OK"
    return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
