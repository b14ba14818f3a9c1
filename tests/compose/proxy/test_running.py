"""The balancer as our child: started, told something new, and gone when we are."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from compose.proxy.balancer import run_balancer
from compose.proxy.topology import Kind, Replica, Topology
from shared.core.errors import Misconfigured
from tests.compose.proxy.replicas import fakes
from tests.compose.proxy.site import Site, goes_on, require
from tests.processes import free_port

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[3]
KINDS: tuple[Kind, ...] = ("haproxy", "nginx")
NOBODY_THERE = {"customers": [Replica("a", "127.0.0.1:9")]}


async def test_a_reload_serves_the_new_replicas_and_cuts_no_stream(own_site: Site) -> None:
    site = own_site
    site.balancer.drain("customers", "b")
    async with fakes("c") as [new], site.client.stream("GET", site.url, headers={"Do": "stream"}) as stream:
        lines = stream.aiter_lines()
        replicas = [Replica(one.name, one.address) for one in (site.b, new)]
        before = site.balancer.topology
        site.balancer.reload(Topology({"customers": replicas}, before.identity_provider, port=before.port))
        with anyio.fail_after(10):
            while site.balancer.states("customers")["c"] != "up":
                await anyio.sleep(0.02)
        async with site.new_client() as client:
            answers = [(await client.post(site.url, json={})).json()["replica"] for _ in range(6)]
        assert set(answers) == {"c"}, "b was drained before and is so still"
        await goes_on(lines)


@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_served_is_refused_and_the_old_served_on(kind: Kind) -> None:
    require(kind)
    told = Topology(NOBODY_THERE, port=free_port())
    with run_balancer(told, kind=kind) as balancer:
        unknown = Topology({"customers": [Replica("a", "no-such-host.invalid:1")]}, port=told.port)
        with pytest.raises(Misconfigured, match="no-such-host"):
            balancer.reload(unknown)
        assert balancer.topology is told
        balancer.reload(told)


def test_a_port_that_is_taken_is_said_at_the_start() -> None:
    require("haproxy")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        topology = Topology(NOBODY_THERE, port=taken.getsockname()[1])
        with pytest.raises(Misconfigured, match="did not start"), run_balancer(topology):
            pass


ORPHAN = """
import sys, time
from compose.proxy.balancer import run_balancer
from compose.proxy.topology import Replica, Topology
with run_balancer(Topology({"customers": [Replica("a", "127.0.0.1:9")]}, port=int(sys.argv[2])), kind=sys.argv[1]):
    print("started", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("kind", KINDS)
def test_the_balancer_ends_when_we_are_killed(kind: Kind, tmp_path: Path) -> None:
    require(kind)
    port = free_port()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", ORPHAN, kind, str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"started\n"
        parent.send_signal(signal.SIGKILL)
    for _ in range(1000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return
        subprocess.run(["sleep", "0.01"], check=True)
    pytest.fail("it still listens")


@pytest.mark.parametrize("kind", KINDS)
def test_it_starts_in_a_folder_with_a_long_name_and_keeps_its_certificate_there(kind: Kind, tmp_path: Path) -> None:
    """Longer than the address of a socket may be."""
    require(kind)
    folder = tmp_path / ("long-" * 20) / "balancer"
    kept: set[bytes] = set()
    for _ in range(2):
        with run_balancer(Topology(NOBODY_THERE, port=free_port()), kind=kind, folder=folder) as balancer:
            assert balancer.states("customers").keys() == {"a"}
            kept.add(balancer.authority.read_bytes())
    assert len(kept) == 1
    assert (folder / "server.pem").stat().st_mode & 0o777 == 0o600
