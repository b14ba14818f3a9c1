"""Configurations of clients: what is said to each, what is written, and everything that is left as it was."""

import json
import shlex
import sys
from base64 import b64decode
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.core.errors import Misconfigured
from shared.ops.connect.clients import Client, file_of
from shared.ops.connect.commands import command
from shared.ops.connect.entries import TOKEN_INPUT, Way, configuration, entry
from shared.ops.connect.files import backup_of, merge, remove

MAIL = "http://127.0.0.1:8080/mail/mcp"
AT_URL = Way("mail", MAIL)
STARTED = Way("mail", environment={"SUITE_DATA_DIR": "/some where"})
OURS = {"mcpServers": {"suite-customers": {"type": "http", "url": "http://127.0.0.1:8080/customers/mcp"}}}
REMOTE = ["-y", "mcp-remote@0.15.1", MAIL, "--transport", "http-only"]


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
    found = configuration(Client.CLAUDE_DESKTOP, [Way("customers"), STARTED])["mcpServers"]
    assert found.keys() == {"suite-customers", "suite-mail"}
    assert found["suite-mail"] == {
        "command": str(installed.resolve()),
        "args": ["serve", "mail", "--stdio"],
        "env": {"SUITE_DATA_DIR": "/some where"},
    }


@pytest.mark.parametrize("client", [Client.CLAUDE_CODE, Client.CURSOR, Client.VSCODE])
def test_editors_connect_to_the_url_or_start_the_server(client: Client, installed: Path) -> None:
    assert entry(client, AT_URL) == {"type": "http", "url": MAIL}
    started = entry(client, Way("mail"))
    assert started == {"type": "stdio", "command": str(installed.resolve()), "args": ["serve", "mail", "--stdio"]}


@pytest.mark.parametrize("client", [Client.CLAUDE_DESKTOP, Client.MCP_REMOTE])
def test_what_only_speaks_stdio_reaches_a_url_by_mcp_remote(client: Client, tmp_path: Path) -> None:
    assert entry(client, AT_URL) == {"command": "npx", "args": REMOTE}
    held = tmp_path / "headers.txt"
    assert entry(client, Way("mail", MAIL, header_file=held))["args"] == [*REMOTE, "--header-file", str(held)]


@pytest.mark.parametrize(
    ("client", "place"),
    [
        (Client.CLAUDE_CODE, "${MCP_SUITE_TOKEN}"),
        (Client.CURSOR, "${env:MCP_SUITE_TOKEN}"),
        (Client.VSCODE, "${input:suite-token}"),
    ],
)
def test_a_token_is_never_in_the_file_but_where_the_client_finds_it(client: Client, place: str) -> None:
    found = configuration(client, [Way("mail", MAIL, bearer=True)])
    assert found[client.key]["suite-mail"]["headers"] == {"Authorization": f"Bearer {place}"}
    assert found.get("inputs") == ([TOKEN_INPUT] if client is Client.VSCODE else None)


def test_a_client_that_has_no_place_for_a_token_is_told_so() -> None:
    with pytest.raises(Misconfigured, match="--header-file"):
        entry(Client.CLAUDE_DESKTOP, Way("mail", MAIL, bearer=True))


def test_vscode_has_the_servers_under_a_name_of_its_own() -> None:
    assert configuration(Client.VSCODE, [AT_URL]) == {"servers": {"suite-mail": {"type": "http", "url": MAIL}}}


def words(client: Client, way: Way) -> list[str]:
    return shlex.split(command(client, way) or "")


def test_the_inspector_gets_a_fresh_token_from_the_command_by_its_quoted_path(installed: Path) -> None:
    said = words(Client.INSPECTOR, AT_URL)
    assert said[:5] == ["npx", "-y", "@modelcontextprotocol/inspector@2.12.0", "--cli", MAIL]
    header = said[said.index("--header") + 1]
    asked = f"{shlex.quote(str(installed.resolve()))} token manager --server mail"
    assert header == f"Authorization: Bearer $({asked})"


def test_the_inspector_starts_a_server_with_its_variables(installed: Path) -> None:
    started = [str(installed.resolve()), "serve", "mail", "--stdio", "-e", "SUITE_DATA_DIR=/some where"]
    assert words(Client.INSPECTOR, STARTED)[4:] == [*started, "--method", "tools/list"]


def test_claude_code_is_told_by_its_own_command_with_every_option_before_the_name(installed: Path) -> None:
    http = ["claude", "mcp", "add", "--transport", "http", "--scope", "user", "suite-mail", MAIL]
    assert words(Client.CLAUDE_CODE, AT_URL) == http
    assert words(Client.CLAUDE_CODE, STARTED) == [
        *("claude", "mcp", "add", "--env", "SUITE_DATA_DIR=/some where", "--transport", "stdio", "--scope", "user"),
        *("suite-mail", "--", str(installed.resolve()), "serve", "mail", "--stdio"),
    ]


def test_vscode_is_told_by_its_own_command() -> None:
    code, option, told = words(Client.VSCODE, AT_URL)
    assert (code, option) == ("code", "--add-mcp")
    assert json.loads(told) == {"name": "suite-mail", "type": "http", "url": MAIL}


def test_the_link_for_cursor_holds_what_its_file_would() -> None:
    link = urlsplit(command(Client.CURSOR, STARTED) or "")
    assert (link.scheme, link.netloc, link.path) == ("cursor", "anysphere.cursor-deeplink", "/mcp/install")
    told = parse_qs(link.query, strict_parsing=True)
    assert told["name"] == ["suite-mail"]
    assert json.loads(b64decode(told["config"][0])) == entry(Client.CURSOR, STARTED)


@pytest.mark.parametrize(
    ("client", "platform", "expected"),
    [
        (Client.CURSOR, "linux", ".cursor/mcp.json"),
        (Client.CURSOR, "darwin", ".cursor/mcp.json"),
        (Client.CURSOR, "win32", ".cursor/mcp.json"),
        (Client.CLAUDE_DESKTOP, "linux", ".config/Claude/claude_desktop_config.json"),
        (Client.CLAUDE_DESKTOP, "darwin", "Library/Application Support/Claude/claude_desktop_config.json"),
        (Client.CLAUDE_DESKTOP, "win32", "AppData/Roaming/Claude/claude_desktop_config.json"),
        (Client.VSCODE, "linux", ".config/Code/User/mcp.json"),
        (Client.VSCODE, "darwin", "Library/Application Support/Code/User/mcp.json"),
        (Client.VSCODE, "win32", "AppData/Roaming/Code/User/mcp.json"),
    ],
)
def test_each_client_keeps_its_file_where_its_platform_has_it(client: Client, platform: str, expected: str) -> None:
    assert file_of(client, Path("/home/ann"), platform=platform) == Path("/home/ann") / expected


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        (Client.CLAUDE_CODE, ".mcp.json"),
        (Client.CURSOR, ".cursor/mcp.json"),
        (Client.VSCODE, ".vscode/mcp.json"),
    ],
)
def test_editors_have_a_file_of_the_project(client: Client, expected: str) -> None:
    assert file_of(client, Path("/home/ann"), Path("/work")) == Path("/work") / expected


@pytest.mark.parametrize(
    ("client", "project", "what"),
    [
        (Client.INSPECTOR, None, "no configuration file"),
        (Client.MCP_REMOTE, None, "no configuration file"),
        (Client.CLAUDE_CODE, None, "--project"),
        (Client.CLAUDE_DESKTOP, Path("/work"), "leave --project out"),
    ],
)
def test_a_file_that_is_not_there_to_be_written_is_refused(client: Client, project: Path | None, what: str) -> None:
    with pytest.raises(Misconfigured, match=what):
        file_of(client, Path("/home/ann"), project)


BEFORE: dict[str, Any] = {
    "theme": "dårk",
    "mcpServers": {"other": {"command": "x", "env": {"A": "1"}}, "suite-customers": {"url": "old", "extra": 1}},
    "nested": {"mcpServers": [1, None, 1.5, 12345678901234567890]},
}


def test_a_merge_keeps_everything_that_is_not_ours_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(BEFORE, ensure_ascii=False), "utf-8")
    assert merge(path, OURS)
    after = written(path)
    assert list(after) == list(BEFORE)
    assert after == {**BEFORE, "mcpServers": {**BEFORE["mcpServers"], **OURS["mcpServers"]}}


def test_what_was_there_is_kept_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    before = json.dumps(BEFORE, ensure_ascii=False, indent=7)
    path.write_text(before, "utf-8")
    path.chmod(0o600)
    merge(path, OURS)
    assert backup_of(path).read_text("utf-8") == before
    assert backup_of(path).stat().st_mode & 0o777 == 0o600


def test_a_second_merge_changes_no_byte_and_not_what_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text("{}")
    merge(path, OURS)
    once = path.read_bytes()
    assert not merge(path, OURS)
    assert path.read_bytes() == once
    assert written(backup_of(path)) == {}
    assert written(path) == OURS


def test_removing_gives_back_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    other = {"type": "promptString", "id": "other"}
    before = {"inputs": [other], "servers": {"theirs": {"command": "x", "env": {"A": "${input:other}"}}}}
    path.write_text(json.dumps(before))
    merge(path, configuration(Client.VSCODE, [Way("mail", MAIL, bearer=True), Way("tickets", MAIL, bearer=True)]))
    assert [one["id"] for one in written(path)["inputs"]] == ["other", "suite-token"]
    assert remove(path, "servers", {"suite-mail"}, {"suite-token"})
    assert [one["id"] for one in written(path)["inputs"]] == ["other", "suite-token"], "tickets needs it still"
    assert remove(path, "servers", {"suite-mail", "suite-tickets"}, {"suite-token"})
    assert written(path) == before
    assert not remove(path, "servers", {"suite-mail"}, {"suite-token"})


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
    [
        *("", "{", "// comment\n{}", "[]", "null", '"text"', '{"mcpServers": []}', '{"mcpServers": null}', "\ufeff{}"),
        *('{"mcpServers": {}, // mine\n}', '{"inputs": {}}'),
    ],
)
def test_a_file_that_is_no_configuration_or_has_comments_is_not_touched(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(text, "utf-8")
    for change in (lambda: merge(path, OURS), lambda: remove(path, "mcpServers", {"suite-mail"})):
        with pytest.raises(Misconfigured, match=r"config\.json"):
            change()
    assert path.read_text("utf-8") == text
    assert [entry.name for entry in tmp_path.glob("*config*")] == ["config.json"]


def test_a_file_that_is_no_text_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Misconfigured):
        merge(path, OURS)
    assert path.read_bytes() == b"\xff\xfe\x00"
