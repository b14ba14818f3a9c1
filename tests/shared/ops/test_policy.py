"""`mcp-suite policy`: check, test, and why somebody may do something."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

import servers
from shared.ops.policy import app
from shared.steps.policy.cases import Case, cases_of, failures, read_cases
from shared.steps.policy.mutations import Mutant, mutants
from shared.steps.policy.rules import Rules, sources_of
from shared.steps.policy.schema import targets_of
from tests.outward.server import server as outward

EXPLAINED = Path(__file__).with_name("explained.txt")
VERSION = re.compile(r"policies [0-9a-f]{12}")
SERVED = [*servers.every(), outward]


def run(*words: str, **environment: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(words), env=environment)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        return 1, str(done.exception)
    return done.exit_code, done.output


def questions() -> Iterator[tuple[str, str]]:
    """Each question of the file, and the answer below it."""
    for block in EXPLAINED.read_text().split("$ ")[1:]:
        question, _, answer = block.partition("\n")
        yield question, answer


@pytest.mark.parametrize(("question", "answer"), list(questions()), ids=lambda text: str(text)[:60])
def test_why_somebody_may_or_may_not_is_explained(question: str, answer: str, tmp_path: Path) -> None:
    words = shlex.split(question)
    environment = dict(word.split("=") for word in words if word.startswith("SUITE_"))
    rest = [word for word in words if not word.startswith("SUITE_")]
    code, told = run("explain", *rest, SUITE_DATA_DIR=str(tmp_path), **environment)
    assert (code, VERSION.sub("policies VERSION", told).strip()) == (0, answer.strip())


def test_ten_questions_and_every_kind_of_answer_are_asked() -> None:
    answers = "".join(answer for _, answer in questions())
    assert len(list(questions())) >= 10
    for outcome in ("allow", "confirm", "approve", "step_up", "deny", "hidden", "scope"):
        assert f"So: {outcome} " in answers


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["customers.fly"], "customers has no fly; there are: customers.add_customer_note"),
        (["nobody.fly"], "there is no server 'nobody'"),
        (["customers.get_customer", "--as", "nobody"], "there is no persona nobody"),
        (["customers.create_customer", "--as", "admin", "--arguments", "7"], "--arguments is a JSON object"),
        (["customers.create_customer", "--as", "admin"], "depends on the arguments"),
        (["customers.get_customer", "--trust", "love"], "trust is one of person, service, delegated, hybrid"),
    ],
)
def test_a_question_that_makes_no_sense_is_told_why(words: list[str], told: str) -> None:
    code, output = run("explain", *words)
    assert code == 1
    assert told in output


class TestCheck:
    def test_ours_pass(self) -> None:
        code, output = run("check")
        assert code == 0
        assert output.startswith("console: ")
        assert "\ncustomers: " in output

    def test_a_policy_about_a_tool_that_is_gone_fails(self, tmp_path: Path) -> None:
        (tmp_path / "customers.more.cedar").write_text(
            '@id("x") permit (principal, action == Action::"customers.fly", resource);'
        )
        code, output = run("check", SUITE_POLICY_DIR=str(tmp_path))
        assert code == 1
        assert "customers: customers.more.cedar: x: " in output
        assert "customers.fly" in output

    def test_the_schema_is_printed_for_others(self) -> None:
        code, output = run("schema", "customers")
        assert code == 0
        assert 'action "customers.merge_customers" in ["call", "write", "high_risk", "step_up"]' in output


class TestCases:
    def test_ours_pass_and_notice_every_change_of_a_statement(self) -> None:
        code, output = run("test", "--strict")
        assert (code, "as expected" in output) == (0, True)

    def test_a_case_that_comes_out_otherwise_fails(self, tmp_path: Path) -> None:
        (tmp_path / "customers_test.toml").write_text(
            '[callers.a]\nroles = ["support"]\nscopes = ["customers:read"]\n'
            '[[cases]]\ncaller = "a"\ncall = "get_customer"\nexpect = "deny"\n'
            '[[cases]]\ncaller = "a"\ncall = "get_customer"\nexpect = "allow"\nby = ["somebody"]\n'
        )
        code, output = run("test", "customers", SUITE_POLICY_DIR=str(tmp_path))
        assert code == 1
        assert "case 1: a calls get_customer: expected deny, got allow" in output
        assert (
            "case 2: a calls get_customer: expected by ['somebody'], but it was by ['suite-scopes-suffice']" in output
        )

    def test_a_statement_nobody_tests_is_found(self, tmp_path: Path) -> None:
        (tmp_path / "customers.more.cedar").write_text(
            '@id("idle") @reason("r") forbid (principal == Caller::"acme/x", action, resource);'
        )
        code, output = run("test", "customers", "--strict", SUITE_POLICY_DIR=str(tmp_path))
        assert code == 1
        assert "no case notices when idle is gone" in output

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("[[cases]]\ncaller = 'x'\n", "there is no caller 'x'"),
            ("[callers.a]\nroles = 'support'\n[[cases]]\ncaller='a'\ncall='b'\nexpect='deny'\n", "roles is a list"),
            ("[callers.a]\n[[cases]]\ncaller='a'\ncall='b'\nexpect='deny'\n", "customers has no b"),
            ("[callers.a]\n[[cases]]\ncaller='a'\ncall='b'\n", "needs call or holds, and expect"),
            ("[callers.a]\n[[cases]]\ncaller='a'\ncall='b'\nholds='c'\nexpect='allow'\n", "needs call or holds"),
            (
                "[callers.a]\n[[cases]]\ncaller='a'\nholds='customers:fly'\nexpect='allow'\n",
                "customers has no such scope",
            ),
            ("[callers.a]\n[[cases]]\ncaller='a'\ncall='b'\nexpect='deny'\ncolour='red'\n", "colour"),
            ("[callers.a]\ntrust='love'\n[[cases]]\ncaller='a'\ncall='b'\nexpect='deny'\n", "trust is one of"),
            ("[", "customers_test.toml"),
        ],
    )
    def test_cases_that_make_no_sense_are_refused(self, tmp_path: Path, text: str, told: str) -> None:
        (tmp_path / "customers_test.toml").write_text(text)
        code, output = run("test", "customers", SUITE_POLICY_DIR=str(tmp_path))
        assert code == 1
        assert told in output


def rules_and_cases() -> dict[str, tuple[Rules, list[Case]]]:
    """By server; one for tests is among them, whose tools reach outside as none of ours does yet."""
    return {
        server.name: (Rules.of(server, sources_of(server, None)), read_cases(cases_of(server))) for server in SERVED
    }


WORLD = rules_and_cases()


def changed() -> dict[tuple[str, str], list[tuple[str, Mutant]]]:
    """Every statement taken away and turned around, in every server it holds for."""
    found: dict[tuple[str, str], list[tuple[str, Mutant]]] = {}
    for name, (rules, _) in WORLD.items():
        for one in mutants(rules):
            found.setdefault((one.statement.name, one.what), []).append((name, one))
    return found


CHANGED = changed()


class TestEveryStatement:
    @pytest.mark.parametrize("server", list(WORLD))
    def test_every_case_comes_out_as_expected(self, server: str) -> None:
        rules, cases = WORLD[server]
        assert list(failures(rules, cases)) == []

    @pytest.mark.parametrize(("statement", "what"), list(CHANGED))
    def test_some_case_notices_when_a_statement_is_taken_away_or_turned_around(self, statement: str, what: str) -> None:
        assert not all(one.survives(WORLD[server][1]) for server, one in CHANGED[statement, what])

    @pytest.mark.parametrize(
        ("server", "target"),
        [(server.name, target.tool.name) for server in SERVED for target in targets_of(server)],
    )
    def test_every_tool_is_allowed_to_somebody_and_refused_to_somebody(self, server: str, target: str) -> None:
        outcomes = {case.given["expect"] for case in WORLD[server][1] if case.given.get("call") == target}
        assert "allow" in outcomes
        assert outcomes - {"allow"}
