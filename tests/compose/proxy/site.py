"""A real balancer, HAProxy or nginx, in front of two replicas and something that passes for an identity provider."""

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import httpx
import pytest

from compose.proxy.balancer import run_balancer
from compose.proxy.packages import Unreachable
from compose.proxy.programs import find_balancer
from compose.proxy.running import Balancer
from compose.proxy.topology import Kind, Replica, Topology
from tests.compose.proxy.replicas import Fake, fakes
from tests.processes import free_port

PATIENCE_S = 1
PATH = "/customers/mcp"
MODERN = {"MCP-Protocol-Version": "2026-07-28"}
LEGACY = {"MCP-Protocol-Version": "2025-11-25"}


def require(kind: Kind) -> None:
    """Skip where the program cannot be fetched; whatever else goes wrong with it fails the tests."""
    try:
        find_balancer(kind)
    except Unreachable as error:
        pytest.skip(str(error))


@dataclass
class Site:
    """A balancer and what is behind it."""

    balancer: Balancer
    a: Fake
    b: Fake
    idp: Fake
    client: httpx.AsyncClient

    @property
    def url(self) -> str:
        return self.balancer.url + PATH

    @property
    def port(self) -> int:
        return self.balancer.topology.port

    @property
    def seen(self) -> int:
        """Requests that reached any replica."""
        return len(self.a.seen) + len(self.b.seen)

    async def post(self, message: Any = None, **headers: str) -> httpx.Response:
        return await self.client.post(self.url, json=message or {"jsonrpc": "2.0", "id": 1}, headers=headers)

    async def who(self, times: int = 10) -> set[str]:
        """Replicas that answer calls now."""
        return {(await self.post()).json()["replica"] for _ in range(times)}

    async def until(self, **states: str) -> None:
        """Wait until the balancer has noticed."""
        with anyio.fail_after(10):
            while self.balancer.states("customers") != states:
                await anyio.sleep(0.02)

    def new_client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(verify=self.balancer.trust(), trust_env=False, timeout=20)


@asynccontextmanager
async def open_site(kind: Kind) -> AsyncGenerator[Site]:
    require(kind)
    async with fakes("a", "b", "idp") as (a, b, idp):
        replicas = [Replica(one.name, one.address) for one in (a, b)]
        told = Topology(
            {"customers": replicas}, idp.address, port=free_port(), patience_s=PATIENCE_S, body_limit_bytes=4096
        )
        with run_balancer(told, kind=kind) as balancer:
            async with httpx.AsyncClient(verify=balancer.trust(), trust_env=False, timeout=20) as client:
                site = Site(balancer, a, b, idp, client)
                await site.until(a="up", b="up")
                yield site


async def goes_on(lines: AsyncIterator[str]) -> None:
    """Wait for an event that was sent after now: some of before may still be on their way."""
    now = time.time()
    with anyio.fail_after(10):
        async for line in lines:
            if line.startswith("data: ") and json.loads(line[6:])["sent"] > now:
                return
    raise AssertionError("the stream has ended")
