"""What settings must not say: the process refuses to start on it, and says all of it at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.core.errors import Misconfigured
from shared.core.rules import encryption, identity, limits, network, secrets, state
from shared.core.rules.rule import Rule

if TYPE_CHECKING:
    from shared.core.settings import Settings

RULES: tuple[Rule, ...] = (
    *state.RULES,
    *identity.RULES,
    *network.RULES,
    *encryption.RULES,
    *secrets.RULES,
    *limits.RULES,
)
"""Every unsafe combination that we know (docs/unsafe-settings.md)."""


@dataclass(frozen=True)
class Problem:
    """A rule that settings break.

    Attributes:
        rule: Which.
        what: How, without any secret.
    """

    rule: Rule
    what: str

    def __str__(self) -> str:
        return f"{self.rule.name}: {self.what}"


class Unsafe(Misconfigured):
    """The settings break rules that refuse.

    Attributes:
        settings: They; nobody gets to use them.
    """

    def __init__(self, settings: "Settings", problems: list[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.settings = settings


def problems(settings: "Settings") -> Iterator[Problem]:
    """Every rule that the settings break, also of those that only warn, or count for processes that serve."""
    for rule in RULES:
        if (what := rule.found(settings)) is not None:
            yield Problem(rule, what)


def require_safe(settings: "Settings", *, serving: bool = False) -> None:
    """Raise for settings that contradict each other, or would quietly switch a protection off.

    Args:
        settings: To be used.
        serving: By a process that serves others.

    Raises:
        Unsafe: Names each rule that they break.
    """
    found = [each for each in problems(settings) if not each.rule.warns and each.rule.serving <= serving]
    if found:
        raise Unsafe(settings, found)
