"""The code of the release before this one, out of the history of this repository, and processes that run it."""

import os
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from shared.core.releases import Release, this_release
from shared.state.roles import Urls

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).with_name("mcp-suite")


def previous() -> Release:
    """The release that this one has to get along with."""
    before = this_release().after
    assert before is not None
    return before


def code_of(release: Release, folder: Path) -> Path:
    """The tree of a release, in a folder of its own; skips where the history does not reach back to it."""
    commit = release.commit
    known = commit and _git("cat-file", "-e", f"{commit}^{{commit}}").returncode == 0
    if not known:
        pytest.skip(f"the history here lacks {commit}, which is {release.version}: git fetch --unshallow")
    packed = _git("archive", "--format=tar", str(commit), "servers", "shared", "compose", "pyproject.toml")
    assert packed.returncode == 0, packed.stderr
    folder.mkdir(exist_ok=True)
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed.stdout, check=True)
    return folder


def _git(*words: str) -> "subprocess.CompletedProcess[bytes]":
    try:
        return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no git here, and so no code of another release")


def runs(code: Path) -> dict[str, str]:
    """The environment of a process that runs the code of that tree."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SUITE_", "DATABASE_"))}
    return kept | {"PYTHONPATH": str(code)}


async def is_of(code: Path) -> bool:
    """Whether such a process really imports that tree's code."""
    asked = [sys.executable, "-c", "import shared, servers; print(*shared.__path__, *servers.__path__)"]
    told = await anyio.run_process(asked, env=runs(code), cwd=code.parent)
    return told.stdout.decode().split() == [str(code / "shared"), str(code / "servers")]


async def migrate_by(code: Path, urls: Urls) -> None:
    """`mcp-suite db migrate` of that tree, as whoever upgrades runs it."""
    told = {"SUITE_DATABASE_URL": urls.app, "SUITE_DATABASE_OWNER_URL": urls.owner, "SUITE_PROFILE": "laptop"}
    told["SUITE_DATA_DIR"] = str(code.parent / "migrating")
    done = await anyio.run_process([str(COMMAND), "db", "migrate"], env=runs(code) | told, check=False)
    assert done.returncode == 0, done.stderr.decode()
