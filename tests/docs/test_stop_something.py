"""The page on stopping things: its commands do what it shows, one after the other."""

import base64
import json
import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.fences import claimed
from tests.harness import Databases
from tests.shell import Shell, keep_logs

pytestmark = pytest.mark.anyio

PAGE = (Path(__file__).parents[2] / "docs" / "stop-something.md").read_text("utf-8")
BLOCKS = claimed("docs/stop-something.md", 9)
TOKEN = "5f0c2a9be1d34c77"


def said() -> Iterator[tuple[str, list[str]]]:
    """Each command of the page, and the lines that follow it."""
    for block in BLOCKS:
        for part in ("\n" + block).split("\n$ ")[1:]:
            command, *lines = part.splitlines()
            yield command, lines


def measured(line: str) -> str:
    """A line without what differs from one run to the next."""
    line = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00", "TIME", line)
    return re.sub(r'"(set_by|actor)":"[^"]*"', r'"\1":"WHO"', line)


@pytest.fixture
async def shell(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    keep_logs(monkeypatch)
    urls = await databases.fresh()
    made = Shell.beside(urls, tmp_path)
    made.env["SUITE_DATABASE_READER_URL"] = urls.reader
    return made


def token() -> str:
    claims = {"jti": TOKEN, "exp": int(time.time()) + 600}
    return ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({}, claims, 1)
    )


async def test_every_command_says_what_the_page_shows(shell: Shell) -> None:
    run = 0
    for command, shown in said():
        words = shlex.split(command.partition(" < ")[0])
        assert words.pop(0) == "mcp-suite"
        lines = await shell.does(*words, stdin=token() if " < token.txt" in command else "")
        for line, expected in zip(lines, shown, strict=False):
            if expected == "…":
                break
            start, is_cut, _ = (
                measured(expected).partition("…") if line.startswith("{") else (measured(expected), "", "")
            )
            assert measured(line).startswith(start) if is_cut else measured(line) == start, command
        assert len(lines) >= len([line for line in shown if line != "…"]), command
        run += 1
    assert run == PAGE.count("\n$ ") >= 12
    assert [json.loads(line)["id"] for line in await shell.does("stops")] == [2, 4, 5, 6, 7, 8, 9]
