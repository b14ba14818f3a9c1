"""Limits that limit nobody."""

from typing import TYPE_CHECKING

from shared.core.rules.rule import Rule, in_production

if TYPE_CHECKING:
    from shared.core.settings import Settings

_MOST = {
    "calls_per_minute": 6000,
    "tool_calls_per_minute": 6000,
    "burst": 1000,
    "concurrent_calls": 500,
    "same_calls_per_minute": 600,
    "session_steps": 100_000,
    "session_cost_usd": 10_000,
}
"""Per caller: a hundred calls a second is no person and no agent at work."""


def _absurd(settings: "Settings") -> str | None:
    if not in_production(settings):
        return None
    beyond = [name for name, most in _MOST.items() if getattr(settings, name) > most]
    return f"{', '.join(beyond)}: so high that one caller can use up the service" if beyond else None


RULES = (
    Rule(
        name="limits-switched-off",
        when="in stage or prod one of " + ", ".join(f"`{name}` is more than {most}" for name, most in _MOST.items()),
        reason="An agent in a loop, or a stolen token, could use up the service and other people's budgets.",
        remedy="Leave it out, or set what one caller really needs.",
        settings=(*_MOST, "environment"),
        found=_absurd,
        warns=True,
    ),
)
