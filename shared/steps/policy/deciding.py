"""May this caller do this with these arguments? One place decides, for lists and for calls.

What does not exist and what policy hides answer alike, as an unknown name. What policy would let the caller do and
only the token lacks a scope for is told: the challenge names every scope of the operation.
"""

from typing import Protocol

import structlog

from shared.core import metrics
from shared.core.caller import LOCAL, Caller
from shared.core.decision import EFFECTS, Decision
from shared.core.errors import Denied, Forbidden, StepUp, UnknownTarget
from shared.core.request import Request
from shared.core.tool import Arguments, Tool
from shared.core.tracing import traced
from shared.state.seen import Seen
from shared.steps.policy.cedar import Json, Judged
from shared.steps.policy.context import context_of
from shared.steps.policy.rules import Rules, Slice
from shared.steps.policy.schema import Target
from shared.steps.policy.subject import Here, Subject

log = structlog.get_logger("policy")

REMEMBERED = 2048
"""Callers kept, about 12 KB each, the least recently used dropped first."""

_GRANTED_LOCALLY = "Tell the user to add it to SUITE_STDIO_SCOPES, or to sign in over HTTP; do not repeat it."
_BROKEN = "A policy could not be evaluated for this call, so it is refused. Tell the administrator; do not repeat it."


class Current(Protocol):
    """Where the rules in force are."""

    @property
    def rules(self) -> Rules: ...


class Policy:
    """Decides for one server.

    Args:
        current: The rules in force; when they change, nothing decided before counts.
        here: Of this process.
        seen: What callers were given lately.
    """

    def __init__(self, current: Current, here: Here, seen: Seen) -> None:
        self._current = current
        self._here = here
        self._seen = seen
        self._subjects: dict[Caller, Subject] = {}
        self._of: Rules | None = None

    def subject(self, caller: Caller) -> Subject:
        """The caller under the rules in force."""
        rules = self._current.rules
        if rules is not self._of:
            self._of = rules
            self._subjects = {}
        found = self._subjects.pop(caller, None)
        if found is None:
            if len(self._subjects) >= REMEMBERED:
                del self._subjects[next(iter(self._subjects))]
            found = Subject.of(rules, self._here, caller)
        self._subjects[caller] = found
        return found

    def shows(self, caller: Caller, tool: Tool) -> bool:
        """Whether lists show the tool to this caller: scope and policy allow it."""
        return all(caller.may(scope) for scope in tool.scopes) and _may_know(self.subject(caller), tool)

    def visible(self, caller: Caller, tool: Tool | None, request: Request) -> Tool:
        """The tool, if this caller may use it at all.

        Raises:
            UnknownTarget: There is none, or none this caller may know of.
            Forbidden: Only a scope is lacking.
        """
        if tool is None or not _may_know(self.subject(caller), tool):
            raise UnknownTarget(request.kind, request.name)
        if not all(caller.may(scope) for scope in tool.scopes):
            needed = " ".join(tool.scopes)
            how = _GRANTED_LOCALLY if caller.issuer == LOCAL else "Authorize again with it, then repeat."
            raise Forbidden(f"{tool.name} needs the scope {needed}. {how}", tool.scopes)
        return tool

    def narrowed(self, caller: Caller) -> Caller:
        """The caller with those of its scopes that policy lets it hold."""
        return self.subject(caller).caller

    @traced("policy")
    async def decide(self, caller: Caller, tool: Tool, query: Arguments) -> Decision:
        """What policy says to one call of a tool that is visible to the caller.

        Raises:
            Unavailable: What the caller was given lately matters, and cannot be told.
        """
        subject = self.subject(caller)
        rules = subject.rules
        target = rules.targets[f"{rules.server.name}.{tool.name}"]
        known = subject.decided.get(target.name)
        if known is None:
            part = rules.slices[target.name]
            if part.varies:
                seen = tuple(sorted(await self._seen.lately(caller))) if "seen" in part.context else ()
                known = judge(subject, part, target, context_of(target, caller, query, seen, part.wanted), seen)
            else:
                known = subject.decided[target.name] = judge(subject, part, target, {})
        metrics.POLICY_DECISIONS.add(rules.server.name, known.effect)
        return known


def enforce(decision: Decision, tool: Tool) -> None:
    """Return unless policy says no, or not yet.

    Raises:
        Denied: No.
        StepUp: A person has to sign in, or to sign in again.
    """
    if decision.effect == "deny":
        raise Denied(f"{tool.name} is not allowed: {decision.reason}", decision.reason, decision.policies)
    if decision.effect == "step_up":
        raise StepUp(_sign_in(tool, decision), decision.acr, decision.max_age_s)


def _may_know(subject: Subject, tool: Tool) -> bool:
    target = subject.rules.target(tool)
    return target is not None and subject.may_see(target.name) and all(subject.may_hold(scope) for scope in tool.scopes)


def judge(subject: Subject, part: Slice, target: Target, context: Json, seen: tuple[str, ...] = ()) -> Decision:
    """The decision over one call, from what allows it and what somebody has to lift."""
    rules = subject.rules
    hard, soft = subject.judge_call(part, target.name, context)
    if hard.errors or soft.errors:
        log.error("policy_not_evaluated", target=target.name, errors=[*hard.errors, *soft.errors])
        return Decision("deny", _BROKEN, version=rules.version, seen=seen)
    if hard.allowed and soft.allowed:
        return Decision("allow", policies=hard.policies, version=rules.version, seen=seen)
    return _refusal(rules, target, soft if hard.allowed else hard, seen)


def _refusal(rules: Rules, target: Target, judged: Judged, seen: tuple[str, ...]) -> Decision:
    """Of several that apply, the strictest; a tool's own demands make up what a statement leaves open."""
    found = [rules.statements[name] for name in judged.policies]
    if not found:
        return Decision("deny", "No policy allows it.", version=rules.version, seen=seen)
    effect = EFFECTS[max(EFFECTS.index(one.effect) for one in found)]
    counted = [one for one in found if one.effect == effect]
    ages = [one.max_age_s for one in counted if one.max_age_s is not None]
    ages += [target.tool.max_age_s] if target.tool.max_age_s is not None else []
    levels = [acr for acr in (target.tool.acr, *(one.acr for one in counted)) if acr is not None]
    asks = effect == "step_up"
    return Decision(
        effect,
        " ".join(dict.fromkeys(one.reason for one in counted)),
        tuple(one.name for one in found),
        approvals=max((one.approvals for one in counted), default=0),
        acr=max(levels, default=None) if asks else None,
        max_age_s=min(ages, default=None) if asks else None,
        version=rules.version,
        seen=seen,
    )


def _sign_in(tool: Tool, decision: Decision) -> str:
    wanted = f" as {decision.acr}" if decision.acr else ""
    fresh = f" within the last {decision.max_age_s} s" if decision.max_age_s else ""
    how = f"Somebody has to sign in{wanted}{fresh}; then repeat the call."
    return f"{tool.name} is not allowed yet. {decision.reason} {how}"
