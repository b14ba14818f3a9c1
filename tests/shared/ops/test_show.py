"""What `mcp-suite up` shows of calls: one line each, and never what a caller would do to the terminal."""

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from shared.ops.show import call_line

CALL: dict[str, Any] = {
    "kind": "call",
    "at": "2026-11-21T12:34:56.789012Z",
    "tenant": "acme",
    "subject": "ann",
    "server": "customers",
    "target": "get_customer",
    "outcome": "ok",
    "duration_us": 12_345,
}
HOSTILE = "\x1b]0;owned\x07\x1b[2J\x1b[31m\r\n\x9b\u202ered\u2066\x00"


def shown(**changes: Any) -> str:
    """The line as a terminal gets it, colours taken away."""
    line = call_line({**CALL, **changes})
    assert line is not None
    console = Console(file=io.StringIO(), force_terminal=True, no_color=True, width=200)
    console.print(line, soft_wrap=True)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_a_call_is_one_line_with_time_who_what_outcome_and_milliseconds() -> None:
    assert shown().split() == ["12:34:56", "acme/ann", "customers.get_customer", "ok", "12.3", "ms"]
    assert shown().count("\n") == 1


@pytest.mark.parametrize(
    ("record", "word"),
    [
        ({"outcome": "ok"}, "ok"),
        ({"kind": "outcome", "outcome": "ok", "replayed": True}, "replayed"),
        ({"kind": "outcome", "outcome": "ok", "replayed": False}, "ok"),
        ({"outcome": "forbidden", "replayed": True}, "forbidden"),
        ({"outcome": "not_found"}, "not_found"),
        ({"outcome": "internal"}, "internal"),
    ],
)
def test_the_line_says_how_it_ended(record: dict[str, Any], word: str) -> None:
    assert shown(**record).split()[3] == word


def test_what_failed_is_coloured_otherwise_than_what_went_well() -> None:
    styles = {outcome: str(call_line({**CALL, "outcome": outcome}).spans) for outcome in ("ok", "conflict")}  # pyright: ignore[reportOptionalMemberAccess]
    assert "green" in styles["ok"]
    assert "yellow" in styles["conflict"]


def test_refusals_at_the_edge_are_counted_by_reason() -> None:
    refusals = [{"count": 30, "reason": "missing"}, {"count": 1, "reason": "host"}, {"count": 2, "reason": "missing"}]
    assert "32 × no token, 1 × host" in shown(kind="refusals", refusals=refusals)


@pytest.mark.parametrize("kind", ["chain", "intent", "recovered"])
def test_records_nobody_watches_are_not_shown(kind: str) -> None:
    assert call_line({**CALL, "kind": kind}) is None


@pytest.mark.parametrize("field", ["target", "subject", "tenant"])
def test_no_control_character_of_a_caller_reaches_the_terminal(field: str) -> None:
    line = shown(**{field: HOSTILE})
    assert line.endswith("\n")
    assert all(char.isprintable() for char in line[:-1])
    assert "owned" in line


@given(st.text(st.characters(codec=None)))
def test_a_target_is_printable_and_short_whatever_it_is(target: str) -> None:
    line = shown(target=target)
    assert all(char.isprintable() for char in line[:-1])
    assert len(line) < 160


def test_a_target_is_no_markup() -> None:
    assert "[bold]x[/red]" in shown(target="[bold]x[/red]")
