"""What `scenarios.toml` says, and whether the suite still knows the same scenarios."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Era:
    """The scenarios of one revision of the protocol; the dictionaries hold reasons.

    Attributes:
        run: Against the customers server.
        everything: Against the server that has the names the suite calls (`server/`); a scenario may be under both.
        untestable: Scenario → check → reason, of `run`.
        untestable_everything: The same of `everything`.
        different_everything: Scenario → check → reason, of those that we answer otherwise on purpose.
    """

    name: str
    run: list[str]
    everything: list[str]
    idle: dict[str, str]
    left_out: dict[str, str]
    untestable: dict[str, dict[str, str]]
    untestable_everything: dict[str, dict[str, str]]
    different_everything: dict[str, dict[str, str]]

    @property
    def ids(self) -> list[str]:
        """As they are accounted for, each once."""
        ours = [scenario for scenario in self.everything if scenario not in self.run]
        return [*self.run, *ours, *self.idle, *self.left_out]


def load(path: Path = FOLDER / "scenarios.toml") -> list[Era]:
    return [_era(name, told) for name, told in tomllib.loads(path.read_text()).items()]


def _era(name: str, told: dict[str, Any]) -> Era:
    return Era(
        name,
        told.get("run", []),
        told.get("everything", []),
        _reasons(told.get("idle", [])),
        _reasons(told.get("left-out", [])),
        told.get("untestable", {}),
        told.get("untestable-everything", {}),
        told.get("different-everything", {}),
    )


def _reasons(groups: list[dict[str, Any]]) -> dict[str, str]:
    return {scenario: group["reason"] for group in groups for scenario in group["scenarios"]}


def disagreements(eras: list[Era], known: Mapping[str, set[str]]) -> list[str]:
    """What to change in `scenarios.toml`, a sentence each.

    Args:
        eras: What is listed.
        known: Scenario → the eras the suite has it for.
    """
    found: list[str] = []
    for era in eras:
        there = {scenario for scenario, names in known.items() if era.name in names}
        twice = sorted({scenario for scenario in era.ids if era.ids.count(scenario) > 1})
        found += [f"{era.name}: {scenario} is listed twice" for scenario in twice]
        new, gone = sorted(there - set(era.ids)), sorted(set(era.ids) - there)
        found += [f"{era.name}: {scenario} is new: run it, or leave it out and say why" for scenario in new]
        found += [f"{era.name}: {scenario} is not in the suite any more" for scenario in gone]
    listed = {era.name for era in eras}
    found += [f"{scenario} is for none of our eras" for scenario, names in sorted(known.items()) if not names & listed]
    return found
