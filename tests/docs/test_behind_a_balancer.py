"""The page on balancers: its blocks are what a real HAProxy does and what our own command takes."""

import json
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

import servers
from compose.proxy import admin
from compose.proxy.__main__ import app
from compose.proxy.balancer import run_balancer
from compose.proxy.topology import Replica, Topology
from shared.core.settings import Settings
from shared.ops.serving import addresses
from tests.compose.proxy.replicas import fakes
from tests.compose.proxy.site import LEGACY, Site, open_site, require
from tests.docs.fences import claimed
from tests.processes import free_port

VARIABLES, COMMAND, HEADERS, DRAIN, LOST, NONE_LEFT = claimed("docs/behind-a-balancer.md", 6)


def test_the_variables_put_a_replica_where_the_balancer_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    told = dict(line.split("=", 1) for line in VARIABLES.splitlines())
    fields = {name.removeprefix("SUITE_").lower(): value for name, value in told.items() if name != "SUITE_PROFILE"}
    assert fields.keys() <= Settings.model_fields.keys()
    where = addresses(Settings.model_validate(fields), [servers.load("customers")], alone=True)
    assert where["customers"].resource == "https://mcp.example.com/customers/mcp"


@pytest.mark.parametrize(("more", "written"), [("", "haproxy.cfg"), ("--kind=nginx", "nginx.conf")])
def test_the_command_writes_a_configuration(tmp_path: Path, more: str, written: str) -> None:
    words = shlex.split(COMMAND.replace("--into=/etc/mcp", f"--into={tmp_path}") + more)
    assert words[:3] == ["python", "-m", "compose.proxy"]
    done = CliRunner().invoke(app, words[3:])
    assert done.exit_code == 0, done.output
    assert [path.name for path in tmp_path.iterdir()] == [written]
    text = (tmp_path / written).read_text()
    for said in ("10.0.0.11:8080", "10.0.0.12:8080", "/etc/mcp/own.pem"):
        assert said in text


@pytest.mark.anyio
async def test_answers_carry_these_headers_and_losses_are_told_in_these_words() -> None:
    async with open_site("haproxy") as site:
        headers = (await site.post()).headers
        assert [f"{name}: {headers[name]}" for name in (line.split(":")[0] for line in HEADERS.splitlines())] == (
            HEADERS.splitlines()
        )
        assert await told(site, Do="die") == json.loads(LOST)
        for replica in (site.a, site.b):
            await replica.stop()
        assert await told(site) == json.loads(NONE_LEFT)


async def told(site: Site, **headers: str) -> object:
    answer = await site.post({"jsonrpc": "2.0", "id": 7}, **headers, **LEGACY)
    assert answer.status_code == 200
    return answer.json()


@pytest.mark.anyio
async def test_the_commands_drain_a_replica() -> None:
    require("haproxy")
    async with fakes("r1", "r2") as replicas:
        topology = Topology({"customers": [Replica(one.name, one.address) for one in replicas]}, port=free_port())
        with run_balancer(topology) as balancer:
            said = [admin.ask(balancer.folder / "admin.sock", command).strip() for command in DRAIN.splitlines()]
            assert said == ["", ""]
            assert balancer.states("customers")["r1"] == "drain"
