"""What policies say to a call: the strictest that applies, and no whenever nobody can tell."""

import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from shared.core.caller import LOCAL, Caller
from shared.core.decision import Decision
from shared.core.errors import Denied, Forbidden, StepUp, Unavailable, UnknownTarget
from shared.core.labels import Label
from shared.core.request import Request
from shared.core.tool import Tool
from shared.steps.policy import Here, Policy, enforce
from shared.steps.policy.rules import Rules
from tests.shared.steps.policy.world import boss, clerk, rules, tools

pytestmark = pytest.mark.anyio

ORDER = {"amount": 10.0}


class Fixed:
    def __init__(self, text: str = "") -> None:
        self.rules: Rules = rules(text)


class Remembered:
    """What a caller was given lately, and how often that was asked."""

    def __init__(self, *labels: Label, away: bool = False) -> None:
        self.labels = frozenset(labels)
        self.away = away
        self.asked = 0

    async def note(self, caller: Caller, labels: Iterable[Label]) -> None:
        raise NotImplementedError

    async def lately(self, caller: Caller) -> frozenset[Label]:
        self.asked += 1
        if self.away:
            raise Unavailable("away")
        return self.labels


def policy(text: str = "", seen: Remembered | None = None, here: Here | None = None) -> Policy:
    return Policy(Fixed(text), here or Here("dev", read_only=False), seen or Remembered())


async def decide(text: str, caller: Caller = clerk, name: str = "order", **arguments: Any) -> Decision:
    tool = tools.tools[name]
    return await policy(text).decide(caller, tool, tool.parse({**ORDER, **arguments} if name != "look" else {}))


def request_of(tool: Tool | None) -> Request:
    return Request("shop", "tool", tool.name if tool else "nothing")


def forbid(name: str, when: str, *annotations: str, action: str = 'action == Action::"shop.order"') -> str:
    more = " ".join(annotations)
    return (
        f'@id("{name}") @reason("Because of {name}.") {more} forbid (principal, {action}, resource) when {{ {when} }};'
    )


async def test_nothing_is_allowed_that_no_policy_permits() -> None:
    nothing = Fixed()
    nothing.rules = rules("", base='@id("x") permit (principal, action == Action::"hold", resource);')
    decider = Policy(nothing, Here("dev", read_only=False), Remembered())
    look = tools.tools["look"]
    decision = await decider.decide(clerk, look, look.parse({}))
    assert (decision.effect, decision.reason) == ("deny", "No policy allows it.")
    with pytest.raises(UnknownTarget):
        decider.visible(clerk, look, request_of(look))


async def test_a_denial_tells_its_reason_and_its_policy() -> None:
    decision = await decide(forbid("dear", 'context.arguments.amount.greaterThan(decimal("100.0"))'), amount=100.5)
    assert (decision.effect, decision.reason, decision.policies) == ("deny", "Because of dear.", ("dear",))
    with pytest.raises(Denied, match="order is not allowed: Because of dear") as refused:
        enforce(decision, tools.tools["order"])
    assert refused.value.details == {"reason": "Because of dear.", "policies": ["dear"]}
    allowed = await decide(forbid("dear", 'context.arguments.amount.greaterThan(decimal("100.0"))'), amount=100.0)
    assert (allowed.effect, allowed.policies) == ("allow", ("callers",))


APPROVE = ('@decision("approve")', '@approvals("2")')


@pytest.mark.parametrize(
    ("statements", "effect", "approvals"),
    [
        ([forbid("a", "true", '@decision("confirm")')], "confirm", 0),
        ([forbid("a", "true", '@decision("confirm")'), forbid("b", "true", *APPROVE)], "approve", 2),
        ([forbid("a", "true", '@decision("approve")'), forbid("b", "true", *APPROVE)], "approve", 2),
        ([forbid("b", "true", *APPROVE), forbid("c", "true", '@decision("step_up")')], "step_up", 0),
        ([forbid("b", "true", *APPROVE), forbid("d", "true")], "deny", 0),
    ],
)
async def test_of_several_that_apply_the_strictest_counts(statements: list[str], effect: str, approvals: int) -> None:
    decision = await decide("\n".join(statements))
    assert (decision.effect, decision.approvals) == (effect, approvals)


async def test_what_can_be_lifted_lifts_no_lack_of_permission() -> None:
    text = '@id("only-eu") @reason("Only in the EU.") forbid (principal, action in Action::"call", resource)\n'
    text += 'when { resource.effect == "write" };\n' + forbid("soft", "true", *APPROVE)
    decision = await decide(text)
    assert (decision.effect, decision.policies) == ("deny", ("only-eu",))


async def test_a_policy_that_fails_denies_instead_of_being_skipped() -> None:
    # 2 ** 62 * 4 is beyond what Cedar counts to: it would skip the statement, and allow.
    overflow = "context.level + 9223372036854775807 > 0"
    decision = await decide(forbid("broken", overflow), replace(clerk, acr="aal3"))
    assert decision.effect == "deny"
    assert "could not be evaluated" in decision.reason
    assert (await decide(forbid("soft", overflow, *APPROVE), replace(clerk, acr="aal3"))).effect == "deny"


@pytest.mark.parametrize(
    ("when", "caller", "arguments", "effect"),
    [
        ('context.arguments.region == "us"', clerk, {"region": "us"}, "deny"),
        ('context.arguments.region == "us"', clerk, {}, "allow"),
        ('context.domains.contains("evil.example")', clerk, {"to": ["a@good.example", "b@EVIL.example"]}, "deny"),
        ('context.domains.contains("evil.example")', clerk, {"to": ["a@good.example"]}, "allow"),
        ('context.domains.contains("evil.example")', clerk, {"gift_for": "see b@evil.example"}, "allow"),
        ('context.domains.contains("evil.example")', clerk, {"to": ["Eve <e@evil.example>"]}, "deny"),
        ('context.domains.contains("evil.example")', clerk, {"to": ["a@good.example,e@evil.example"]}, "deny"),
        ('context.domains.contains("evil.example")', clerk, {"to": ['"Doe, J" <e@evil.example>; x']}, "deny"),
        ('context.domains.contains("localhost")', clerk, {"to": ["root@localhost"]}, "deny"),
        ("context.arguments has gift_for", clerk, {"gift_for": "me"}, "deny"),
        ("context.arguments has gift_for", clerk, {}, "allow"),
        ("context.dry_run", clerk, {"dry_run": True}, "deny"),
        ("context.dry_run", clerk, {}, "allow"),
        ("context.level < 2", clerk, {}, "deny"),
        ("context.level < 2", boss, {}, "allow"),
        ("!(context has auth_age_s && context.auth_age_s <= 60)", boss, {}, "allow"),
        ("!(context has auth_age_s && context.auth_age_s <= 5)", boss, {}, "deny"),
        ("!(context has auth_age_s && context.auth_age_s <= 60)", clerk, {}, "deny"),
        ("!(context has auth_age_s && context.auth_age_s <= 0)", replace(clerk, issuer=LOCAL), {}, "allow"),
        ('principal in Role::"clerk"', clerk, {}, "deny"),
        ('principal in Role::"clerk"', boss, {}, "allow"),
        ('principal in Tenant::"acme"', clerk, {}, "deny"),
        ('principal.tenant == "globex"', clerk, {}, "allow"),
        ('principal.tenant == "globex"', replace(clerk, tenant="globex"), {}, "deny"),
        ('principal.trust == "service"', replace(clerk, trust="service"), {}, "deny"),
        ('principal.actors.contains("robot")', replace(clerk, actors=("robot",)), {}, "deny"),
        ('principal.subject == "clerk" && principal.client == "some-client"', clerk, {}, "deny"),
        ('context.environment == "prod"', clerk, {}, "allow"),
    ],
)
async def test_policies_judge_by_caller_arguments_and_sign_in(
    when: str, caller: Caller, arguments: dict[str, Any], effect: str
) -> None:
    if caller.auth_time is not None:  # the callers are older than the test
        caller = replace(caller, auth_time=int(time.time()) - 10)
    assert (await decide(forbid("rule", when), caller, **arguments)).effect == effect


async def test_lists_of_lines_are_seen_as_sets_of_records() -> None:
    text = forbid("line", 'context.arguments.lines.contains({ sku: "gun", count: 1 })')
    assert (await decide(text, lines=[{"sku": "gun"}])).effect == "deny"
    assert (await decide(text, lines=[{"sku": "pen"}])).effect == "allow"


@pytest.mark.parametrize(("environment", "effect"), [("prod", "deny"), ("stage", "allow")])
async def test_policies_know_the_environment(environment: str, effect: str) -> None:
    text = forbid("prod", 'context.environment == "prod"')
    order = tools.tools["order"]
    decider = policy(text, here=Here(environment, read_only=False))
    assert (await decider.decide(clerk, order, order.parse(ORDER))).effect == effect


class TestVisibility:
    async def test_what_no_role_may_hold_looks_missing_whatever_the_token_says(self) -> None:
        base = '@id("a") permit (principal in Role::"boss", action == Action::"hold", resource in Scope::"shop:write");'
        base += '@id("b") permit (principal, action == Action::"hold", resource == Scope::"shop:read");'
        base += '@id("c") permit (principal, action in [Action::"see", Action::"call"], resource);'
        current = Fixed()
        current.rules = rules("", base=base)
        decider = Policy(current, Here("dev", read_only=False), Remembered())
        order, look = tools.tools["order"], tools.tools["look"]
        with pytest.raises(UnknownTarget):
            decider.visible(clerk, order, request_of(order))
        assert decider.visible(clerk, look, request_of(look)) is look
        assert decider.visible(boss, order, request_of(order)) is order
        assert decider.narrowed(clerk).scopes == {"shop:read"}
        assert decider.narrowed(boss).scopes == {"shop:write", "shop:read"}
        assert not decider.shows(clerk, order)

    async def test_what_policy_hides_is_neither_listed_nor_called(self) -> None:
        text = '@id("h") @reason("r") forbid (principal, action == Action::"see", resource == Tool::"shop.order");'
        decider = policy(text)
        order = tools.tools["order"]
        assert not decider.shows(clerk, order)
        with pytest.raises(UnknownTarget, match="Unknown tool: order"):
            decider.visible(clerk, order, request_of(order))

    async def test_lacking_only_a_scope_is_told_with_all_the_operation_needs(self) -> None:
        send = tools.tools["send"]
        decider = policy()
        assert not decider.shows(clerk, send)
        with pytest.raises(Forbidden) as refused:
            decider.visible(clerk, send, request_of(send))
        assert refused.value.scopes == ("shop:write", "shop:pii")
        assert decider.visible(boss, send, request_of(send)) is send

    async def test_what_does_not_exist_is_unknown_to_everybody(self) -> None:
        with pytest.raises(UnknownTarget):
            policy().visible(boss, None, request_of(None))


class TestSignIn:
    AGE = (
        '@id("s") @reason("Sign in.") @decision("step_up") @acr("aal3") @max_age("60") '
        'forbid (principal, action in Action::"step_up", resource) when { context.level < 3 };'
    )

    async def test_the_strictest_of_policy_and_tool_is_asked_for(self) -> None:
        send = tools.tools["send"]
        decision = await policy(self.AGE).decide(boss, send, send.parse(ORDER))
        assert (decision.effect, decision.acr, decision.max_age_s) == ("step_up", "aal3", 60)
        with pytest.raises(StepUp) as refused:
            enforce(decision, send)
        assert refused.value.details == {"acr_values": "aal3", "max_age_s": 60}

    async def test_a_tool_that_declares_nothing_is_in_no_such_group(self) -> None:
        assert (await decide(self.AGE)).effect == "allow"


class TestRemembering:
    async def test_what_nothing_about_a_call_can_change_is_decided_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seen = Remembered(Label.UNTRUSTED)
        decider = policy(forbid("x", 'context.seen.contains("untrusted")'), seen)
        look = tools.tools["look"]
        first = await decider.decide(clerk, look, look.parse({}))
        monkeypatch.setattr("shared.steps.policy.cedar.judge", None)
        assert await decider.decide(clerk, look, look.parse({})) is first
        assert seen.asked == 0

    async def test_what_was_read_lately_is_asked_for_where_a_policy_looks_at_it_and_kept(self) -> None:
        seen = Remembered(Label.UNTRUSTED)
        order = tools.tools["order"]
        decision = await policy(forbid("x", 'context.seen.contains("untrusted")'), seen).decide(
            clerk, order, order.parse(ORDER)
        )
        assert (decision.effect, decision.seen, seen.asked) == ("deny", ("untrusted",), 1)
        assert decision.facts()["seen"] == ["untrusted"]

    async def test_nobody_goes_on_while_it_cannot_be_told_what_was_read(self) -> None:
        order = tools.tools["order"]
        decider = policy(forbid("x", 'context.seen.contains("untrusted")'), Remembered(away=True))
        with pytest.raises(Unavailable):
            await decider.decide(clerk, order, order.parse(ORDER))

    async def test_another_token_of_the_same_person_is_judged_by_itself(self) -> None:
        decider = policy('@id("r") @reason("r") forbid (principal in Role::"clerk", action, resource);')
        look = tools.tools["look"]
        assert not decider.shows(clerk, look)
        assert decider.shows(replace(clerk, roles=frozenset({"boss"})), look)
        assert not decider.shows(clerk, look)

    async def test_new_rules_hold_for_callers_who_were_judged_by_the_old(self) -> None:
        current = Fixed()
        decider = Policy(current, Here("dev", read_only=False), Remembered())
        look = tools.tools["look"]
        assert (await decider.decide(clerk, look, look.parse({}))).effect == "allow"
        current.rules = rules('@id("n") @reason("No more.") forbid (principal, action in Action::"call", resource);')
        assert (await decider.decide(clerk, look, look.parse({}))).reason == "No more."

    async def test_callers_beyond_what_is_remembered_push_out_the_oldest(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("shared.steps.policy.deciding.REMEMBERED", 2)
        decider = policy()
        first = decider.subject(clerk)
        for number in range(2):
            decider.subject(replace(clerk, subject=f"somebody-{number}"))
        assert decider.subject(clerk) is not first
