"""What is on its way out: said where a model and a program read it, counted, and gone with a major version."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Deprecated:
    """A tool that will go (docs/deprecation.md).

    Attributes:
        since: The version of the server that said so first.
        sunset: From that day on it may be gone; it goes with a release, never by itself.
        reason: Why, in a sentence.
        replacement: The tool of the same server to use instead, if there is one.
    """

    since: str
    sunset: date
    reason: str
    replacement: str | None = None

    @property
    def sentence(self) -> str:
        """What the model reads behind the description."""
        instead = f" Use {self.replacement} instead." if self.replacement else ""
        return f"Deprecated since {self.since}, may be gone after {self.sunset}.{instead} {self.reason}"

    def told(self) -> dict[str, str]:
        """What programs read, in `_meta`."""
        told = {"since": self.since, "sunset": self.sunset.isoformat(), "reason": self.reason}
        return told | ({"replacement": self.replacement} if self.replacement else {})

    def is_over(self, today: date) -> bool:
        """Whether its sunset has come."""
        return today >= self.sunset
