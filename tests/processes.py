"""The suite as real processes: started, waited for, killed."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import anyio
import httpx

import servers
from compose.idp.provider import IdentityProvider
from shared.core.settings import Settings
from shared.edge.address import Address
from shared.ops.serving import addresses, identity_provider
from shared.state.roles import Urls
from tests.generous import LIMITS
from tests.pgbouncer import pooled

COMMAND = Path(sys.executable).with_name("mcp-suite")
READY_S = 90
"""How long a process may take to start on a machine that is busy with more than the tests."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Process:
    """`mcp-suite serve` of one server, with a database of the tests."""

    settings: Settings
    environment: dict[str, str]
    log: Path
    server: str = "customers"
    running: "subprocess.Popen[bytes] | None" = None

    @property
    def address(self) -> Address:
        return addresses(self.settings, [servers.load(self.server)], alone=True)[self.server]

    def provider(self) -> IdentityProvider:
        provider = identity_provider(self.settings, [servers.load(self.server)], {self.server: self.address})
        assert provider is not None
        return provider

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        with self.log.open("ab") as log:
            self.running = subprocess.Popen(  # noqa: ASYNC220 - starting is quick
                [COMMAND, "serve", self.server], env=self.environment, stdout=log, stderr=log
            )
        with anyio.fail_after(READY_S):
            async with httpx.AsyncClient() as client:
                while not await self._is_ready(client):
                    await anyio.sleep(0.02)

    async def _is_ready(self, client: httpx.AsyncClient) -> bool:
        assert self.running is not None
        assert self.running.poll() is None, self.log.read_text()[-2000:]
        try:
            port = self.settings.health_port or self.settings.port
            return (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
        except httpx.TransportError:
            return False

    def end(self, how: signal.Signals) -> int:
        """Signal it and wait; its exit code."""
        assert self.running is not None
        self.running.send_signal(how)
        return self.running.wait(30)


@asynccontextmanager
async def process(urls: Urls, folder: Path, server: str = "customers", **settings: Any) -> AsyncGenerator[Process]:
    """A process that is not started yet; killed at the end if it still runs."""
    values: dict[str, Any] = {
        **LIMITS,
        **pooled(urls),
        **{"port": free_port(), "data_dir": folder},
        **{"database_url": urls.app, "database_owner_url": urls.owner, "database_reader_url": urls.reader, **settings},
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SUITE_", "DATABASE_"))}
    told = {name: json.dumps(value) if isinstance(value, dict) else str(value) for name, value in values.items()}
    environment |= {f"SUITE_{name.upper()}": value for name, value in told.items()}
    made = Process(Settings(**values), environment, folder / "log.txt", server)
    try:
        yield made
    finally:
        if made.running is not None and made.running.poll() is None:
            made.end(signal.SIGKILL)


@asynccontextmanager
async def standalone_provider(issuer: str, resources: dict[str, list[str]], keys: Path) -> AsyncGenerator[None]:
    """The mock identity provider as a process of its own, as compose runs it."""
    environment = os.environ | {
        **{"IDP_ISSUER": issuer, "IDP_RESOURCES": json.dumps(resources), "IDP_KEYS_DIR": str(keys)},
        "IDP_PORT": issuer.rpartition(":")[2],
    }
    command = [sys.executable, "-m", "compose.idp"]
    with (keys / "log.txt").open("wb") as log:
        running = subprocess.Popen(command, env=environment, stdout=log, stderr=log)  # noqa: ASYNC220 - starting is quick
    try:
        with anyio.fail_after(READY_S):
            async with httpx.AsyncClient() as client:
                while not await _answers(client, f"{issuer}/.well-known/oauth-authorization-server"):
                    await anyio.sleep(0.02)
        yield
    finally:
        running.terminate()
        running.wait(10)


async def _answers(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).status_code == HTTPStatus.OK
    except httpx.TransportError:
        return False
