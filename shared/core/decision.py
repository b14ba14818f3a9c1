from dataclasses import dataclass
from typing import Any, Literal

Effect = Literal["allow", "confirm", "approve", "step_up", "deny"]

EFFECTS: tuple[Effect, ...] = ("allow", "confirm", "approve", "step_up", "deny")
"""The milder first; of several that apply the last counts."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What policy says to one call.

    Attributes:
        effect: allow; confirm: the caller's own user is asked; approve: other people decide; step_up: a person has to
            sign in again; deny.
        reason: Why, in words for the caller; empty for allow.
        policies: The names of the policies that made it so.
        approvals: How many other people, for approve.
        acr: How strong a sign-in is needed, for step_up.
        max_age_s: How fresh, for step_up.
        version: Of the policies.
        seen: Labels of what the caller was given lately, where policy asked for them.
    """

    effect: Effect
    reason: str = ""
    policies: tuple[str, ...] = ()
    approvals: int = 0
    acr: str | None = None
    max_age_s: int | None = None
    version: str = ""
    seen: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        """What the audit keeps of it."""
        told: dict[str, Any] = {
            "decision": self.effect,
            "policies": list(self.policies),
            "policy_version": self.version,
        }
        more = {"reason": self.reason, "approvals": self.approvals, "seen": list(self.seen)}
        return {**told, **{name: value for name, value in more.items() if value}}
