"""Why may somebody do something, or why not? The same questions in the same order as a call, with what answers them."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast, get_args

from shared.core.caller import Caller, Trust
from shared.core.decision import Decision
from shared.core.labels import Label
from shared.core.tool import Arguments
from shared.steps.policy.context import context_of
from shared.steps.policy.deciding import judge
from shared.steps.policy.schema import HOLD, SEE, Target, tool_uid
from shared.steps.policy.subject import Subject

HIDDEN, SCOPE = "hidden", "scope"
"""Outcomes beside the effects of decisions: it looks missing; the token lacks a scope, and is told which."""


@dataclass
class Explanation:
    """What a call would come to.

    Attributes:
        outcome: `hidden`, `scope`, or the effect of the decision.
        steps: What was asked in turn, and what answered it.
        policies: The names of the policies that made it so.
    """

    outcome: str = ""
    steps: list[str] = field(default_factory=list[str])
    policies: list[str] = field(default_factory=list[str])

    def end(self, outcome: str, policies: Iterable[str], said: str) -> "Explanation":
        self.outcome = outcome
        self.policies = list(policies)
        self.steps.append(said)
        return self


def explain(subject: Subject, target: Target, query: Arguments | None, seen: Iterable[Label]) -> Explanation:
    """What a call of `target` comes to.

    Args:
        subject: Who calls.
        target: What is called.
        query: Its arguments; None if they do not matter to any policy.
        seen: What the caller was given lately.
    """
    told = Explanation()
    tool = target.tool
    kind = f"{tool.effect}s, {tool.risk} risk" if str(tool.effect) == "write" else "reads"
    told.steps.append(f"{target.name} is a {target.kind}: it {kind}, and needs {' '.join(tool.scopes)}.")
    for scope in tool.scopes:
        judged = subject.judge(subject.rules.slices[HOLD].hard, HOLD, {"type": "Scope", "id": scope}, {})
        if not judged.allowed:
            said = f"No policy lets this caller hold {scope}, so {target.name} looks missing."
            return told.end(HIDDEN, judged.policies, _by(said, judged.policies))
        told.steps.append(_by(f"Policy lets this caller hold {scope}.", judged.policies))
    judged = subject.judge(subject.rules.slices[SEE].hard, SEE, tool_uid(target.name), {})
    if not judged.allowed:
        said = f"Policy hides {target.name} from this caller, so it looks missing. {_reasons(subject, judged.policies)}"
        return told.end(HIDDEN, judged.policies, _by(said.strip(), judged.policies))
    told.steps.append(_by("Policy lets this caller see it.", judged.policies))
    lacking = [scope for scope in tool.scopes if not subject.given.may(scope)]
    if lacking:
        said = (
            f"The token lacks {' '.join(lacking)}: the caller is told to authorize again with {' '.join(tool.scopes)}."
        )
        return told.end(SCOPE, (), said)
    told.steps.append("The token has every scope it needs.")
    decision = _decision(subject, target, query, seen)
    said = f"Policy says {decision.effect}{_more(decision)}. {decision.reason}".strip()
    return told.end(decision.effect, decision.policies, _by(said, decision.policies))


def explain_hold(subject: Subject, scope: str) -> Explanation:
    """Whether policy lets a caller hold a scope, whatever its token says: `allow` or `hidden`."""
    judged = subject.judge(subject.rules.slices[HOLD].hard, HOLD, {"type": "Scope", "id": scope}, {})
    said = f"{'Policy lets' if judged.allowed else 'No policy lets'} this caller hold {scope}."
    return Explanation().end("allow" if judged.allowed else HIDDEN, judged.policies, _by(said, judged.policies))


def _decision(subject: Subject, target: Target, query: Arguments | None, seen: Iterable[Label]) -> Decision:
    part = subject.rules.slices[target.name]
    if query is None:
        if part.varies:
            raise ValueError(f"{target.name}: what policy says depends on the arguments, so give them")
        return judge(subject, part, target, {})
    labels = tuple(sorted(seen))
    return judge(subject, part, target, context_of(target, subject.given, query, labels), labels)


def _more(decision: Decision) -> str:
    if decision.effect == "approve":
        return f" ({decision.approvals} other people)" if decision.approvals > 1 else " (one other person)"
    if decision.effect == "step_up":
        wanted = [decision.acr or "", f"at most {decision.max_age_s} s ago" if decision.max_age_s else ""]
        return f" ({', '.join(part for part in wanted if part)})"
    return ""


def _reasons(subject: Subject, policies: Iterable[str]) -> str:
    return " ".join(subject.rules.statements[name].reason for name in policies)


def _by(said: str, policies: Iterable[str]) -> str:
    names = ", ".join(policies)
    return f"{said} [{names}]" if names else said


def caller_of(
    *,
    subject: str = "somebody",
    tenant: str = "acme",
    scopes: Iterable[str] = (),
    roles: Iterable[str] = (),
    trust: str = "person",
    actors: Iterable[str] = (),
    acr: str | None = None,
    signed_in_s_ago: float | None = None,
    client: str = "some-client",
    issuer: str = "https://issuer.example",
    through: str | None = None,
) -> Caller:
    """A caller to ask about.

    Raises:
        ValueError: There is no such trust.
    """
    if trust not in get_args(Trust):
        raise ValueError(f"trust is one of {', '.join(get_args(Trust))}")
    return Caller(
        subject=subject,
        issuer=issuer,
        client=client,
        tenant=tenant,
        scopes=Caller.granted(list(scopes)),
        roles=frozenset(roles),
        trust=cast("Trust", trust),
        actors=tuple(actors),
        through=through,
        acr=acr,
        auth_time=int(time.time() - signed_in_s_ago) if signed_in_s_ago is not None else None,
    )
