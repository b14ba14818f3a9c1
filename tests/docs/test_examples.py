"""What the documents say is true: commands run, excerpts are in their files, links lead somewhere."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.ops.reference import pages

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```(\S*) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STATE = r"(?!(?:end|note|state|direction|class|style|default)\b)[a-z]\w*"
DIAGRAM_LINE = re.compile(
    rf"    (?:(?:\[\*\]|{STATE}) --> (?:\[\*\]|{STATE})(?:: [^:;#]+)?|{STATE}|note (?:left|right) of {STATE}: [^:;#]+)"
)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")
SUITE = ".venv/bin/mcp-suite"
FLEET = ".venv/bin/python -m compose.fleet token"


@dataclass(frozen=True)
class Block:
    document: Path
    language: str
    file: str
    text: str

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}: {self.text.strip().splitlines()[0][:50]}"


def blocks() -> Iterator[Block]:
    for document in DOCUMENTS:
        for language, file, text in FENCE.findall(document.read_text()):
            yield Block(document, language, file, text)


def commands() -> Iterator[str]:
    """Every command of a shell block, and every one in backticks that starts like ours."""
    for block in blocks():
        if block.language == "sh":
            yield from (line.split("  #")[0].strip() for line in block.text.splitlines() if line.strip())
    for document in DOCUMENTS:
        yield from re.findall(rf"`({re.escape(SUITE)}[^`]*)`", document.read_text())


def test_every_block_is_of_a_kind_these_tests_check() -> None:
    kinds = {(block.language, bool(block.file)) for block in blocks()}
    excerpts = {("python", True), ("sql", True), ("cedar", True), ("toml", True)}
    assert kinds <= {("sh", False), ("", False), ("mermaid", False), *excerpts}


@pytest.mark.parametrize("block", [block for block in blocks() if block.file], ids=str)
def test_an_excerpt_is_in_its_file_word_for_word(block: Block) -> None:
    assert block.text in (ROOT / block.file).read_text()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_named_files_exist(document: Path) -> None:
    text = document.read_text()
    for target in LINK.findall(text):
        assert (document.parent / target).exists(), target
    for named in re.findall(r"`((?:servers|shared|compose|tests|docs)/[\w./-]+\.\w+)`", text):
        assert (ROOT / named).exists(), named


@pytest.mark.parametrize("command", sorted({found for found in commands() if found.startswith("make ")}))
def test_make_has_the_target(command: str) -> None:
    done = subprocess.run(
        ["make", "--dry-run", command.split()[1]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


EXECUTABLE = Path(sys.executable).with_name("mcp-suite")


def environment_of(home: Path) -> dict[str, str]:
    """Somebody's who has set nothing."""
    ours = ("SUITE_", "DATABASE_")
    theirs = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**theirs, "SUITE_DATA_DIR": str(home / "data"), "HOME": str(home)}


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with tables, for the commands that only look at them."""
    home = tmp_path_factory.mktemp("home")
    migrate = [EXECUTABLE, "db", "migrate"]
    subprocess.run(migrate, env=environment_of(home), capture_output=True, check=True, timeout=120)
    return home


@pytest.mark.parametrize("command", sorted({found for found in commands() if found.startswith(SUITE)}))
def test_a_command_runs(command: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    words = shlex.split(command)[1:]
    home: Path = request.getfixturevalue("migrated") if words[0] in {"audit", "mail"} else tmp_path
    done = subprocess.run(
        [EXECUTABLE, *words], env=environment_of(home), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", sorted({found for found in commands() if found.startswith(FLEET)}))
def test_a_token_of_the_fleet_can_be_had(command: str, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SUITE_")}
    environment |= {"SUITE_DATA_DIR": str(tmp_path)}
    words = [sys.executable, *shlex.split(command)[1:]]
    done = subprocess.run(words, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(".") == 2


@pytest.mark.parametrize(("page", "text"), pages().items(), ids=lambda value: str(value)[:20])
def test_a_generated_page_is_up_to_date(page: str, text: str) -> None:
    assert (ROOT / "docs" / page).read_text() == text, "run `make docs`"


@pytest.mark.parametrize("block", [block for block in blocks() if block.language == "mermaid"], ids=str)
def test_a_diagram_is_one_that_mermaid_draws(block: Block) -> None:
    """The part of the grammar of state diagrams (https://mermaid.js.org/syntax/stateDiagram.html) that is used."""
    head, *lines = block.text.splitlines()
    assert head == "stateDiagram-v2"
    assert lines
    for line in lines:
        assert DIAGRAM_LINE.fullmatch(line), line


def test_no_command_is_left_unchecked() -> None:
    assert [found for found in commands() if not found.startswith(("make ", SUITE, FLEET))] == []
