"""Versions say what changed: of the suite in CHANGELOG.md, of each server by what its clients see."""

import re
import tomllib
from copy import deepcopy
from typing import Any

import pytest

import servers
from shared.core.releases import Release, parts, this_release
from shared.core.server import Server
from shared.edge.describe import DEPRECATED
from tests.contracts import released, surface
from tests.docs.fences import ROOT

CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
ENTRIES = re.findall(r"^## \[(.+?)\](?: - (\S+))?$", CHANGELOG, re.MULTILINE)
TOOL = "customers.get_customers.json"


def before() -> Release:
    release = this_release().after
    assert release is not None
    return release


def now() -> dict[str, surface.Snapshot]:
    return {name: released.slim(found) for name, found in surface.kept().items()}


def test_the_package_the_lock_and_the_releases_name_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    [locked] = [
        each for each in tomllib.loads((ROOT / "uv.lock").read_text())["package"] if each["name"] == project["name"]
    ]
    assert project["version"] == locked["version"] == this_release().version


def test_the_changelog_begins_with_this_release_and_dates_every_one() -> None:
    release: Release | None = this_release()
    for version, date in ENTRIES:
        assert release is not None, f"{version} is not in shared/releases.toml"
        assert (version, date) == (release.version, release.date.isoformat())
        release = release.after
    assert release is None


def test_the_changelog_says_what_will_go_and_what_is_gone() -> None:
    newest = CHANGELOG.split("\n## ")[1]
    going = [name for name, found in now().items() if DEPRECATED in found["_meta"]]
    gone = released.read(before().version).keys() - now().keys()
    assert [name for name in (*going, *gone) if f"`{name.split('.')[-2]}`" not in newest] == []


@pytest.mark.parametrize("server", servers.every(), ids=lambda server: server.name)
def test_a_server_has_the_version_that_this_release_names(server: Server) -> None:
    assert this_release().servers[server.name] == server.version


@pytest.mark.parametrize("server", servers.over_mcp(), ids=lambda server: server.name)
def test_the_version_of_a_server_moves_as_far_as_its_surface_does(server: Server) -> None:
    old, new = (released.of(server.name, every) for every in (released.read(before().version), now()))
    was = before().servers.get(server.name)
    if was is None:
        return
    assert problems(old, new, was, server.version) == []


def problems(old: dict[str, Any], new: dict[str, Any], was: str, version: str) -> list[str]:
    """What is wrong with a version, in words that say what to do."""
    order = (None, "patch", "minor", "major")
    needed, moved = released.needed(old, new), released.moved(was, version)
    found = [] if order.index(moved) >= order.index(needed) else [f"{needed} change, and {was} became {version}"]
    return found + [f"{name} is gone: deprecate it a release before" for name in released.vanished(old, new)]


def changed(**changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The customers server, and the same with other facts of one tool; None takes one away."""
    old = released.of("customers", now())
    new = deepcopy(old)
    for path, value in changes.items():
        *way, last = path.split("__")
        inner = new[TOOL]
        for part in way:
            inner = inner[part]
        if value is None:
            del inner[last]
        else:
            inner[last] = value
    return old, new


@pytest.mark.parametrize(
    ("changes", "needed"),
    [
        ({}, None),
        ({"words": "others"}, "patch"),
        ({"inputSchema__properties__more": {"type": "string"}}, "minor"),
        ({"outputSchema__properties__more": {"type": "string"}}, "minor"),
        ({"_meta": {DEPRECATED: {}}}, "minor"),
        ({"scopes": []}, "minor"),
        ({"inputSchema__properties__customer_ids": None}, "major"),
        ({"outputSchema__properties__customers": None}, "major"),
        ({"scopes": ["customers:read", "customers:pii"]}, "major"),
    ],
    ids=str,
)
def test_a_change_is_as_large_as_what_it_does_to_clients(changes: dict[str, Any], needed: str | None) -> None:
    old, new = changed(**changes)
    assert released.needed(old, new) == needed
    bumped = {None: "2.1.0", "patch": "2.1.1", "minor": "2.2.0", "major": "3.0.0"}
    order = [*bumped]
    for size, version in bumped.items():
        assert (problems(old, new, "2.1.0", version) == []) is (order.index(size) >= order.index(needed))


def test_a_tool_goes_only_after_a_release_that_said_so() -> None:
    old, new = changed()
    del new[TOOL]
    assert problems(old, new, "2.1.0", "3.0.0") == [f"{TOOL} is gone: deprecate it a release before"]
    old[TOOL]["_meta"] = {DEPRECATED: {}}
    assert problems(old, new, "2.1.0", "3.0.0") == []
    assert problems(old, new, "2.1.0", "2.2.0") == ["major change, and 2.1.0 became 2.2.0"]


@pytest.mark.parametrize("version", ["2.0.0", "2.1.2", "2.3.0", "4.0.0", "3.1.0"])
def test_versions_neither_go_back_nor_leave_one_out(version: str) -> None:
    with pytest.raises(AssertionError, match="does not follow"):
        released.moved("2.1.0", version)


def test_the_suite_itself_follows_the_release_before() -> None:
    assert parts(this_release().version) > parts(before().version)
