"""What the checks of one scenario amount to. Nothing found is not the same as nothing checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

GENERIC = "wire-schema-valid"
"""The check every scenario makes of what went over the wire: alone it proves nothing about the scenario."""


@dataclass(frozen=True)
class Check:
    """One check of the suite.

    Attributes:
        status: SUCCESS · FAILURE · WARNING · SKIPPED · INFO.
        untestable: It failed for want of a tool of the suite's own example server.
    """

    id: str
    status: str
    note: str = ""
    untestable: bool = False


@dataclass(frozen=True)
class Verdict:
    """The outcome of one scenario.

    Attributes:
        problems: Sentences; none if all is well.
        remarks: What was not checked, and why.
    """

    era: str
    scenario: str
    outcome: str
    passed: int = 0
    problems: list[str] = field(default_factory=list[str])
    remarks: list[str] = field(default_factory=list[str])


def of_running(
    era: str,
    scenario: str,
    checks: Sequence[Check],
    untestable: Mapping[str, str],
    different: Mapping[str, str] | None = None,
) -> Verdict:
    """`ok`, or `red`: something failed or warned, or nothing was checked, or a known gap has closed.

    Args:
        era: The revision it ran in.
        scenario: Its id.
        checks: What it reported.
        untestable: Check → reason, of those that are known to have nothing to work on here.
        different: Check → reason, of those that fail because we answer otherwise on purpose.
    """
    different = different or {}
    failed = {check.id: check for check in checks if check.status == "FAILURE"}
    excused = {name for name, check in failed.items() if check.untestable} & set(untestable)
    excused |= set(failed) & set(different)
    bad = [check for check in checks if check.status in {"FAILURE", "WARNING"} and check.id not in excused]
    problems = [f"{check.id}: {check.note}" for check in bad]
    problems += [f"{name} can be tested now: take it off `untestable`" for name in untestable if name not in excused]
    problems += [f"{name} passes now: take it off `different`" for name in different if name not in excused]
    if not any(check.status == "SUCCESS" and check.id != GENERIC for check in checks):
        problems.append("no check of its own passed")
    remarks = [f"untestable {name}: {untestable[name]}" for name in sorted(excused & set(untestable))]
    remarks += [f"different {name}: {different[name]}" for name in sorted(excused & set(different))]
    remarks += [f"skipped {check.id}: {check.note}" for check in checks if check.status == "SKIPPED"]
    return Verdict(era, scenario, "red" if problems else "ok", _passed(checks), problems, remarks)


def of_idle(era: str, scenario: str, checks: Sequence[Check], reason: str) -> Verdict:
    """`idle`, or `red`: it checks something now."""
    own = [check.id for check in checks if check.status in {"SUCCESS", "FAILURE"} and check.id != GENERIC]
    problems = [f"it checks {', '.join(own)} now: move it to `run`"] if own else []
    return Verdict(era, scenario, "red" if problems else "idle", _passed(checks), problems, [reason])


def _passed(checks: Sequence[Check]) -> int:
    return sum(check.status == "SUCCESS" for check in checks)
