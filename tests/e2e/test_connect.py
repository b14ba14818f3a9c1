"""What `mcp-suite connect` prints and writes, done to the letter, by programs nobody here wrote where there are any."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from anyio import to_thread
from mcp import Client, StdioServerParameters

from shared.ops.connect.checking import check
from shared.ops.connect.entries import Way
from tests.clients.node import npm
from tests.clients.processes import eventually, processes_of
from tests.clients.wire import Wire
from tests.harness import Suite
from tests.processes import COMMAND, free_port

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="/proc tells which processes are left"),
]

FOLDER = Path(npm.__file__).parent
PACKAGES = {
    "@modelcontextprotocol/inspector": "clients/launcher/build/index.js",
    "mcp-remote": "dist/proxy.js",
}
TOOLS = {"get_customer", "create_customer"}


def said(words: str, env: dict[str, str], code: int = 0) -> str:
    """What the command says on stdout."""
    ended = subprocess.run([COMMAND, *words.split()], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == code, ended
    return ended.stdout


@pytest.fixture
def beside(suite: Suite, tmp_path: Path) -> dict[str, str]:
    """The environment of somebody at this suite's machine, with a home of their own and an `npx` that runs exactly the
    package it is asked for, without fetching it.
    """
    npm.installed(FOLDER)
    programs = tmp_path / "programs"
    programs.mkdir()
    for package, program in PACKAGES.items():
        there = FOLDER / "node_modules" / package
        version = json.loads((there / "package.json").read_text())["version"]
        link = programs / f"{package.replace('/', '_')}@{version}"
        link.write_text(f'#!/bin/sh\nexec {npm.NODE} {there / program} "$@"\n')
        link.chmod(0o755)
    npx = programs / "npx"
    npx.write_text(
        f'#!/bin/sh\nset -eu\n[ "$1" = -y ]\nprogram=$(echo "$2" | tr / _)\nshift 2\nexec "{programs}/$program" "$@"\n'
    )
    npx.chmod(0o755)
    return {
        **{"HOME": str(tmp_path), "PATH": f"{programs}:{os.defpath}"},
        **{"SUITE_DATA_DIR": str(suite.settings.data_dir), "SUITE_PORT": str(suite.settings.port)},
    }


async def test_the_printed_command_of_the_inspector_lists_the_tools(beside: dict[str, str]) -> None:
    line = await to_thread.run_sync(said, "connect inspector --server customers", beside)
    with anyio.fail_after(60):
        ended = await anyio.run_process(["/bin/sh", "-c", line], env=beside, check=False)
    assert {tool["name"] for tool in json.loads(ended.stdout)["tools"]} >= TOOLS, ended


async def test_the_printed_command_of_mcp_remote_serves_over_stdio(
    beside: dict[str, str], suite: Suite, tmp_path: Path
) -> None:
    held = tmp_path / "headers.txt"
    held.write_text(f"Authorization: Bearer {suite.token('manager')}\n")
    held.chmod(0o600)
    words = f"connect mcp-remote --server customers --header-file {held}"
    command, *args = shlex.split(await to_thread.run_sync(said, words, beside))
    started = StdioServerParameters(command=command, args=args, env=beside)
    with anyio.fail_after(60):
        async with Client(started, mode="legacy") as client:
            assert {tool.name for tool in (await client.list_tools()).tools} >= TOOLS
            found = await client.call_tool("get_customer", {"customer_id": "C-000001"})
    assert (found.structured_content or {})["id"] == "C-000001"


async def test_what_is_written_for_claude_desktop_starts_with_nothing_but_what_it_gives(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path), "SUITE_DATA_DIR": str(tmp_path / "the data")}
    told = await to_thread.run_sync(said, "connect claude-desktop --server customers --write", env)
    path = tmp_path / ".config" / "Claude" / "claude_desktop_config.json"
    assert str(path) in told
    (entry,) = json.loads(path.read_text())["mcpServers"].values()
    assert entry["env"] == {"SUITE_DATA_DIR": env["SUITE_DATA_DIR"]}
    with (tmp_path / "stderr.txt").open("wb") as log:
        process = await anyio.open_process([entry["command"], *entry["args"]], stderr=log, env=entry["env"], cwd="/")
    wire = Wire(process, tmp_path / "stderr.txt", "legacy")
    await wire.greet()
    listed = await wire.ask("tools/list", {})
    assert {tool["name"] for tool in listed["result"]["tools"]} >= TOOLS
    await wire.hang_up(15)
    await eventually(lambda: processes_of(tmp_path / "the data") == {}, 5)


async def checked(words: str, env: dict[str, str], code: int) -> str:
    return await to_thread.run_sync(said, f"connect {words} --check", env, code)


async def test_a_check_lists_the_tools_of_a_server_that_is_there(beside: dict[str, str]) -> None:
    line = await checked("cursor --server customers", beside, 0)
    assert line.startswith("ok  customers: answers, people sign in at http://127.0.0.1:")
    assert "get_customer" in line


async def wrong(way: Way, token: str | None = None) -> str:
    """What a check says that does not find it sound."""
    with anyio.fail_after(60):
        found = await check(way, lambda: token)
    assert not found.sound, found
    return found.said


async def test_a_check_says_what_is_wrong_and_what_to_do(suite: Suite) -> None:
    base = suite.settings.base_url
    nobody = f"http://127.0.0.1:{free_port()}/customers/mcp"
    assert "nothing answers at" in await wrong(Way("customers", nobody))
    assert "BASE/SERVER/mcp" in await wrong(Way("customers", f"{base}/deeper/customers/mcp"))
    assert "none of our servers" in await wrong(Way("customers", f"{base}/livez"))
    stale = suite.token("manager", "documents")
    assert "doctor auth" in await wrong(Way("customers", suite.url()), stale)


async def test_a_check_without_a_token_says_where_people_sign_in(suite: Suite) -> None:
    found = await check(Way("customers", suite.url()), lambda: None)
    assert found.sound
    assert f"sign in at {suite.settings.token_issuer}" in found.said


async def test_a_check_starts_what_a_client_would_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", [str(COMMAND)])
    (tmp_path / "postgres").write_text("a file where a folder should be")
    said = await wrong(Way("customers", environment={"SUITE_DATA_DIR": str(tmp_path)}))
    assert said.startswith(f"{COMMAND} serve customers --stdio does not answer")
