"""One thing that settings must not say."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from shared.core.errors import Misconfigured

if TYPE_CHECKING:
    from shared.core.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True)
class Rule:
    """One unsafe combination.

    Attributes:
        name: For good: people search for it, and silence alarms by it.
        when: When it is broken, for the table of docs/unsafe-settings.md.
        reason: What could happen.
        remedy: What to set instead.
        settings: The fields it looks at; `config check` leaves it out while one has a value that cannot be used.
        found: What is wrong with settings, without any secret; None if nothing is.
        by_presence: It asks whether they are set, and not to what.
        warns: It is told, and stops nobody.
        serving: It counts for processes that serve alone; commands may be told more.
    """

    name: str
    when: str
    reason: str
    remedy: str
    settings: tuple[str, ...]
    found: Callable[["Settings"], str | None]
    by_presence: bool = False
    warns: bool = False
    serving: bool = False


def told_by(require: Callable[[T], None], part: Callable[["Settings"], T]) -> Callable[["Settings"], str | None]:
    """What `require` raises about one part of the settings, as something found."""

    def found(settings: "Settings") -> str | None:
        try:
            require(part(settings))
        except Misconfigured as error:
            return str(error)
        return None

    return found


def in_production(settings: "Settings") -> bool:
    """Whether other people rely on it: stage is meant to behave as prod does."""
    return settings.environment != "dev"
