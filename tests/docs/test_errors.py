"""`docs/errors.md` says what the code does: each table and example is compared with what it is about."""

import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from shared.core.errors import Failure, Unauthenticated
from shared.edge import boundary
from shared.state.counters import Rate, Taken
from shared.steps.challenges import ADVICE, challenge_401
from shared.steps.limits import refusal
from tests.docs.fences import claimed
from tests.e2e import hostile_edge
from tests.e2e.hostile_edge import Row, cell
from tests.e2e.hostile_session_edge import SESSIONS
from tests.shared.steps.token_table import TABLE as TOKENS

PAGE = (Path(__file__).parents[2] / "docs" / "errors.md").read_text()
TABLE = [*hostile_edge.TABLE, *SESSIONS]
EXAMPLE, CHALLENGE = claimed("docs/errors.md", 2)


def rows(headings: str) -> list[list[str]]:
    """The cells of the table with these headings."""
    lines = PAGE.split(f"\n| {headings} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


def failures(kind: type[Failure] = Failure) -> Iterator[type[Failure]]:
    for inner in kind.__subclasses__():
        if inner.__module__ == Failure.__module__:
            yield inner
            yield from failures(inner)


def words(row: Row) -> set[str]:
    """What a row leaves, anywhere: `call invalid`, `counted edge/host`."""
    told = {cell(row.leaves, place) for place in row.on}
    return {word for leaves in told for word in leaves.split(", ") if word != "nothing"}


LEFT = {word for row in TABLE for word in words(row)}
TYPED = rows("code | retryable | what happened | what to do | details | JSON-RPC")
PROTOCOL = rows("code | HTTP, 2026-07-28 | HTTP, 2025 | when | what to do")


def test_every_failure_is_there_and_whether_to_retry_it() -> None:
    assert {code: again for code, again, *_ in TYPED} == {
        kind.code: "yes" if kind.retryable else "no" for kind in failures()
    }


def test_codes_outside_tools_are_those_of_the_protocol() -> None:
    codes: Mapping[str, int] = boundary.CODES
    told = {code: int(json_rpc) for code, *_, json_rpc in TYPED if json_rpc}
    assert told == {code: codes.get(code, -32603) for code in told}


ASKING = {"cannot_ask", "declined"}
"""No tool of the customers server asks its user; `tests/shared/edge/sessions/test_asking.py` provokes these."""


STOPPED = {"suspended", "step_up", "needs_approval"}
"""`tests/e2e/test_kill_switch.py` provokes the first, `tests/e2e/test_policy.py` the others: the second is a challenge
over HTTP, and typed over stdio; the third wants a tool that is refused first when the process is busy, as here."""


DELEGATING = {"cannot_delegate"}
"""Nor does one call another server; `tests/contracts/test_passthrough.py` provokes this."""


APPROVING = {"rejected", "approval_lapsed"}
"""Nobody decides anything in the table; `tests/shared/steps/approvals/` provokes these."""


def test_every_failure_was_provoked_and_told_as_typed() -> None:
    played = {cell(row.code, place) for row in TABLE for place in row.on} | ASKING | STOPPED | DELEGATING | APPROVING
    assert {code for code, *_ in TYPED} == {code for code in played if isinstance(code, str)} - {"invalid_token", "ok"}


@pytest.mark.parametrize(("column", "era"), [(1, "modern"), (2, "legacy")])
def test_errors_of_the_protocol_have_the_status_that_was_seen(column: int, era: str) -> None:
    seen: dict[int, set[int]] = {}
    for row in TABLE:
        for place in row.on:
            code = cell(row.code, place)
            if place.transport == "http" and place.era == era and isinstance(code, int):
                seen.setdefault(code, set()).add(cell(row.status, place))
    told = {int(row[0]): {int(status) for status in row[column].split(", ") if status} for row in PROTOCOL}
    assert {code: statuses for code, statuses in told.items() if statuses} == seen


def test_statuses_before_the_protocol_are_those_that_were_seen() -> None:
    told = {int(status) for status, *_ in rows("status | when | what to do")}
    without_json_rpc = (row for row in TABLE if cell(row.code, row.on[0]) in {None, "invalid_token", 401, 403})
    seen = {cell(row.status, row.on[0]) for row in without_json_rpc if row.on[0].transport == "http"}
    assert told == {status for status in seen if status >= HTTPStatus.BAD_REQUEST}


def test_every_outcome_that_was_recorded_is_explained() -> None:
    explained = {code for code, *_ in TYPED} | {outcome for outcome, _ in rows("outcome | meaning")}
    recorded = {word.split()[-1] for word in LEFT if not word.startswith("counted ") and word != "intent"}
    assert recorded <= explained


def test_every_reason_that_was_counted_is_explained_and_no_other() -> None:
    told = {f"{server}/{reason}" for server, reason, _ in rows("server | reason | what")}
    counted = {word.removeprefix("counted ") for word in LEFT if word.startswith("counted ")}
    counted |= {f"customers/{row.outcome}" for row in TOKENS if row.outcome in ADVICE} | {"customers/revoked"}
    assert told == counted | {"customers/protocol"}
    assert {f"customers/{reason}" for reason in ADVICE} <= counted


def test_the_example_is_what_a_caller_over_the_limit_is_told() -> None:
    left = {"calls_per_minute": 0, "session_steps": 950, "session_cost_usd": 9_500_000}
    taken = Taken(left, refused=Rate("key", "calls_per_minute", 60, 20), wait_us=900_000)
    shown: dict[str, Any] = json.loads(EXAMPLE)
    assert shown == refusal(taken, None).as_object(shown["reference"])


def test_the_challenge_is_what_an_expired_token_meets() -> None:
    where = "https://suite.example/.well-known/oauth-protected-resource/customers/mcp"
    error = Unauthenticated("expired", ADVICE["expired"])
    assert challenge_401(error, metadata_url=where, scopes=["customers:read"]) == CHALLENGE.strip()
