"""Configurations of clients: what is written, and everything that is left as it was."""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from shared.core.errors import Misconfigured
from shared.ops.connect import Client, entries, inspector_command, merge, path_of

RESOURCES = {"customers": "http://127.0.0.1:8080/customers/mcp", "mail": "http://127.0.0.1:8080/mail/mcp"}
OURS = {"mcpServers": {"suite-customers": {"type": "http", "url": "http://127.0.0.1:8080/customers/mcp"}}}


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """As if the command was called by a relative name from a folder with a blank."""
    program = tmp_path / "the programs" / "mcp-suite"
    program.parent.mkdir()
    program.touch()
    monkeypatch.chdir(program.parent)
    monkeypatch.setattr(sys, "argv", ["./mcp-suite", "connect"])
    return program


def written(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def test_claude_desktop_starts_each_server_by_an_absolute_path(installed: Path) -> None:
    found = entries(Client.CLAUDE_DESKTOP, RESOURCES)["mcpServers"]
    assert found.keys() == {"suite-customers", "suite-mail"}
    assert found["suite-mail"] == {"command": str(installed.resolve()), "args": ["serve", "mail", "--stdio"]}


@pytest.mark.parametrize("client", [Client.CURSOR, Client.INSPECTOR])
def test_other_clients_connect_to_each_servers_url(client: Client) -> None:
    found = entries(client, RESOURCES)["mcpServers"]
    assert found == {f"suite-{name}": {"type": "http", "url": url} for name, url in RESOURCES.items()}


def test_the_inspector_gets_a_fresh_token_from_the_command_by_its_quoted_path(installed: Path) -> None:
    words = shlex.split(inspector_command("mail", RESOURCES["mail"]))
    assert words[:4] == ["npx", "@modelcontextprotocol/inspector", "--cli", RESOURCES["mail"]]
    header = words[words.index("--header") + 1]
    asked = f"{shlex.quote(str(installed.resolve()))} token manager --server mail"
    assert header == f"Authorization: Bearer $({asked})"


@pytest.mark.parametrize(
    ("client", "platform", "expected"),
    [
        (Client.CURSOR, "linux", ".cursor/mcp.json"),
        (Client.CURSOR, "darwin", ".cursor/mcp.json"),
        (Client.CURSOR, "win32", ".cursor/mcp.json"),
        (Client.CLAUDE_DESKTOP, "linux", ".config/Claude/claude_desktop_config.json"),
        (Client.CLAUDE_DESKTOP, "darwin", "Library/Application Support/Claude/claude_desktop_config.json"),
        (Client.CLAUDE_DESKTOP, "win32", "AppData/Roaming/Claude/claude_desktop_config.json"),
    ],
)
def test_each_client_keeps_its_file_where_its_platform_has_it(client: Client, platform: str, expected: str) -> None:
    assert path_of(client, Path("/home/ann"), platform) == Path("/home/ann") / expected


def test_the_inspector_has_no_file() -> None:
    with pytest.raises(Misconfigured, match="no configuration file"):
        path_of(Client.INSPECTOR, Path("/home/ann"))


def test_a_merge_keeps_everything_that_is_not_ours_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    before = {
        "theme": "dårk",
        "mcpServers": {"other": {"command": "x", "env": {"A": "1"}}, "suite-customers": {"url": "old", "extra": 1}},
        "nested": {"mcpServers": [1, None, 1.5, 12345678901234567890]},
    }
    path.write_text(json.dumps(before, ensure_ascii=False), "utf-8")
    merge(path, OURS)
    after = written(path)
    assert list(after) == list(before)
    assert after == {**before, "mcpServers": {**before["mcpServers"], **OURS["mcpServers"]}}  # pyright: ignore[reportGeneralTypeIssues]


def test_a_second_merge_changes_no_byte(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    merge(path, OURS)
    once = path.read_bytes()
    merge(path, OURS)
    assert path.read_bytes() == once
    assert written(path) == OURS


def test_folders_are_made_and_no_draft_is_left(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "config.json"
    merge(path, OURS)
    assert [entry.name for entry in path.parent.iterdir()] == ["config.json"]


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o400])
def test_a_file_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"secret": "token of another server"}')
    path.chmod(mode)
    merge(path, OURS)
    assert path.stat().st_mode & 0o777 == mode


def test_a_file_that_is_a_link_stays_one(tmp_path: Path) -> None:
    real, path = tmp_path / "dotfiles.json", tmp_path / "config.json"
    real.write_text("{}")
    path.symlink_to(real)
    merge(path, OURS)
    assert path.is_symlink()
    assert written(real) == OURS


@pytest.mark.parametrize(
    "text",
    ["", "{", "// comment\n{}", "[]", "null", '"text"', '{"mcpServers": []}', '{"mcpServers": null}', "\ufeff{}"],
)
def test_a_file_that_is_no_configuration_is_not_touched(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(text, "utf-8")
    with pytest.raises(Misconfigured, match=r"config\.json"):
        merge(path, OURS)
    assert path.read_text("utf-8") == text
    assert [entry.name for entry in tmp_path.glob("*config*")] == ["config.json"]


def test_a_file_that_is_no_text_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Misconfigured):
        merge(path, OURS)
    assert path.read_bytes() == b"\xff\xfe\x00"
