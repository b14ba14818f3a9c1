"""What was found in a mail and what became of it, by kind: for a preview, and for whoever approves."""

from dataclasses import dataclass

from servers.mail.safety.composing import compose
from servers.mail.safety.findings import WORST_FIRST, Finding, Severity
from servers.mail.safety.messages import Built, Outgoing
from servers.mail.safety.rules import Rules

_NO_RULES = Rules()
_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Neutralised:
    """Everything of one kind.

    Attributes:
        severity: The worst of them.
        count: How many.
        where: The places, each once.
        what: A sentence on the worst.
        examples: Excerpts of what was there and of what stands there now, at most three; none for secrets.
    """

    kind: str
    severity: Severity
    count: int
    where: tuple[str, ...]
    what: str
    examples: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """The mail as it would go, whether it may, and what was found, the worst first."""

    built: Built
    blocked: bool
    neutralised: tuple[Neutralised, ...]


def preview(message: Outgoing, rules: Rules = _NO_RULES) -> Preview:
    """The mail as it would go, and what was neutralised in it."""
    built = compose(message, rules)
    kinds = dict.fromkeys(found.kind for found in built.findings)
    by_kind = tuple(_together([found for found in built.findings if found.kind == kind]) for kind in kinds)
    return Preview(built, any(found.severity == "block" for found in built.findings), by_kind)


def _together(findings: list[Finding]) -> Neutralised:
    worst = min(findings, key=lambda found: WORST_FIRST.index(found.severity))
    shown = dict.fromkeys((found.before, found.after) for found in findings if found.before)
    return Neutralised(
        kind=worst.kind,
        severity=worst.severity,
        count=sum(found.count for found in findings),
        where=tuple(dict.fromkeys(found.where for found in findings)),
        what=worst.what,
        examples=tuple(shown)[:_EXAMPLES],
    )
