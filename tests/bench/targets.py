"""The servers under load, each a process of its own on a core of its own, for one turn at a time."""

import os
import subprocess
import sys
import tomllib
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import servers
from shared.core.server import Server
from shared.core.settings import Settings
from shared.state.roles import Urls
from tests.bench import idp
from tests.bench.connection import Ask, WrongAnswer
from tests.bench.idp import Who
from tests.bench.load import once
from tests.bench.machine import Cores, bind
from tests.bench.nulls import Control
from tests.bench.stores import ROOT
from tests.generous import LIMITS
from tests.processes import COMMAND, free_port

FASTMCP = Path(__file__).parent / "peers" / "fastmcp-4"
UV = Path(sys.executable).with_name("uv")
_END_S = 30
LIFETIME_S = 3600

_RATES = ("calls_per_minute", "tool_calls_per_minute", "client_calls_per_minute", "tenant_calls_per_minute")
_GENEROUS: dict[str, Any] = {**LIMITS, **dict.fromkeys(_RATES, 6_000_000), "burst": 1_000_000}
"""The limits stay on; they are only out of reach."""


@dataclass(frozen=True)
class Target:
    """One kind of server process.

    Attributes:
        token: For its requests, if it wants one.
        settings: Of one of ours.
    """

    name: str
    port: int
    command: Sequence[str]
    log: Path
    token: str | None = None
    environment: dict[str, str] = field(default_factory=dict[str, str])
    settings: Settings | None = None

    @property
    def ports(self) -> Sequence[int]:
        return (self.port,)

    @property
    def surroundings(self) -> dict[str, str]:
        """The whole environment of its process: ours without settings of a suite, and its own."""
        ours = ("SUITE_", "DATABASE_URL", "REDIS_URL")
        return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | self.environment

    @asynccontextmanager
    async def running(self, ready: Ask, cores: Cores) -> AsyncGenerator[Sequence[int]]:
        """Its process id, once the server answered `ready` rightly."""
        async with self.on(cores.server, ready) as process_id:
            yield (process_id,)

    @asynccontextmanager
    async def on(self, core: frozenset[int] | None, ready: Ask) -> AsyncGenerator[int]:
        """The same on another core."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(  # noqa: ASYNC220 - starting is quick
                self.command, cwd=ROOT, env=self.surroundings, stdout=log, stderr=log
            )
        try:
            bind(process.pid, core)
            await self._answers(ready, process)
            yield process.pid
        finally:
            process.terminate()
            process.wait(_END_S)

    async def _answers(self, ready: Ask, process: "subprocess.Popen[bytes]") -> None:
        try:
            await once(self.port, ready, lambda: process.poll() is None)
        except WrongAnswer as error:
            words = self.log.read_text(errors="replace")[-1000:]
            raise WrongAnswer(f"{self.name} is not ready: {error}; its last words: {words}") from None


@dataclass(frozen=True)
class Makers:
    """Makes targets; each has a folder for its keys and its log."""

    folder: Path

    def bare(self, kind: str) -> Target:
        port = free_port()
        command = [sys.executable, "-m", "tests.bench.peers.bare", kind, str(port)]
        return Target(kind, port, command, self._folder(kind) / "log.txt")

    def fastmcp(self) -> Target:
        """FastMCP 4, in the environment that its lock describes."""
        outside = {name: value for name, value in os.environ.items() if name != "UV_PROJECT_ENVIRONMENT"}
        environment = outside | {"UV_PYTHON_DOWNLOADS": "never", "UV_PYTHON": sys.executable}
        subprocess.run([UV, "sync", "--quiet", "--frozen", "--project", str(FASTMCP)], env=environment, check=True)
        port = free_port()
        command = [str(FASTMCP / ".venv" / "bin" / "python"), str(FASTMCP / "server.py"), str(port)]
        return Target("fastmcp", port, command, self._folder("fastmcp") / "log.txt")

    def served(self, name: str, urls: Urls, who: Who, server: str = "customers", /, **settings: Any) -> Target:
        """A server as everybody runs it."""
        command = [str(COMMAND), "serve", server]
        return self._ours(name, command, servers.load(server), urls, who, settings)

    def assembled(self, name: str, server: Server, urls: Urls, who: Who, on: set[Control], **settings: Any) -> Target:
        """A server with the controls that are on, and null parts for the others."""
        command = [sys.executable, "-m", "tests.bench.assembled", server.name, who.scope, *sorted(on)]
        return self._ours(name, command, server, urls, who, settings)

    def _ours(
        self,
        name: str,
        command: list[str],
        server: Server,
        urls: Urls,
        who: Who,
        given: dict[str, Any],
    ) -> Target:
        folder, port = self._folder(name), free_port()
        values: dict[str, Any] = {
            **_GENEROUS,
            **{"port": port, "data_dir": folder},
            **{"database_url": urls.app, "database_owner_url": urls.owner, "database_reader_url": urls.reader},
            **given,
        }
        settings = Settings(**values)
        token = idp.token(settings, server, who, LIFETIME_S)
        environment = {f"SUITE_{name.upper()}": str(value) for name, value in values.items()}
        return Target(name, port, command, folder / "log.txt", token, environment, settings)

    def _folder(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(mode=0o700)
        return folder


def fastmcp_version() -> str:
    """The locked one."""
    locked = tomllib.loads((FASTMCP / "uv.lock").read_text())["package"]
    return next(package["version"] for package in locked if package["name"] == "fastmcp")
