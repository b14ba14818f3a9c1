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

import servers
from shared.ops.reference import pages
from shared.ops.reference.commands import walk
from tests.docs.fences import NEWCOMERS, ROOT, Fence, documents, fences, name_of
from tests.harness import Databases
from tests.shell import Shell, keep_logs

DOCUMENTS = documents()
BLOCKS = [block for document in DOCUMENTS for block in fences(document) if block.reason is None]
STATE = r"(?!(?:end|note|state|direction|class|style|default)\b)[a-z]\w*"
DIAGRAM_LINE = re.compile(
    rf"    (?:(?:\[\*\]|{STATE}) --> (?:\[\*\]|{STATE})(?:: [^:;#]+)?|{STATE}|note (?:left|right) of {STATE}: [^:;#]+)"
)
NODE = rf"{STATE}(?:\[\"[^\"\[\]]+\"\])?"
FLOW_LINE = re.compile(rf"    {NODE}(?: -->(?:\|[\w ,.:-]+\|)? {NODE})?")
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")
INLINE = re.compile(r"`((?:\.venv/bin/mcp-suite|mcp-suite|make) [^`\n]+)`")
SUITE = ".venv/bin/mcp-suite"
FLEET = ".venv/bin/python -m compose.fleet token"


@dataclass(frozen=True)
class Said:
    """A command of a document."""

    page: str
    command: str


def in_blocks() -> Iterator[Said]:
    """Every command of a shell block; those of the newcomers' pages are run in order, as one script (there)."""
    for block in BLOCKS:
        if block.language == "sh" and block.page not in NEWCOMERS:
            for line in block.text.splitlines():
                if line.strip():
                    yield Said(block.page, line.split("  #")[0].strip())


def inline() -> Iterator[Said]:
    """Every command in backticks that starts like one of ours."""
    for document in DOCUMENTS:
        text = re.sub(r"^```.*?^```$", "", document.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        yield from (Said(name_of(document), found) for found in INLINE.findall(text))


BACKTICKED = [*inline()]
RUN = {said.command for said in in_blocks()} | {said.command for said in BACKTICKED if said.command.startswith(SUITE)}
TARGETS = set(re.findall(r"^([a-z0-9-]+):.*##", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.file], ids=str)
def test_an_excerpt_is_in_its_file_word_for_word(block: Fence) -> None:
    assert block.text in (ROOT / block.file).read_text("utf-8")


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_and_named_files_exist(document: Path) -> None:
    text = document.read_text("utf-8")
    for target in LINK.findall(text):
        assert (document.parent / target).exists(), target
    for named in re.findall(r"`((?:servers|shared|compose|charts|tests|docs)/[\w./-]+\.\w+)`", text):
        assert (ROOT / named).exists(), named


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_commands_in_backticks_are_ones_there_are(document: Path) -> None:
    for said in BACKTICKED:
        if said.page == name_of(document):
            words = said.command.split()
            assert (words[1] in TARGETS) if words[0] == "make" else not unknown(words[1:]), said.command


def unknown(words: list[str]) -> list[str]:
    """Of a command's words, those that are no command, and options that it does not have."""
    (_, command), *_ = walk()
    wrong: list[str] = []
    for word in words:
        if hasattr(command, "list_commands"):
            inner = command.get_command(None, word)
            if inner is None and word in servers.names():
                inner = command.get_command(None, "SERVER")  # `doctor customers`
            if inner is None:
                return [*wrong, word] if re.fullmatch(r"[a-z-]+", word) else wrong
            command = inner
        elif word.startswith("--"):
            known = {option for parameter in command.params for option in parameter.opts}
            wrong += [] if word.partition("=")[0] in {*known, "--help"} else [word]
    return wrong


@pytest.mark.parametrize("command", sorted(found for found in RUN if found.startswith("make ")))
def test_make_has_the_target(command: str) -> None:
    done = subprocess.run(
        ["make", "--dry-run", *shlex.split(command)[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


EXECUTABLE = Path(sys.executable).with_name("mcp-suite")


def test_the_program_of_the_documents_starts_with_nothing_set(tmp_path: Path) -> None:
    """In a home that has nothing: its own PostgreSQL, its own tables and keys."""
    ours = ("SUITE_", "DATABASE_", "REDIS_")
    theirs = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment = {**theirs, "SUITE_DATA_DIR": str(tmp_path / "data"), "HOME": str(tmp_path)}
    for words, said in ((["db", "migrate"], "newest revision"), (["audit", "verify"], "intact")):
        done = subprocess.run(
            [EXECUTABLE, *words], env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        assert said in done.stdout


@pytest.fixture(scope="module")
async def shell(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Of somebody who has set nothing but where the database is, which saves each command from starting one."""
    home = tmp_path_factory.mktemp("home")
    urls = await databases.fresh()
    shell = Shell.beside(urls, home / "data")
    shell.env |= {"HOME": str(home), "SUITE_DATABASE_OWNER_URL": urls.owner, "SUITE_DATABASE_READER_URL": urls.reader}
    return shell


@pytest.mark.anyio
@pytest.mark.parametrize("command", sorted(found for found in RUN if found.startswith(SUITE)))
async def test_a_command_runs(command: str, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_logs(monkeypatch)
    monkeypatch.chdir(ROOT)
    await shell.does(*shlex.split(command)[1:])


@pytest.mark.parametrize("command", sorted(found for found in RUN if found.startswith(FLEET)))
def test_a_token_of_the_fleet_can_be_had(command: str, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SUITE_")}
    environment |= {"SUITE_DATA_DIR": str(tmp_path)}
    words = [sys.executable, *shlex.split(command)[1:]]
    done = subprocess.run(words, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(".") == 2


@pytest.mark.parametrize(("page", "text"), pages().items(), ids=lambda value: str(value)[:20])
def test_a_generated_page_is_up_to_date(page: str, text: str) -> None:
    assert (ROOT / "docs" / page).read_text("utf-8") == text, "run `make docs`"


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "mermaid"], ids=str)
def test_a_diagram_is_one_that_mermaid_draws(block: Fence) -> None:
    """The parts of the grammars of state diagrams (https://mermaid.js.org/syntax/stateDiagram.html) and of flowcharts
    (https://mermaid.js.org/syntax/flowchart.html) that are used.
    """
    head, *lines = block.text.splitlines()
    assert head in {"stateDiagram-v2", "flowchart LR", "flowchart TD"}
    assert lines
    for line in lines:
        assert (DIAGRAM_LINE if head == "stateDiagram-v2" else FLOW_LINE).fullmatch(line), line


def test_no_command_is_left_unchecked() -> None:
    assert sorted(found for found in RUN if not found.startswith(("make ", SUITE, FLEET))) == []
