"""The pages of `docs/` that are made of the code: `make docs` writes them, and a test fails while they differ."""

from collections.abc import Callable, Iterator

import servers
from shared.ops.reference import audit_record, commands, endpoints, metrics, scopes, settings, tools, unsafe
from shared.ops.reference.places import DOCS
from shared.ops.reference.table import NOTE

__all__ = ["DOCS", "pages"]

_PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "audit-record.md": audit_record.page,
    "commands.md": commands.page,
    "endpoints.md": endpoints.page,
    "metrics.md": metrics.page,
    "scopes.md": scopes.page,
    "settings.md": settings.page,
    "tools.md": tools.page,
    "unsafe-settings.md": unsafe.page,
}


def pages() -> dict[str, str]:
    """Name of each generated page → its text."""
    made = {name: _noted(text) for name, text in servers.pages().items()}
    return {**{name: "\n".join(page()).rstrip("\n") + "\n" for name, page in _PAGES.items()}, **made}


def _noted(text: str) -> str:
    title, _, rest = text.partition("\n")
    return f"{title}\n\n{NOTE}{rest}"
