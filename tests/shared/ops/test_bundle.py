"""MCP bundles: what is in them, and that it is enough to serve. The official tool judges them in tests/e2e/ship."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import anyio
import pytest

import servers
from shared.core.errors import Misconfigured
from shared.core.server import Server
from shared.ops.bundle import ROOT, build, contents, manifest
from shared.ops.bundled import forget_what_was_left_open
from tests.clients.local import Local
from tests.clients.wire import Wire
from tests.harness import Databases

pytestmark = pytest.mark.anyio

EVERY = pytest.mark.parametrize("server", servers.over_mcp(), ids=lambda server: server.name)


@EVERY
def test_the_manifest_names_every_tool_and_what_each_is_for(server: Server) -> None:
    told = manifest(server)
    assert [tool["name"] for tool in told["tools"]] == list(server.tools.tools)
    assert all(tool["description"] and "\n" not in tool["description"] for tool in told["tools"])
    assert told["version"] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


@EVERY
def test_every_variable_of_the_command_is_one_that_the_user_is_asked_for(server: Server) -> None:
    told = manifest(server)
    options = told["user_config"]
    for value in told["server"]["mcp_config"]["env"].values():
        asked = value.removeprefix("${user_config.").removesuffix("}")
        assert value == "1" or "default" in options[asked], value
    assert options["database_url"]["sensitive"]


def test_the_same_tree_makes_the_same_bytes(tmp_path: Path) -> None:
    made: list[bytes] = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made.append(build(servers.load("customers"), tmp_path / name).read_bytes())
    assert made[0] == made[1]


def test_a_bundle_has_one_server_the_lock_and_nothing_of_the_machine() -> None:
    inside = contents(servers.load("mail"), ROOT)
    assert inside["uv.lock"] == (ROOT / "uv.lock").read_bytes()
    assert {name.split("/")[1] for name in inside if name.startswith("servers/")} == {"__init__.py", "mail"}
    assert not [name for name in inside if "__pycache__" in name or "/." in name or str(ROOT).encode() in inside[name]]
    project = tomllib.loads(inside["pyproject.toml"].decode())
    assert project["tool"]["uv"]["default-groups"] == []
    assert project["project"] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_a_server_of_pages_has_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="browser"):
        build(servers.load("console"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_a_source_tree_it_is_said_where_bundles_are_built(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="make bundles"):
        build(servers.load("mail"), tmp_path, tmp_path)


def test_what_a_user_left_open_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"SUITE_DATABASE_URL": "", "SUITE_STDIO_TENANT": "${user_config.tenant}", "SUITE_READ_ONLY": "false"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    forget_what_was_left_open()
    left = {name: value for name, value in os.environ.items() if name in given}
    assert left == {"SUITE_READ_ONLY": "false"}


async def test_what_is_in_a_bundle_is_enough_to_serve(databases: Databases, tmp_path: Path) -> None:
    urls = await databases.fresh()
    home = tmp_path / "unpacked"
    with ZipFile(build(servers.load("tickets"), tmp_path)) as archive:
        archive.extractall(home)
    (home / "shared" / "__init__.py").write_text("import sys; sys.stderr.write('served from the bundle')")
    local = Local(urls, tmp_path / "data", scopes="*:write")
    local.folder.mkdir(mode=0o700)
    answers: dict[str, Any] = {
        "data_dir": local.folder,
        "database_url": urls.app,
        "read_only": "false",
        "tenant": "acme",
    }
    given = manifest(servers.load("tickets"))["server"]["mcp_config"]["env"]
    env = {name: filled(value, {**answers, "demo": "true"}) for name, value in given.items()}
    with (tmp_path / "log").open("wb") as log:
        command = [sys.executable, "main.py"]
        process = await anyio.open_process(command, stdout=subprocess.PIPE, stderr=log, env=env, cwd=home)
    wire = Wire(process, tmp_path / "log", "legacy")
    await wire.greet()
    listed = await wire.ask("tools/list", {})
    assert {tool["name"] for tool in listed["result"]["tools"]} > {"get_ticket", "create_ticket"}
    assert await wire.hang_up(15) == 0
    assert "served from the bundle" in wire.log()


def filled(value: str, answers: dict[str, Any]) -> str:
    """As a host replaces what its user answered."""
    for name, answer in answers.items():
        value = value.replace(f"${{user_config.{name}}}", str(answer))
    return value
