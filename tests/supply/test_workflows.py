"""The forge's workflows: two linters find nothing, and would find what is planted."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from compose import image

ROOT = Path(__file__).parents[2]
FORGE = ROOT / ".github"
WORKFLOWS = sorted((FORGE / "workflows").glob("*.yml"))
BIN = Path(sys.executable).parent
SAID: dict[str, dict[str, Any]] = {path.stem: yaml.safe_load(path.read_text()) for path in WORKFLOWS}


def lint(folder: Path) -> dict[str, str]:
    """What each linter says; nothing if it finds nothing."""
    commands: dict[str, list[str | Path]] = {
        "zizmor": [
            BIN / "zizmor",
            "--offline",
            "--pedantic",
            "--strict-collection",
            "--no-progress",
            folder / ".github",
        ],
        "actionlint": [BIN / "actionlint", *sorted((folder / ".github" / "workflows").glob("*.yml"))],
    }
    said: dict[str, str] = {}
    for name, command in commands.items():
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
        said[name] = "" if done.returncode == 0 else done.stdout + done.stderr
    return said


def test_both_linters_find_nothing() -> None:
    assert {path.name for path in WORKFLOWS} == {"check.yml", "release.yml"}
    assert lint(ROOT) == {"zizmor": "", "actionlint": ""}


@pytest.mark.parametrize(
    ("was", "planted", "who", "finding"),
    [
        (r"actions/checkout@\w{40} # v[\d.]+", "actions/checkout@v7", "zizmor", "unpinned-uses"),
        (r"        with:\n          persist-credentials: false\n", "", "zizmor", "artipacked"),
        (r"run: make check", 'run: echo "${{ github.head_ref }}"', "zizmor", "template-injection"),
        (r"permissions: {}", "permissions: write-all", "zizmor", "excessive-permissions"),
        (r"  pull_request:\n", "  pull_request_target:\n", "zizmor", "dangerous-triggers"),
        (r"matrix.python ", "matrix.pyhton ", "actionlint", "pyhton"),
        (r"runs-on: ubuntu-24.04", "runs-on: ubuntu-4.10", "actionlint", "ubuntu-4.10"),
        (r"default-days: 7", "default-days: 2", "zizmor", "dependabot-cooldown"),
    ],
)
def test_what_is_planted_is_found(tmp_path: Path, was: str, planted: str, who: str, finding: str) -> None:
    shutil.copytree(FORGE, tmp_path / ".github")
    changed = 0
    for path in (tmp_path / ".github").rglob("*.yml"):
        text, count = re.subn(was, planted, path.read_text())
        path.write_text(text)
        changed += count
    assert changed
    assert finding in lint(tmp_path)[who]


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job.get("steps", ())]


@pytest.mark.parametrize("name", SAID)
def test_every_action_is_named_by_the_hash_of_a_commit_and_its_version(name: str) -> None:
    lines = [line for line in (FORGE / "workflows" / f"{name}.yml").read_text().splitlines() if "uses:" in line]
    assert lines
    for line in lines:
        own = "uses: $/.github/workflows/" in line
        assert own or re.search(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


@pytest.mark.parametrize("name", SAID)
def test_a_job_may_do_what_it_needs_and_ends_in_time(name: str) -> None:
    assert SAID[name]["permissions"] == {}
    for job, said in SAID[name]["jobs"].items():
        writes = {right for right, value in said["permissions"].items() if value == "write"}
        if job != "publish":
            assert not writes
        assert "uses" in said or said["timeout-minutes"] <= 60


def test_only_what_was_checked_and_scanned_is_published_and_people_let_it_pass() -> None:
    jobs = SAID["release"]["jobs"]
    assert (jobs["build"]["needs"], jobs["publish"]["needs"]) == ("check", "build")
    assert jobs["publish"]["environment"] == "release"
    assert not any("checkout" in step.get("uses", "") for step in jobs["publish"]["steps"]), (
        "it runs no code of the tree"
    )
    order = [step.get("name", step.get("run", "")) for step in jobs["build"]["steps"]]
    assert order.index("make image") < order.index("What is known against it")


@pytest.mark.parametrize("name", SAID)
def test_every_target_and_file_that_a_workflow_names_is_there(name: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for step in steps(SAID[name]):
        for target in re.findall(r"\bmake (\w+)", step.get("run", "")):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
        for path in re.findall(r"\b((?:tests|charts)/[\w./-]+)", step.get("run", "")):
            assert (ROOT / path).exists(), path


@pytest.mark.parametrize("name", SAID)
def test_what_is_taken_from_the_build_is_what_it_writes(name: str) -> None:
    assert image.__doc__ is not None
    for step in steps(SAID[name]):
        said = f"{step.get('run', '')} {step.get('with', {}).get('input', '')}"
        taken = re.findall(r"build/image/[\w.]+", said)
        assert set(taken) <= set(re.findall(r"build/image/[\w.]+", image.__doc__))
