"""Bundles as a desktop client has them: judged and unpacked by the official tool, and started with an empty home and
nothing but uv. It fetches the locked packages, so it is long.
"""

import json
import os
import sys
from pathlib import Path

import anyio
import pytest
from mcp import Client, StdioServerParameters

import servers
from shared.ops.bundle import build
from tests.clients.node import npm
from tests.clients.processes import eventually, processes_of

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif("SUITE_LONG" not in os.environ, reason="fetches packages: make e2e"),
    pytest.mark.skipif(sys.platform != "linux", reason="/proc tells which processes are left"),
]

FOLDER = Path(npm.__file__).parents[1] / "node-mcpb"
MCPB = FOLDER / "node_modules/@anthropic-ai/mcpb/dist/cli/cli.js"
UV = Path(sys.executable).with_name("uv")
EVERY = [server.name for server in servers.over_mcp()]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of somebody who has uv and Python, and never ran anything of ours."""
    npm.installed(FOLDER)
    folder = tmp_path_factory.mktemp("home")
    (folder / "programs").mkdir()
    (folder / "programs" / "uv").symlink_to(UV)
    return folder


async def mcpb(*words: str | Path) -> str:
    code, told, errors = await npm.node(MCPB, *words, within_s=60)
    assert code == 0, (words, told, errors)
    return told


@pytest.mark.parametrize("name", EVERY)
async def test_a_bundle_is_valid_and_serves_where_there_is_only_uv(name: str, home: Path, tmp_path: Path) -> None:
    packed = build(servers.load(name), tmp_path)
    unpacked = tmp_path / "un packed"
    await mcpb("unpack", packed, unpacked)
    assert "passes" in await mcpb("validate", unpacked / "manifest.json")
    assert f"{name}.mcpb" in await mcpb("info", packed)
    server = started(unpacked, home, tmp_path / "data")
    with anyio.fail_after(400):
        async with Client(server, mode="legacy") as client:
            offered = {tool.name for tool in (await client.list_tools()).tools}
            found = await client.call_tool(*CALLS[name])
    assert CALLS[name][0] in offered <= set(servers.load(name).tools.tools), "by default the user is no administrator"
    assert not found.is_error, found
    await eventually(lambda: processes_of(tmp_path) == {}, 10)


CALLS: dict[str, tuple[str, dict[str, str]]] = {
    "customers": ("get_customer", {"customer_id": "C-000001"}),
    "documents": ("search_documents", {"query": "travel"}),
    "mail": ("list_senders", {}),
    "tickets": ("list_my_tickets", {}),
}
"""A read of each server's demo data."""


def started(unpacked: Path, home: Path, data: Path) -> StdioServerParameters:
    """What a host starts, it makes it of the manifest and of the defaults."""
    told = json.loads((unpacked / "manifest.json").read_text())
    config, asked = told["server"]["mcp_config"], told["user_config"]
    answers = {
        name: str(option["default"]).replace("True", "true").replace("False", "false") for name, option in asked.items()
    }
    places = {"__dirname": str(unpacked)} | {f"user_config.{name}": answer for name, answer in answers.items()}
    places["user_config.data_dir"] = str(data)

    def put(text: str) -> str:
        for name, value in places.items():
            text = text.replace(f"${{{name}}}", value)
        return text

    env = {name: put(value) for name, value in config["env"].items()}
    env |= {"HOME": str(home), "PATH": f"{home}/programs:{os.defpath}", "UV_PYTHON_DOWNLOADS": "never"}
    env["UV_SYSTEM_CERTS"] = "1"  # as in the Makefile: networks have authorities of their own
    return StdioServerParameters(
        command=config["command"], args=[put(word) for word in config["args"]], env=env, cwd="/"
    )
