"""The official suite as a program: what it knows, and what it finds in one scenario."""

import json
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.clients.node.npm import node
from tests.conformance.scenarios import FOLDER, Era
from tests.conformance.verdict import Check, Verdict, of_idle, of_running
from tests.harness import MODERN

_SUITE = FOLDER / "node_modules" / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
_LISTED = re.compile(r"^  - (\S+) \[([^\]]+)\]$", re.MULTILINE)
_LIST_S, _SCENARIO_S, _EXCHANGE_MS = 30, 60, 45_000


@dataclass(frozen=True)
class Target:
    """The server to judge, the token it wants, and a folder for what is found.

    Attributes:
        authority: PEM file of who signed its certificate, where it has one.
    """

    url: str
    token: str = field(repr=False)
    folder: Path
    authority: Path | None = None


async def known() -> dict[str, set[str]]:
    """Every scenario for servers, with the revisions (or `extension`) it is for."""
    code, told, errors = await node(_SUITE, "list", "--server", within_s=_LIST_S)
    assert code == 0, errors
    found = {scenario: set(names.split(",")) for scenario, names in _LISTED.findall(told)}
    assert len(found) == sum(line.startswith("  - ") for line in told.splitlines()), told
    return found


async def judge(era: Era, customers: Target, everything: Target) -> AsyncGenerator[Verdict]:
    """Run what is to be run in an era, one scenario after the other."""
    for scenario in [*era.run, *era.idle]:
        yield await judge_one(era, scenario, customers)
    for scenario in era.everything:
        yield await judge_everything(era, scenario, everything)


async def judge_one(era: Era, scenario: str, target: Target) -> Verdict:
    """A scenario against the customers server."""
    checks = await run(era.name, scenario, target)
    if scenario in era.idle:
        return of_idle(era.name, scenario, checks, era.idle[scenario])
    return of_running(era.name, scenario, checks, era.untestable.get(scenario, {}))


async def judge_everything(era: Era, scenario: str, target: Target) -> Verdict:
    """A scenario against the server with the suite's names."""
    checks = await run(era.name, scenario, target)
    untestable, different = era.untestable_everything.get(scenario, {}), era.different_everything.get(scenario, {})
    return of_running(era.name, scenario, checks, untestable, different)


async def run(era: str, scenario: str, target: Target) -> list[Check]:
    """The checks of one scenario; one failed check that carries its output if it ended without any result."""
    out = target.folder / f"{era}.{scenario}"
    # Extensions are of no revision, and ours are of the newer era.
    version = ("--spec-version", MODERN, "--force") if era == "extension" else ("--spec-version", era)
    options = [*("--url", target.url), *("--scenario", scenario), *version, "-o", str(out)]
    trust = {"NODE_EXTRA_CA_CERTS": str(target.authority)} if target.authority else {}
    before = ["authorize.mjs", *(["over_tls.mjs"] if target.authority else [])]
    _, told, errors = await node(
        *(word for name in before for word in ("--import", (FOLDER / name).as_uri())),
        *(_SUITE, "server", *options, f"--timeout={_EXCHANGE_MS}"),
        env={"AUTHORIZE_URL": target.url, "AUTHORIZE_TOKEN": target.token, **trust},
        within_s=_SCENARIO_S,
    )
    results = list(out.glob("*/checks.json"))
    if len(results) != 1:
        return [Check("result", "FAILURE", f"the suite left {len(results)} results: {told}{errors}")]
    return [_check(found) for found in json.loads(results[0].read_text())]


def _check(found: dict[str, Any]) -> Check:
    details: dict[str, Any] = found.get("details") or {}
    note: str = found.get("errorMessage") or details.get("message") or details.get("note") or ""
    return Check(found["id"], found["status"], note, details.get("untestable") is True)
