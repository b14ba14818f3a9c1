from dataclasses import replace

import pytest

from tests.conformance.__main__ import close
from tests.conformance.scenarios import Era, disagreements, load
from tests.conformance.verdict import GENERIC, Check, Verdict, of_idle, of_running

PASSED = Check("own", "SUCCESS")
SCHEMA = Check(GENERIC, "SUCCESS")
GAP = Check("gap", "FAILURE", "no such tool", untestable=True)
ERA = Era("2026-07-28", ["one"], ["one", "five"], {"two": "nothing yet"}, {"three": "not ours"}, {}, {}, {})
KNOWN = {name: {"2026-07-28"} for name in ERA.ids}


def running(*checks: Check, untestable: dict[str, str] | None = None) -> Verdict:
    return of_running("2026-07-28", "one", checks, untestable or {})


def test_a_scenario_is_green_when_its_own_checks_pass() -> None:
    verdict = running(PASSED, SCHEMA, Check("told", "INFO"))
    assert (verdict.outcome, verdict.passed, verdict.problems) == ("ok", 2, [])


@pytest.mark.parametrize("status", ["FAILURE", "WARNING"])
def test_one_failure_or_warning_makes_it_red(status: str) -> None:
    verdict = running(PASSED, Check("bad", status, "it is wrong"))
    assert (verdict.outcome, verdict.problems) == ("red", ["bad: it is wrong"])


@pytest.mark.parametrize("checks", [[], [SCHEMA], [SCHEMA, Check("told", "INFO")], [Check("own", "SKIPPED")]])
def test_a_scenario_without_a_check_of_its_own_is_red(checks: list[Check]) -> None:
    assert running(*checks).problems == ["no check of its own passed"]


def test_a_known_gap_is_told_and_does_not_make_it_red() -> None:
    verdict = running(PASSED, GAP, untestable={"gap": "wants a tool"})
    assert (verdict.outcome, verdict.remarks) == ("ok", ["untestable gap: wants a tool"])


def test_a_known_gap_covers_neither_other_checks_nor_real_failures() -> None:
    assert running(PASSED, GAP).outcome == "red"
    assert running(PASSED, Check("gap", "FAILURE", "wrong"), untestable={"gap": "wants a tool"}).outcome == "red"


def test_a_known_gap_that_has_closed_is_told() -> None:
    verdict = running(PASSED, Check("gap", "SUCCESS"), untestable={"gap": "wants a tool"})
    assert verdict.problems == ["gap can be tested now: take it off `untestable`"]


def test_skipped_checks_are_told() -> None:
    assert running(PASSED, Check("later", "SKIPPED", "no resources")).remarks == ["skipped later: no resources"]


def test_an_idle_scenario_stays_idle_until_it_checks_something() -> None:
    assert of_idle("2025-11-25", "two", [SCHEMA, Check("hint", "WARNING")], "nothing yet").outcome == "idle"
    verdict = of_idle("2025-11-25", "two", [PASSED], "nothing yet")
    assert (verdict.outcome, verdict.problems) == ("red", ["it checks own now: move it to `run`"])


def test_new_missing_and_double_scenarios_are_told() -> None:
    assert disagreements([ERA], KNOWN) == []
    assert len(disagreements([ERA], {**KNOWN, "four": {"2026-07-28"}})) == 1
    assert len(disagreements([ERA], {**KNOWN, "four": {"2027-07-28"}})) == 1
    assert len(disagreements([ERA], {**KNOWN, "one": {"2025-11-25"}})) == 2
    assert len(disagreements([replace(ERA, run=["one", "three"])], KNOWN)) == 1
    assert len(disagreements([replace(ERA, everything=["one", "five", "three"])], KNOWN)) == 1


def test_the_run_fails_on_anything_red_unlisted_or_empty(capsys: pytest.CaptureFixture[str]) -> None:
    green, red = Verdict("2026-07-28", "one", "ok", 2), Verdict("2026-07-28", "one", "red")
    idle = Verdict("2026-07-28", "two", "idle")
    assert close([ERA], [green, idle], []) == 0
    assert "1 passed, 0 failed" in capsys.readouterr().out.splitlines()
    assert [close([ERA], [green, red], []), close([ERA], [green], ["new"]), close([ERA], [idle], [])] == [1, 1, 1]


def test_untestable_checks_belong_to_scenarios_that_are_run() -> None:
    for era in load():
        assert set(era.untestable) <= set(era.run)
        assert set(era.untestable_everything) <= set(era.everything)


def test_what_is_answered_otherwise_on_purpose_is_remarked_and_must_still_fail() -> None:
    passed, failed = Check("other", "SUCCESS"), Check("plain", "FAILURE", "wants text")
    excused = of_running("2026-07-28", "one", [passed, failed], {}, {"plain": "ours is JSON"})
    assert (excused.outcome, excused.remarks) == ("ok", ["different plain: ours is JSON"])
    closed = of_running("2026-07-28", "one", [passed, Check("plain", "SUCCESS")], {}, {"plain": "ours is JSON"})
    assert closed.problems == ["plain passes now: take it off `different`"]
