"""A real balancer and a server that know each other by certificates, which are renewed while calls go on."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from compose.idp.provider import IdentityProvider
from compose.proxy.balancer import run_balancer
from compose.proxy.running import Balancer
from compose.proxy.topology import Inner, Kind, Replica, Topology
from tests.authority import Authority, Pair
from tests.compose.proxy.site import require
from tests.harness import Databases, modern, modern_headers
from tests.processes import free_port, process, standalone_provider

pytestmark = pytest.mark.anyio

CALLERS = 4
NAME = "balancer.example"
SERVER = ("127.0.0.1", "customers")
"""Whom HAProxy expects, and whom nginx does."""


@dataclass
class Site:
    """One server behind one balancer.

    Attributes:
        inner: The balancer's own authority; servers know it by its certificates.
    """

    balancer: Balancer
    servers: Authority
    inner: Authority
    direct: str
    resource: str
    headers: dict[str, str]

    @property
    def call(self) -> dict[str, Any]:
        return modern("tools/call", {"name": "get_customer", "arguments": {"customer_id": "C-000001"}})

    async def ask(self, client: httpx.AsyncClient, url: str) -> httpx.Response:
        return await client.post(url, json=self.call, headers=self.headers)

    def show(self, pair: Pair) -> Path:
        """What balancers read: certificate and key in one file."""
        path = self.inner.folder / "balancer.pem"
        path.write_bytes(pair.certificate.read_bytes() + pair.key.read_bytes())
        path.chmod(0o644)
        return path


@pytest.fixture(params=["haproxy", "nginx"])
async def site(databases: Databases, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncGenerator[Site]:
    kind: Kind = request.param
    require(kind)
    servers, inner = Authority(tmp_path / "servers", "servers"), Authority(tmp_path / "inner", "inner")
    own = servers.sign("server", *SERVER)
    port, issuer, keys = free_port(), f"http://127.0.0.1:{free_port()}", tmp_path / "idp"
    keys.mkdir()
    resource = f"https://127.0.0.1:{port}/customers/mcp"
    tls = {"certificate": str(own.certificate), "key": str(own.key)}
    tls |= {"client_ca": str(inner.file), "client_names": NAME}
    resources = {resource: ["customers:read", "customers:write"]}
    told: dict[str, Any] = {"public_url": f"https://127.0.0.1:{port}", "shared_url": True, "issuer": issuer}
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(standalone_provider(issuer, resources, keys))
        made = process(await databases.fresh(), tmp_path, tls=tls, health_port=free_port(), **told)
        server = await stack.enter_async_context(made)
        await server.start()
        address = f"127.0.0.1:{server.settings.port}"
        token = IdentityProvider(issuer, resources=resources, keys_dir=keys).mint("manager", resource)
        params: dict[str, Any] = {"name": "get_customer", "arguments": {}}
        headers = modern_headers("tools/call", params) | {"Authorization": f"Bearer {token}"}
        shown = inner.folder / "balancer.pem"
        topology = Topology(
            {"customers": [Replica("a", address)]}, port=port, inner=Inner(str(servers.file), str(shown))
        )
        site = Site(None, servers, inner, f"https://{address}/customers/mcp", resource, headers)  # pyright: ignore[reportArgumentType] - a line below
        site.show(inner.sign("balancer", NAME))
        site.balancer = stack.enter_context(run_balancer(topology, kind=kind))
        yield site


async def test_calls_go_on_while_both_sides_renew_their_certificates_and_strangers_stay_out(site: Site) -> None:
    codes: list[int] = []
    done = anyio.Event()
    trust = site.balancer.trust()
    # A balancer that reloads closes connections that are idle just then, certificates or not: each call has its own.
    each = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(verify=trust, timeout=20, limits=each) as client:
        with anyio.fail_after(20):
            while (await site.ask(client, site.resource)).status_code != 200:
                await anyio.sleep(0.05)

        async def keep_calling() -> None:
            while not done.is_set():
                answer = await site.ask(client, site.resource)
                codes.append(answer.status_code if "structuredContent" in answer.text else 0)

        async with anyio.create_task_group() as tasks:
            for _ in range(CALLERS):
                tasks.start_soon(keep_calling)
            for _ in range(3):
                before = await shown_by(site)
                site.servers.sign("server", *SERVER)
                site.show(site.inner.sign("balancer", NAME))
                await anyio.to_thread.run_sync(site.balancer.reload, site.balancer.topology)
                with anyio.fail_after(10):
                    while await shown_by(site) == before:
                        await anyio.sleep(0.05)
                so_far = len(codes)
                with anyio.fail_after(20):
                    while len(codes) < so_far + 20:
                        await anyio.sleep(0.01)
            done.set()
        assert set(codes) == {200}
        site.servers.sign("server", "elsewhere.example")
        with anyio.fail_after(20):
            while (await site.ask(client, site.resource)).status_code not in {502, 503}:
                # nginx keeps connections that it has verified.
                await anyio.to_thread.run_sync(site.balancer.reload, site.balancer.topology)
        site.servers.sign("server", *SERVER)
    for context in (known(site, None), known(site, site.inner.sign("other", "other.example"))):
        async with httpx.AsyncClient(verify=context) as client:
            with pytest.raises(httpx.TransportError):
                await site.ask(client, site.direct)


def known(site: Site, pair: Pair | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=site.servers.file)
    if pair is not None:
        context.load_cert_chain(pair.certificate, pair.key)
    return context


async def shown_by(site: Site) -> str:
    """Serial number of the certificate that the server shows to a new connection."""
    port = int(site.direct.split(":")[2].partition("/")[0])
    context = known(site, site.inner.sign("watcher", NAME))
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    shown: dict[str, str] = writer.get_extra_info("peercert")
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return shown["serialNumber"]
