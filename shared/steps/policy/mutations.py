"""Does each statement matter to a test? Take it away, or turn it into its opposite, and some case must fail."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from shared.steps.policy.cases import Case
from shared.steps.policy.rules import Rules
from shared.steps.policy.statements import Statement


@dataclass(frozen=True)
class Mutant:
    """Rules with one statement changed.

    Attributes:
        what: `without` it, or with it `flipped`.
    """

    statement: Statement
    what: str
    rules: Rules

    @property
    def concerns_nothing(self) -> bool:
        """Whether the server has nothing that the statement is about."""
        actions = ((name, target.groups) for name, target in self.rules.targets.items())
        return not any(self.statement.may_concern(*action) for action in (*actions, ("hold", ()), ("see", ())))

    def survives(self, cases: Iterable[Case]) -> bool:
        """Whether no case notices."""
        return all(case.fails(self.rules) is None for case in cases)


def mutants(rules: Rules) -> Iterator[Mutant]:
    """Two for each statement."""
    for one in rules.statements.values():
        others = [statement for statement in rules.statements.values() if statement is not one]
        opposite = {**one.policy, "effect": "permit" if one.forbids else "forbid"}
        yield Mutant(one, "without", Rules(rules.server, others, rules.version))
        yield Mutant(one, "flipped", Rules(rules.server, [*others, replace(one, policy=opposite)], rules.version))
