"""Scopes are `<server>:<verb>`; some verbs include others.

MCP requires scope hierarchies to be honoured when sufficiency is judged (2026-07-28, authorization, step-up).
"""

from collections.abc import Iterable

IMPLIED_VERBS: dict[str, tuple[str, ...]] = {
    "admin": (
        "write",
        "export",
        "bulk",
        "pii",
        "contact",
        "internal",
        "send",
        "decide",
        "restricted",
        "confidential",
        "read",
    ),
    "write": ("read",),
    "export": ("read",),
    "bulk": ("write", "read"),
    "internal": ("read",),
    "send": ("write", "read"),
    "decide": ("read",),
    "confidential": ("read",),
    "restricted": ("confidential", "read"),
}
"""What each verb includes, on the same server. `pii` is a right of its own: `write` shows no personal data. So is
`contact`: to have people written to, by a server that sees their addresses, without seeing them."""


def expand(scopes: Iterable[str]) -> frozenset[str]:
    """All scopes that hold when `scopes` are granted."""
    held: set[str] = set()
    for scope in scopes:
        held.add(scope)
        server, _, verb = scope.partition(":")
        held.update(f"{server}:{implied}" for implied in IMPLIED_VERBS.get(verb, ()))
    return frozenset(held)
