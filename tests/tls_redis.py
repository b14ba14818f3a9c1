"""A real Redis over TLS, with a user of its own: Debian's, since the wheel's has none."""

import signal
import socket
import subprocess
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_urlsafe

from shared.state.processes import clean_environment, spawn, stop
from tests.authority import Authority, Pair
from tests.debian import Program, program


def redis_program(name: str = "redis-server") -> Program:
    """`redis-server`, or `redis-sentinel`: one program, which acts by its name."""
    return program("redis-tools", "usr/bin/redis-check-rdb").beside(name)


@dataclass
class TlsRedis:
    """It shows a certificate of `authority`, and wants one of `clients` if there are any."""

    folder: Path
    authority: Authority
    clients: Authority | None = None
    port: int = 0
    password: str = field(default_factory=lambda: token_urlsafe(16), repr=False)
    child: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"rediss://suite:{self.password}@127.0.0.1:{self.port}/0"

    def start(self, shown: Pair | None = None) -> None:
        shown = shown or self.authority.sign("redis", "127.0.0.1")
        self.port = self.port or free_port()
        told: Mapping[str, object] = {
            **{"bind": "127.0.0.1", "port": 0, "tls-port": self.port, "save": '""', "dir": self.folder},
            **{"tls-cert-file": shown.certificate, "tls-key-file": shown.key},
            "tls-ca-cert-file": (self.clients or self.authority).file,
            "tls-auth-clients": "yes" if self.clients else "no",
        }
        users = f"user default off\nuser suite on >{self.password} ~suite:* &suite:* +@all -@admin\n"
        config = self.folder / "redis.conf"
        config.write_text("".join(f"{name} {value}\n" for name, value in told.items()) + users)
        found = redis_program()
        with (self.folder / "redis.log").open("ab") as log:
            environment = {**clean_environment(), **found.environment}
            self.child = spawn([found.path, config], log, on_parent_death=signal.SIGTERM, environment=environment)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self.child.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.01)
        raise AssertionError((self.folder / "redis.log").read_text()[-2000:])

    def end(self) -> None:
        if self.child is not None:
            stop(self.child, signal.SIGTERM)


@contextmanager
def tls_redis(folder: Path, *, clients: Authority | None = None) -> Generator[TlsRedis]:
    made = TlsRedis(folder, Authority(folder), clients)
    made.start()
    try:
        yield made
    finally:
        made.end()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
