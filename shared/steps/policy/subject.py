"""One caller as Cedar sees it, with what was already decided about it."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from shared.core.caller import Caller
from shared.core.decision import Decision
from shared.steps.policy import cedar
from shared.steps.policy.cedar import Json, Judged
from shared.steps.policy.rules import Rules, Slice
from shared.steps.policy.schema import HOLD, SEE, tool_uid


@dataclass(frozen=True)
class Here:
    """What is the same for every call of this process."""

    environment: str
    read_only: bool


@dataclass(frozen=True)
class Subject:
    """A caller under one set of rules; kept for its next calls.

    Attributes:
        given: The caller as its token says.
        sees: By target, whether lists show it.
        standing: By target, what its hard statements say, where nothing about a call can change that.
        decided: By target, where nothing about a call can change it.
    """

    rules: Rules
    here: Here
    given: Caller
    entities: cedar.Entities = field(repr=False)
    sees: dict[str, bool] = field(default_factory=dict[str, bool], repr=False)
    holds: dict[str, bool] = field(default_factory=dict[str, bool], repr=False)
    standing: dict[str, Judged] = field(default_factory=dict[str, Judged], repr=False)
    decided: dict[str, Decision] = field(default_factory=dict[str, Decision], repr=False)

    @staticmethod
    def of(rules: Rules, here: Here, caller: Caller) -> "Subject":
        return Subject(rules, here, caller, cedar.with_entity(rules.base, _entity(caller)))

    @cached_property
    def caller(self) -> Caller:
        """The caller with those of its scopes that policy lets it hold."""
        return replace(self.given, scopes=frozenset(scope for scope in self.given.scopes if self.may_hold(scope)))

    def may_hold(self, scope: str) -> bool:
        """Whether policy lets this caller hold a scope, whatever its token says."""
        known = self.holds.get(scope)
        if known is None:
            resource = {"type": "Scope", "id": scope}
            known = self.holds[scope] = self.judge(self.rules.slices[HOLD].hard, HOLD, resource, {}).allowed
        return known

    def may_see(self, target: str) -> bool:
        known = self.sees.get(target)
        if known is None:
            known = self.sees[target] = self.judge(self.rules.slices[SEE].hard, SEE, tool_uid(target), {}).allowed
        return known

    def judge(self, policies: cedar.PolicySet, action: str, resource: Json, more: Json) -> Judged:
        """What some policies say to one request."""
        request: Json = {
            "principal": _uid(self.given),
            "action": {"type": "Action", "id": action},
            "resource": resource,
            "context": {"environment": self.here.environment, "read_only": self.here.read_only, **more},
        }
        return cedar.judge(request, policies, self.entities)

    def judge_call(self, part: Slice, target: str, context: Json) -> tuple[Judged, Judged]:
        """What allows or denies a call, and then what somebody would have to lift."""
        resource = tool_uid(target)
        hard = self.standing.get(target)
        if hard is None:
            hard = self.judge(part.hard, target, resource, context)
            if not part.hard_varies:
                self.standing[target] = hard
        if not hard.allowed or part.soft is None:
            return hard, Judged(allowed=True)
        return hard, self.judge(part.soft, target, resource, context)


def _uid(caller: Caller) -> dict[str, str]:
    return {"type": "Caller", "id": f"{caller.tenant}/{caller.subject}"}


def _entity(caller: Caller) -> dict[str, Any]:
    return {
        "uid": _uid(caller),
        "attrs": {
            "subject": caller.subject,
            "client": caller.client,
            "issuer": caller.issuer,
            "tenant": caller.tenant,
            "trust": caller.trust,
            "actors": list(caller.actors),
            "through": caller.through or "",
        },
        "parents": [
            *({"type": "Role", "id": role} for role in sorted(caller.roles)),
            {"type": "Tenant", "id": caller.tenant},
        ],
    }
