"""The page on ingesting: its commands do what it shows, one after the other, and it names every reason to skip."""

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from servers.documents.ingesting.skipping import Reason, Rule
from tests.docs.fences import claimed
from tests.harness import Databases
from tests.shell import Shell, keep_logs

pytestmark = pytest.mark.anyio

PAGE = (Path(__file__).parents[2] / "docs" / "ingest-documents.md").read_text("utf-8")
BLOCKS = claimed("docs/ingest-documents.md", 4)

COMPANY = {
    "index.md": "# The company\n",
    "travel/rules.md": "# Travel\n",
    "travel/trains.md": "# Trains\n",
    "people/pay.md": "# Pay\n",
    "notes.txt": "Notes.\n",
    "old.md": "# Caf\xe9\n",
    ".draft.md": "# Draft\n",
}


def change(folder: Path) -> None:
    (folder / "travel/trains.md").unlink()
    (folder / "index.md").write_text("# Our company\n")


BEFORE: dict[int, Callable[[Path], None]] = {3: change}
"""What happens before a command, by its number."""


def said() -> Iterator[tuple[str, list[str]]]:
    """Each command of the page, and the lines that follow it."""
    for block in BLOCKS:
        for part in ("\n" + block).split("\n$ ")[1:]:
            command, *lines = part.splitlines()
            yield command, lines


def measured(line: str) -> str:
    """A line without what differs from one run to the next."""
    return re.sub(r" in \d+\.\d s", " in SECONDS", line)


@pytest.fixture
async def shell(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    keep_logs(monkeypatch)
    monkeypatch.chdir(tmp_path)
    for path, text in COMPANY.items():
        file = tmp_path / "company" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "latin-1")
    urls = await databases.fresh()
    made = Shell.beside(urls, tmp_path / "data")
    made.env["SUITE_DATABASE_READER_URL"] = urls.reader
    return made


async def test_every_command_says_what_the_page_shows(shell: Shell, tmp_path: Path) -> None:
    run = 0
    for command, shown in said():
        BEFORE.get(run, lambda _folder: None)(tmp_path / "company")
        words = shlex.split(command)
        assert words.pop(0) == "mcp-suite"
        lines = await shell.does(*words)
        assert len(lines) == len(shown), (command, lines)
        for line, expected in zip(lines, shown, strict=True):
            start, is_cut, _ = measured(expected).partition("…")
            assert measured(line).startswith(start) if is_cut else measured(line) == start, command
        run += 1
    assert run == PAGE.count("\n$ ") == 7


def words_of(kind: Any) -> set[str]:
    """Of a union of literals."""
    return {word for part in get_args(kind) for word in (words_of(part) if get_args(part) else {part})}


def test_the_page_names_every_reason_to_skip_and_no_other() -> None:
    listed = re.findall(r"^\| `([a-z_]+)` \|", PAGE.partition("## What is skipped")[2], re.MULTILINE)
    assert listed == sorted(listed)
    assert set(listed) == words_of(Reason)
    assert all(f"`{rule}`" in PAGE for rule in get_args(Rule))
