"""Replicas found by name, as containers are: one name, as many addresses as there are replicas just now."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import httpx
import pytest

from compose.proxy.balancer import run_balancer
from compose.proxy.topology import Replica, Topology
from tests.compose.proxy.replicas import Fake
from tests.compose.proxy.site import PATH, require
from tests.processes import free_port

pytestmark = pytest.mark.anyio

TYPE_A = 1


class Names(asyncio.DatagramProtocol):
    """A name server: every name has these addresses (RFC 1035 §4.1)."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        end = data.index(b"\0", 12) + 5
        asked = int.from_bytes(data[end - 4 : end - 2], "big")
        found = self.addresses if asked == TYPE_A else []
        head = data[:2] + b"\x81\x80\0\1" + len(found).to_bytes(2, "big") + b"\0\0\0\0"
        record = b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4"
        assert self.transport is not None
        self.transport.sendto(head + data[12:end] + b"".join(record + socket.inet_aton(one) for one in found), addr)


@asynccontextmanager
async def name_server() -> AsyncGenerator[tuple[Names, str]]:
    loop = asyncio.get_running_loop()
    transport, names = await loop.create_datagram_endpoint(Names, ("127.0.0.1", 0))
    host, port = transport.get_extra_info("sockname")
    try:
        yield names, f"{host}:{port}"
    finally:
        transport.close()


async def test_replicas_are_found_by_name_as_they_come_and_go() -> None:
    require("haproxy")
    port = free_port()
    one, two = Fake("one", port, host="127.0.0.2"), Fake("two", port, host="127.0.0.3")
    try:
        await one.start()
        await two.start()
    except OSError:
        pytest.skip("this machine has one loopback address")
    async with name_server() as (names, address):
        told = Topology(
            {"customers": [Replica("r", f"customers.test:{port}")]},
            f"customers.test:{port}",
            port=free_port(),
            by_dns=True,
            nameserver=address,
        )
        with run_balancer(told) as balancer:
            async with httpx.AsyncClient(verify=balancer.trust(), trust_env=False) as client:

                async def until(*wanted: str) -> None:
                    with anyio.fail_after(15):
                        while True:
                            answers = [await client.post(balancer.url + PATH, json={}) for _ in range(6)]
                            if {answer.json().get("replica") for answer in answers} == set(wanted):
                                return
                            await anyio.sleep(0.05)

                for addresses, wanted in (
                    (["127.0.0.2"], ["one"]),
                    (["127.0.0.2", "127.0.0.3"], ["one", "two"]),
                    (["127.0.0.3"], ["two"]),
                ):
                    names.addresses = addresses
                    await until(*wanted)
                assert (await client.get(f"{balancer.url}/idp/jwks.json")).json()["replica"] == "two"
    await one.stop()
    await two.stop()
