"""docs/add-a-fifth-server.md: the folder goes where the page puts it, and its policy holds there. The newcomer's own
tests are run by `tests/e2e/ship/test_fifth_server.py`, since they start a PostgreSQL.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.fences import ROOT, fences

PAGE = ROOT / "docs" / "add-a-fifth-server.md"
EXAMPLE = ROOT / "docs" / "examples" / "links"
COMMAND = str(Path(sys.executable).with_name("mcp-suite"))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository with one folder more, and its tests where the page puts them."""
    folder = tmp_path_factory.mktemp("tree")
    for name in ("shared", "compose", "docs", "pyproject.toml"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "servers", folder / "servers", ignore=shutil.ignore_patterns("__pycache__"))
    own = shutil.ignore_patterns("__pycache__", "test_*")
    shutil.copytree(EXAMPLE, folder / "servers" / "links", ignore=own)
    tests = folder / "tests" / "servers" / "links"
    tests.mkdir(parents=True)
    for path in (ROOT / "tests").glob("*.py"):
        shutil.copy(path, folder / "tests")
    shutil.copy(EXAMPLE / "test_links.py", tests)
    return folder


def run(tree: Path, *words: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SUITE_", "DATABASE_", "REDIS"))}
    environment = kept | {"PYTHONPATH": str(tree), "SUITE_DATA_DIR": str(tree / "data")}
    done = subprocess.run(words, cwd=tree, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_policy_does_what_its_cases_say_and_each_statement_matters(tree: Path) -> None:
    assert "links: 4 of 4 cases as expected" in run(tree, COMMAND, "policy", "test", "links", "--strict")


def test_every_file_of_the_example_is_shown_or_named() -> None:
    text = PAGE.read_text("utf-8")
    files = [path for path in EXAMPLE.rglob("*") if path.is_file() and path.suffix in {".py", ".toml", ".cedar"}]
    named = [f"docs/examples/links/{path.relative_to(EXAMPLE)}" for path in files if path.name != "__init__.py"]
    assert [name for name in named if name not in text] == []
    assert {"docs/examples/links/tools.py", "docs/examples/links/test_links.py"} <= {one.file for one in fences(PAGE)}
