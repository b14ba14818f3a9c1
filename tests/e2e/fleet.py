"""The fleet of `make fleet` in a test: replicas that are killed, drained and started by number, services that go away.

`python -m compose.fleet` runs the same `open_fleet`, so what the drills prove is what people start.
"""

import signal
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from compose.fleet.fleet import Fleet, open_fleet
from compose.fleet.plan import Plan, free_ports
from compose.fleet.process import Process
from compose.fleet.program import find_program
from compose.idp.provider import IdentityProvider
from servers.customers import demo
from shared.core.settings import Settings
from shared.state.database import connect
from shared.state.keys import KeyRing, load_keys
from shared.state.roles import Passwords, Urls, ensure_roles
from shared.state.services import migrate
from shared.steps.audit.verify import Report, verify
from tests.compose.proxy.site import require
from tests.e2e.backing import Postgres, Redis
from tests.e2e.patient import RETRIES, Patient
from tests.e2e.released import migrate_by
from tests.harness import GENEROUS, MODERN, modern, modern_headers

_DRAIN_S = 20.0


@dataclass(frozen=True)
class Drill:
    """A running fleet, what is behind it, and clients for it."""

    fleet: Fleet
    postgres: Postgres
    redis: Redis
    urls: Urls
    mint: IdentityProvider

    def replica(self, number: int, server: str = "customers") -> Process:
        """Replicas count from 1."""
        return self.fleet.replicas[server][number - 1]

    async def kill(self, number: int, server: str = "customers") -> None:
        """Kill -9: it says goodbye to nobody."""
        replica = self.replica(number, server)
        replica.send(signal.SIGKILL)
        with anyio.fail_after(5):
            await replica.ended()

    async def drain(self, number: int, server: str = "customers") -> int | None:
        """SIGTERM, and its exit code."""
        replica = self.replica(number, server)
        replica.send(signal.SIGTERM)
        with anyio.fail_after(_DRAIN_S, shield=True):  # a test that fails meanwhile leaves none half ended
            return await replica.ended()

    async def start(self, number: int, server: str = "customers") -> None:
        """Start it again and wait until it gets calls."""
        replica = self.replica(number, server)
        replica.start()
        async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
            await replica.ready(client)
        await self.fleet.seen(server, [replica])

    async def roll(self, server: str = "customers") -> list[int | None]:
        """Drain and start every replica in turn; their exit codes."""
        codes: list[int | None] = []
        for number in range(1, len(self.fleet.replicas[server]) + 1):
            codes.append(await self.drain(number, server))
            await self.start(number, server)
        return codes

    async def restore(self) -> None:
        """Start whatever a test that failed left lying, and wait until all is ready."""
        self.postgres.start()
        self.redis.start()
        for process in self.fleet.processes:
            if not process.runs:
                process.start()
        await self.fleet.ready()

    def pids(self) -> list[int | None]:
        return [process.pid for process in self.fleet.processes]

    def url(self, server: str = "customers") -> str:
        return self.fleet.plan.url(server)

    def token(self, persona: str = "manager", server: str = "customers", **claims: Any) -> str:
        return self.mint.mint(persona, self.url(server), **claims)

    def trust(self) -> ssl.SSLContext:
        return self.fleet.balancer.trust()

    def patient(self, retries: int = RETRIES, lost_every: int = 0) -> Patient:
        """A transport through the balancer that tries again."""
        return Patient(httpx2.AsyncHTTPTransport(verify=self.trust()), retries, lost_every)

    @asynccontextmanager
    async def connect(
        self,
        persona: str = "manager",
        era: str = "modern",
        server: str = "customers",
        *,
        through: Patient | None = None,
        scopes: Sequence[str] | None = None,
    ) -> AsyncGenerator[Client]:
        """A real SDK client with a real token, through the balancer; scopes that no persona holds must be named."""
        headers = {"Authorization": f"Bearer {self.token(persona, server, scopes=scopes)}"}
        transport = through or self.patient()
        async with httpx2.AsyncClient(headers=headers, timeout=30, transport=transport) as http:
            reached = streamable_http_client(self.url(server), http_client=http)
            async with Client(reached, mode="legacy" if era == "legacy" else MODERN) as client:
                yield client

    async def ask(
        self, replica: Process, tool: str, arguments: dict[str, Any], token: str | None = None
    ) -> httpx.Response:
        """One modern call of one replica, past the balancer."""
        server = replica.name.rpartition("-")[0]
        params = {"name": tool, "arguments": arguments}
        headers = modern_headers("tools/call", params) | {"Host": self.fleet.plan.base_url.partition("://")[2]}
        headers["Authorization"] = f"Bearer {token or self.token(server=server)}"
        url = f"http://127.0.0.1:{replica.port}/{server}/mcp"
        async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
            return await client.post(url, json=modern("tools/call", params), headers=headers)

    async def readiness(self, replica: Process) -> tuple[int, dict[str, str]]:
        """Status of `/readyz`, and what it says of each thing it depends on."""
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            answer = await client.get(replica.probe)
        return answer.status_code, answer.json()["checks"]

    async def sql(self, statement: str, *values: Any) -> list[Any]:
        """As an administrator, who sees everything."""
        url = self.postgres.admin_url.rpartition("/")[0] + "/suite"
        admin = await connect(url, "drill")
        try:
            return await admin.fetch(statement, *values)
        finally:
            await admin.close()

    async def verify(self) -> Report:
        connection = await connect(self.urls.reader, "drill")
        try:
            return await verify(connection, self._audit_keys())
        finally:
            await connection.close()

    def _audit_keys(self) -> KeyRing:
        kept = self.fleet.plan.folder / "keys" / "audit_keys.key"
        return load_keys(Settings(audit_keys=(kept.read_text(),), data_dir=self.fleet.plan.folder / "drill")).audit  # pyright: ignore[reportArgumentType]


@asynccontextmanager
async def open_drill(
    folder: Path,
    *,
    names: Sequence[str] = ("customers",),
    replicas: int = 3,
    code: Path | None = None,
    **settings: object,
) -> AsyncGenerator[Drill]:
    """A fleet with services of its own, seeded with 200 customers; settings are those of its replicas.

    With `code`, another release made the tables and serves.
    """
    require("haproxy")
    async with AsyncExitStack() as stack:
        postgres, redis = Postgres(folder / "postgres"), Redis(folder / "redis")
        for service in (postgres, redis):
            stack.callback(service.stop)
            service.start()
        programs = [find_program(name) for name in names]
        urls = await ensure_roles(postgres.admin_url, Passwords.random(), "suite")
        every = [program.server for program in programs]
        if code is None:
            await migrate(urls.owner, {server.name: server.migrations for server in every if server.migrations})
        else:
            await migrate_by(code, urls)
        if "customers" in names:
            await demo.seed(urls.owner, customers=200, orders=600)
        [port] = free_ports(1)
        plan = Plan(programs, folder, replicas, port, GENEROUS | settings, code)
        fleet = await stack.enter_async_context(open_fleet(plan, urls, redis.url))
        yield Drill(fleet, postgres, redis, urls, plan.provider())
