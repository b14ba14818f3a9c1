"""A policy file says what it means, or is refused with what to mend."""

import pytest

from shared.steps.policy.statements import InvalidPolicy, read
from tests.shared.steps.policy.world import rules

WHO = "(principal, action, resource)"
ORDER = '@id("a") permit (principal, action == Action::"shop.order", resource) '


def problems_of(text: str) -> str:
    with pytest.raises(InvalidPolicy) as refused:
        rules(text)
    return "\n".join(refused.value.problems)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("permit (principal", "own: "),
        (f"permit {WHO};", 'give every statement a name: @id("…")'),
        (f'@id("a") forbid {WHO};', "give every forbid a @reason"),
        (f'@id("a") @reason("r") permit {WHO};', "a permit takes @id alone"),
        (f'@id("a") @decision("approve") permit {WHO};', "a permit takes @id alone"),
        (f'@id("a") @reason("r") @decision("ask") forbid {WHO};', "@decision is one of approve, confirm, step_up"),
        (f'@id("a") @reason("r") @colour("red") forbid {WHO};', "unknown annotation @colour"),
        (f'@id("a") @reason("r") @decision("approve") @approvals("0") forbid {WHO};', "number from 1 to 10"),
        (f'@id("a") @reason("r") @decision("approve") @approvals("two") forbid {WHO};', "number from 1 to 10"),
        (f'@id("a") @reason("r") @approvals("2") forbid {WHO};', "@approvals belongs to"),
        (f'@id("a") @reason("r") @decision("step_up") @acr("gold") forbid {WHO};', "@acr is one of aal1, aal2, aal3"),
        (f'@id("a") @reason("r") @decision("step_up") @max_age("-1") forbid {WHO};', "@max_age is a number"),
        (f'@id("a") @reason("r") @acr("aal2") forbid {WHO};', "@acr and @max_age belong to"),
        (f'@id("holders") permit {WHO};', "holders is a name already used in base"),
        ('@id("a") permit (principal == ?principal, action, resource);', "templates are not linked here"),
        ('@id("a") permit (principal, action == Action::"shop.fly", resource);', "shop.fly"),
        ('@id("a") permit (principal, action == Action::"tickets.close", resource);', "tickets.close"),
        (f'@id("a") permit {WHO} when {{ context.weather == "fine" }};', "weather"),
        (
            ORDER + "when { context.arguments.colour == 1 };",
            "colour",
        ),
        (
            ORDER + "when { context.arguments.region == 7 && context.arguments.region < 3 };",
            "a: ",
        ),
        (
            ORDER + 'when { context.arguments.gift_for == "me" };',
            "gift_for",
        ),
        (f'@id("a") permit {WHO} when {{ principal.salary > 3 }};', "salary"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_to_mend(text: str, told: str) -> None:
    assert told in problems_of(text)


def test_every_problem_is_told_at_once() -> None:
    told = problems_of(f'permit {WHO}; @id("b") forbid {WHO};')
    assert "give every statement a name" in told
    assert "give every forbid a @reason" in told


def test_statements_keep_their_order_and_names_beyond_ten() -> None:
    text = "".join(f'@id("p{number}") permit {WHO};' for number in range(12))
    assert [one.name for one in read(text, "own")] == [f"p{number}" for number in range(12)]


@pytest.mark.parametrize(
    ("condition", "seen", "varies"),
    [
        ("", set[str](), False),
        ('when { context.environment == "prod" }', {"environment"}, False),
        ("when { context.read_only }", {"read_only"}, False),
        ('when { principal in Role::"boss" }', set[str](), False),
        ("unless { context.level >= 2 && !(context has auth_age_s) }", {"level", "auth_age_s"}, True),
        ('when { context.seen.contains("personal") }', {"seen"}, True),
        ("when { context == context }", {"*"}, True),
    ],
)
def test_a_statement_tells_what_of_a_call_it_looks_at(condition: str, seen: set[str], varies: bool) -> None:
    [one] = read(f'@id("a") @reason("r") forbid {WHO} {condition};', "own")
    assert one.context == seen
    assert one.varies is varies


@pytest.mark.parametrize(
    ("scope", "concerned"),
    [
        ("action", True),
        ('action == Action::"shop.order"', True),
        ('action == Action::"shop.look"', False),
        ('action in Action::"write"', True),
        ('action in [Action::"read", Action::"write"]', True),
        ('action in [Action::"read", Action::"shop.send"]', False),
    ],
)
def test_a_statement_concerns_the_actions_of_its_scope_alone(scope: str, concerned: bool) -> None:
    [one] = read(f'@id("a") permit (principal, {scope}, resource);', "own")
    assert one.may_concern("shop.order", ("call", "write")) is concerned
