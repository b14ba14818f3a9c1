"""The page on the supply chain: its tables are the lists that are checked, and the jobs that there are."""

import re
from pathlib import Path

import yaml

from tests.docs.talks import rows
from tests.supply.licences import ALLOWED

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "supply-chain.md").read_text("utf-8")


def test_the_licences_are_those_that_are_let_in_with_their_reasons() -> None:
    assert dict(rows(PAGE, "What is shipped")) == ALLOWED


def test_the_jobs_of_a_release_are_those_of_the_workflow_with_their_rights() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())["jobs"]
    told = {name.strip("`"): rights for name, rights, _ in rows(PAGE, "## What a release goes through")}
    assert told.keys() == jobs.keys()
    for name, rights in told.items():
        assert ("writes" in rights) is ("write" in jobs[name]["permissions"].values())


def test_what_checks_is_there() -> None:
    named = {cell.strip("`") for *_, cell in rows(PAGE, "What we ship") if cell.startswith("`")}
    assert len(named) == 5
    assert all((ROOT / path).exists() for path in named)


def test_the_identity_to_verify_is_that_of_the_workflow_at_a_tag_it_runs_for() -> None:
    found = re.search(r"--certificate-identity https://github.com/example/mcp-suite/(\S+)@refs/tags/(\S+)", PAGE)
    assert found
    workflow, tag = found.groups()
    said = yaml.safe_load((ROOT / workflow).read_text())
    (pattern,) = said[True]["push"]["tags"]  # YAML 1.1 takes `on` for a truth
    assert re.fullmatch(pattern.replace(".", r"\."), tag)
    assert said["jobs"]["publish"]["permissions"]["id-token"] == "write"
