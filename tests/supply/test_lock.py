"""What the lock promises of where packages come from, and how old they are when they are taken."""

import re
import shutil
import subprocess
import tomllib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
LOCK: dict[str, Any] = tomllib.loads((ROOT / "uv.lock").read_text())
UV: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]
OURS = "enterprise-mcp-suite"
OTHERS: list[dict[str, Any]] = [each for each in LOCK["package"] if each["name"] != OURS]
COOL_DOWN = timedelta(days=7)


def files(package: dict[str, Any]) -> list[dict[str, Any]]:
    return [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else [])]


def uploaded(package: dict[str, Any]) -> datetime:
    """When the newest of its files came to the index."""
    return max(datetime.fromisoformat(file["upload-time"]) for file in files(package))


def test_every_package_is_of_the_index_and_of_nowhere_else() -> None:
    assert len(OTHERS) > 100
    assert {tuple(each["source"].items()) for each in OTHERS} == {(("registry", "https://pypi.org/simple"),)}
    (own,) = [each for each in LOCK["package"] if each["name"] == OURS]
    assert own["source"] == {"editable": "."}


def test_every_file_has_its_hash_and_the_time_it_was_uploaded() -> None:
    for package in OTHERS:
        assert files(package), package["name"]
        for file in files(package):
            assert re.fullmatch(r"sha256:[0-9a-f]{64}", file["hash"]), package["name"]
            assert file["url"].startswith("https://files.pythonhosted.org/")
            assert "upload-time" in file


def test_a_release_is_taken_once_it_is_a_week_old() -> None:
    assert UV["exclude-newer"] == f"{COOL_DOWN.days} days"
    assert LOCK["options"]["exclude-newer-span"] == f"P{COOL_DOWN.days}D", "lock anew: .venv/bin/uv lock"


def test_an_exception_is_for_one_release_and_goes_when_it_is_not_needed() -> None:
    """Each ends at a moment, so that nothing newer comes in by it. What is older than some package that is locked
    without an exception would pass by itself: the lock was made a week after that one, or later.
    """
    exceptions = {name: datetime.fromisoformat(until) for name, until in UV.get("exclude-newer-package", {}).items()}
    locked = {each["name"]: uploaded(each) for each in OTHERS}
    assert exceptions.keys() <= locked.keys()
    passed = max(when for name, when in locked.items() if name not in exceptions)
    for name, until in exceptions.items():
        assert locked[name] < until
        assert locked[name] > passed, f"take {name} out of exclude-newer-package: it is old enough by itself now"


def test_the_lock_is_that_of_the_project(tmp_path: Path) -> None:
    """Looked at without the index: the wheels of a clean machine are not here."""
    for name in ("pyproject.toml", "uv.lock", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    uv = ROOT / ".venv" / "bin" / "uv"
    if not uv.exists():
        pytest.skip("this environment has no uv of its own: `make setup` puts it there")
    check = [uv, "lock", "--check", "--offline", "--no-cache", "--project", tmp_path]
    assert subprocess.run(check, capture_output=True, check=False).returncode == 0
    project = tmp_path / "pyproject.toml"
    project.write_text(project.read_text().replace('exclude-newer = "7 days"', 'exclude-newer = "1 day"'))
    assert subprocess.run(check, capture_output=True, check=False).returncode != 0


def test_those_who_look_for_newer_ones_wait_as_long() -> None:
    said: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())
    assert {each["package-ecosystem"] for each in said["updates"]} == {"uv", "github-actions", "docker"}
    for each in said["updates"]:
        assert each["cooldown"] == {"default-days": COOL_DOWN.days}
        assert (ROOT / each["directory"].lstrip("/")).is_dir()


def test_what_is_installed_is_what_is_locked() -> None:
    for name in ("Makefile", "compose/Dockerfile"):
        syncs = re.findall(r"uv sync .*", (ROOT / name).read_text())
        assert syncs
        assert all("--frozen" in line for line in syncs), name
