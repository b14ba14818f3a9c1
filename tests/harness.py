"""The real application in the test's own loop, on a loopback port, and real clients for it."""

import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import anyio
import asyncpg
import httpx
import httpx2
import uvicorn
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from starlette.types import ASGIApp

import servers
from compose.idp.provider import IdentityProvider
from shared.app import open_app
from shared.core.errors import Unavailable
from shared.core.server import Server
from shared.core.settings import Settings
from shared.edge.address import Address
from shared.edge.draining import Draining
from shared.edge.listen import bind
from shared.edge.refusals import Refusals
from shared.ops.serving import addresses, as_its_clients, identity_provider
from shared.parts import Parts, open_parts
from shared.state.database import connect
from shared.state.roles import Urls
from shared.steps.audit.query import Filter, query
from shared.steps.audit.verify import Report, verify
from tests.generous import LIMITS
from tests.pgbouncer import PgBouncer, pooled

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
ERAS = ("modern", "legacy")

GENEROUS: dict[str, Any] = {**LIMITS, "pool_min": 2}
"""Limits out of the way of tests that are not about limits."""


@dataclass
class Databases:
    """Copies of one migrated and seeded database; `pooler` is between them and whoever serves."""

    admin_url: str
    template: Urls
    pooler: PgBouncer | None = None
    made: list[str] = field(default_factory=list[str])

    async def fresh(self) -> Urls:
        """A new database like the template."""
        name = f"suite_{uuid4().hex[:12]}"
        source = urlsplit(self.template.owner).path[1:]
        connection = await _connect(self.admin_url)
        try:
            await connection.execute(f"CREATE DATABASE {name} TEMPLATE {source} OWNER suite_owner")
            await connection.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
            await connection.execute(
                f"GRANT CONNECT ON DATABASE {name} TO suite_app, suite_reader, suite_operator, suite_console"
            )
        finally:
            await connection.close()
        self.made.append(name)
        kept = self.template
        urls = Urls(*(_on(url, name) for url in (kept.owner, kept.app, kept.reader, kept.operator, kept.console)))
        return self.pooler.in_front_of(urls) if self.pooler else urls


def _on(url: str, database: str) -> str:
    return urlsplit(url)._replace(path=f"/{database}").geturl()


async def _connect(url: str) -> Any:
    return await connect(url, "test")


@dataclass
class Suite:
    """A running application."""

    settings: Settings
    urls: Urls
    parts: Parts
    provider: IdentityProvider
    where: dict[str, Address]
    admin_url: str
    refusals: Refusals
    draining: Draining = field(default_factory=Draining)

    def url(self, server: str = "customers") -> str:
        return self.where[server].resource

    def token(self, persona: str = "admin", server: str = "customers", **claims: Any) -> str:
        return self.provider.mint(persona, self.url(server), **claims)

    @asynccontextmanager
    async def connect(
        self, persona: str = "admin", era: str = "modern", server: str = "customers"
    ) -> AsyncGenerator[Client]:
        """A real SDK client with a real token."""
        headers = {"Authorization": f"Bearer {self.token(persona, server)}"}
        async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
            transport = streamable_http_client(self.url(server), http_client=http)
            async with Client(transport, mode="legacy" if era == "legacy" else MODERN) as client:
                yield client

    @asynccontextmanager
    async def http(self) -> AsyncGenerator[httpx.AsyncClient]:
        async with httpx.AsyncClient(timeout=30) as client:
            yield client

    async def post(
        self, token: str | None, method: str, params: dict[str, Any], *, server: str = "customers", **extra: str
    ) -> httpx.Response:
        """One modern request as raw HTTP."""
        body = modern(method, params)
        headers = modern_headers(method, params) | extra
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        async with self.http() as client:
            return await client.post(self.url(server), json=body, headers=headers)

    async def session(self, token: str, server: str = "customers") -> dict[str, str]:
        """Open a session of the 2025 era: the headers of every further request in it."""
        params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
        body = {"jsonrpc": "2.0", "id": "open", "method": "initialize", "params": params}
        async with self.http() as client:
            opened = await client.post(self.url(server), json=body, headers=headers)
        assert opened.status_code == 200, opened.text
        return {**headers, "MCP-Protocol-Version": LEGACY, "Mcp-Session-Id": opened.headers["mcp-session-id"]}

    async def call(
        self, persona: str, tool: str, arguments: dict[str, Any], server: str = "customers", **claims: Any
    ) -> dict[str, Any]:
        """The structured answer, or the error object, of one tool call."""
        token = self.token(persona, server, **claims)
        params = {"name": tool, "arguments": arguments}
        response = await self.post(token, "tools/call", params, server=server)
        body = response.json()
        return body["result"]["structuredContent"] if "result" in body else {"error": body["error"]["data"]}

    async def records(self, **wanted: Any) -> list[dict[str, Any]]:
        """Audit records, the newest first."""
        connection = await _connect(self.urls.reader)
        try:
            wanted.setdefault("limit", 10_000)
            return await query(connection, Filter(**wanted))
        finally:
            await connection.close()

    async def verify(self) -> Report:
        connection = await _connect(self.urls.reader)
        try:
            return await verify(connection, self.parts.keys.audit)
        finally:
            await connection.close()

    async def allow_connections(self, *, allowed: bool) -> None:
        """Take the database away, or give it back."""
        name = urlsplit(self.urls.app).path[1:]
        admin = await _connect(self.admin_url)
        try:
            await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {str(allowed).lower()}")
            if not allowed:
                await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
        finally:
            await admin.close()
        if allowed:
            await self._back()

    async def _back(self) -> None:
        """Return once the database lets the application in: a pooler that failed to get in looks again later."""
        with anyio.fail_after(10):
            while True:
                with suppress(Unavailable, asyncpg.PostgresError):
                    connection = await connect(self.urls.app, "test", lent=True)
                    try:  # a pooler lets clients in before it knows whether it gets in itself
                        await connection.fetchval("SELECT 1")
                        return
                    finally:
                        await connection.close()
                await anyio.sleep(0.02)

    async def sql(self, statement: str, *values: Any) -> list[Any]:
        """Run SQL as an administrator, who sees everything."""
        admin = await _connect(_on(self.admin_url, urlsplit(self.urls.app).path[1:]))
        try:
            return await admin.fetch(statement, *values)
        finally:
            await admin.close()

    @staticmethod
    @asynccontextmanager
    async def maker(databases: Databases, folder: Path) -> AsyncGenerator[Callable[..., Awaitable["Suite"]]]:
        async with AsyncExitStack() as stack:

            async def make(urls: Urls | None = None, **settings: Any) -> Suite:
                urls = urls or await databases.fresh()
                opened = open_suite(urls, folder, databases.admin_url, **settings)
                return await stack.enter_async_context(opened)

            yield make


def modern(method: str, params: dict[str, Any], message_id: Any = 1) -> dict[str, Any]:
    meta = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        **params.get("_meta", {}),
    }
    return {"jsonrpc": "2.0", "id": message_id, "method": method, "params": {**params, "_meta": meta}}


def modern_headers(method: str, params: dict[str, Any]) -> dict[str, str]:
    name = params.get("uri") or params.get("name")
    return {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": MODERN,
        "Mcp-Method": method,
        **({"Mcp-Name": name} if name else {}),
    }


@asynccontextmanager
async def open_suite(
    urls: Urls, folder: Path, admin_url: str = "", *, served: Sequence[Server] = (), **overrides: Any
) -> AsyncGenerator[Suite]:
    """The application with all servers, or those given, serving on a free loopback port.

    An override that is a function is called with the application's URL, which nobody knows before.
    """
    with bind(Settings(port=0)) as listening:
        port = listening.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        given = {name: value(url) if callable(value) else value for name, value in overrides.items()}
        values: dict[str, Any] = {**GENEROUS, **pooled(urls), "port": port, "data_dir": folder, **given}
        settings = Settings(**values)
        served = served or servers.every()
        everything = {server.name: server for server in (*servers.every(), *served)}
        where = addresses(settings, served, alone=False)
        provider = identity_provider(settings, served, where)
        assert provider is not None
        draining = Draining()
        settings = as_its_clients(settings, provider, where)
        async with (
            open_parts(settings, urls.app, urls=urls, everything=everything) as parts,
            open_app(parts, served, where, provider.routes, draining) as app,
            _listening(app.asgi, listening),
        ):
            yield Suite(settings, urls, parts, provider, where, admin_url, app.refusals, draining)


@asynccontextmanager
async def _listening(app: ASGIApp, listening: socket.socket) -> AsyncGenerator[None]:
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve, [listening])
        with anyio.fail_after(10):
            while not server.started:
                await anyio.lowlevel.checkpoint()
        try:
            yield
        finally:
            server.should_exit = True
