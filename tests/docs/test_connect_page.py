"""The page on clients: what it shows is what the command prints."""

import re
import shlex
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shared.ops.cli import app
from shared.ops.connect.clients import Client
from tests.docs.fences import claimed
from tests.shell import keep_logs

PAGE = (Path(__file__).parents[2] / "docs" / "connect-a-client.md").read_text("utf-8")
SHOWN = re.findall(
    r"^```sh\n\.venv/bin/mcp-suite (connect [^\n]*)\n```\n\n```\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL
)
PLAIN = claimed("docs/connect-a-client.md", 3)


@pytest.mark.parametrize(("command", "shown"), SHOWN)
def test_what_the_page_shows_is_what_is_printed(
    command: str, shown: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keep_logs(monkeypatch)
    monkeypatch.setattr(sys, "argv", ["/opt/mcp-suite/.venv/bin/mcp-suite"])
    ended = CliRunner().invoke(app, shlex.split(command), env={"SUITE_DATA_DIR": str(tmp_path)})
    assert (ended.exit_code, ended.stdout) == (0, shown)


def test_no_block_is_left_unproven() -> None:
    assert tuple(shown for _, shown in SHOWN) == PLAIN


def test_every_client_has_its_place() -> None:
    for client in Client:
        assert f"mcp-suite connect {client}" in PAGE, client
