"""Cedar text as single statements, each with a name, and what our annotations add to them.

| annotation | on | meaning |
|---|---|---|
| `@id("…")` | every statement | its name: in the audit, in tests, in what callers are told |
| `@reason("…")` | every `forbid` | why, in words for the caller |
| `@decision("confirm")` | `forbid` | not forbidden once the caller's own user says yes |
| `@decision("approve") @approvals("2")` | `forbid` | not forbidden once two other people approve |
| `@decision("step_up") @acr("aal2") @max_age("900")` | `forbid` | not forbidden after such a sign-in |

An engine that does not know them denies instead, so they cannot widen anything.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

from shared.core.caller import ACRS
from shared.core.decision import Effect
from shared.steps.policy import cedar
from shared.steps.policy.cedar import Json

_ANNOTATIONS = {"id", "reason", "decision", "approvals", "acr", "max_age"}
_SOFT = {"confirm", "approve", "step_up"}
FIXED = {"environment", "read_only"}
"""What of the context is the same for every call of a process."""


class InvalidPolicy(Exception):
    """Policies that cannot be used.

    Attributes:
        problems: One line each.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Statement:
    """One `permit` or `forbid`.

    Attributes:
        source: The file it is from, for messages.
        policy: Cedar's own JSON form.
    """

    source: str
    policy: Json = field(repr=False)

    @property
    def annotations(self) -> Mapping[str, str]:
        return self.policy.get("annotations", {})

    @property
    def name(self) -> str:
        return self.annotations.get("id", "")

    @property
    def forbids(self) -> bool:
        return self.policy["effect"] == "forbid"

    @property
    def effect(self) -> Effect:
        """What it comes to where it applies."""
        if not self.forbids:
            return "allow"
        return cast("Effect", self.annotations.get("decision", "deny"))

    @property
    def soft(self) -> bool:
        """Whether somebody can lift it."""
        return self.effect in _SOFT

    @property
    def reason(self) -> str:
        return self.annotations.get("reason", "")

    @property
    def approvals(self) -> int:
        return int(self.annotations.get("approvals", 1)) if self.effect == "approve" else 0

    @property
    def acr(self) -> str | None:
        return self.annotations.get("acr")

    @property
    def max_age_s(self) -> int | None:
        given = self.annotations.get("max_age")
        return int(given) if given is not None else None

    @cached_property
    def context(self) -> frozenset[str]:
        """The attributes of the context it looks at; `*` where that cannot be told."""
        return frozenset(_context(self.policy.get("conditions", [])))

    @property
    def varies(self) -> bool:
        """Whether two calls of one tool by one caller may be judged differently."""
        return bool(self.context - FIXED)

    def may_concern(self, action: str, groups: tuple[str, ...]) -> bool:
        """Whether its scope lets it apply to an action in these groups."""
        scope = self.policy["action"]
        if scope["op"] == "All":
            return True
        named = scope.get("entities") or [scope["entity"]]
        ids = {entity.get("__entity", entity)["id"] for entity in named}
        return action in ids or (scope["op"] == "in" and not ids.isdisjoint(groups))

    def problems(self) -> Iterator[str]:
        """What is wrong with its annotations."""
        at = f"{self.source}: {self.name or self.policy['effect']}"
        if not self.name:
            yield f'{at}: give every statement a name: @id("…")'
        if unknown := self.annotations.keys() - _ANNOTATIONS:
            known = ", @".join(sorted(_ANNOTATIONS))
            yield f"{at}: unknown annotation @{', @'.join(sorted(unknown))}; there are @{known}"
        if not self.forbids and self.annotations.keys() - {"id"}:
            yield f"{at}: a permit takes @id alone; what is not plainly allowed is a forbid with @decision"
        if self.forbids and not self.reason:
            yield f'{at}: give every forbid a @reason("…") that tells the caller why and what to do'
        if self.effect not in {"allow", "deny", *_SOFT}:
            yield f"{at}: @decision is one of {', '.join(sorted(_SOFT))}; leave it out to deny"
        yield from (f"{at}: {problem}" for problem in _numbers(self.annotations))
        if self.effect != "approve" and "approvals" in self.annotations:
            yield f'{at}: @approvals belongs to @decision("approve")'
        if self.effect != "step_up" and {"acr", "max_age"} & self.annotations.keys():
            yield f'{at}: @acr and @max_age belong to @decision("step_up")'


def _numbers(annotations: Mapping[str, str]) -> Iterator[str]:
    for name, most in (("approvals", 10), ("max_age", 86_400)):
        given = annotations.get(name)
        if given is not None and not (given.isdecimal() and 1 <= int(given) <= most):
            yield f"@{name} is a number from 1 to {most}"
    if annotations.get("acr", ACRS[0]) not in ACRS:
        yield f"@acr is one of {', '.join(ACRS)}"


def read(text: str, source: str) -> list[Statement]:
    """The statements of one file.

    Raises:
        InvalidPolicy: It is no Cedar, or our annotations are used wrongly.
    """
    try:
        found = [Statement(source, policy) for policy in cedar.parse(text)]
    except ValueError as error:
        raise InvalidPolicy([f"{source}: {error}"]) from None
    problems = [problem for statement in found for problem in statement.problems()]
    if problems:
        raise InvalidPolicy(problems)
    return found


def _context(node: Any) -> Iterator[str]:
    """Every attribute read of the variable `context`."""
    if isinstance(node, list):
        for child in cast("list[Any]", node):
            yield from _context(child)
    elif isinstance(node, dict):
        fields = cast("Json", node)
        if fields.get("Var") == "context":
            yield "*"
            return
        for key, child in fields.items():
            if key in {".", "has"} and child.get("left") == {"Var": "context"}:
                yield child["attr"]
            else:
                yield from _context(child)
