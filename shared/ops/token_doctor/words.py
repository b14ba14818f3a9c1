"""How what is in a token may be shown: on one line, cut, and never the token itself."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import orjson

_SHOWN = 100
_LISTED = 12
_SECRET = 8
"""Shorter pieces of what was given are words, and no part of a token."""
_DEPTH = 3
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def shown(value: object) -> str:
    """A text from a token, whoever wrote it."""
    text = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
    text = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    cut = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return cut if cut and " " not in cut else f"'{cut}'"


def listed(words: Iterable[object], none: str = "none") -> str:
    """Texts from a token, a dozen of them at most."""
    said = [shown(word) for word in words]
    more = f" and {len(said) - _LISTED} more" if len(said) > _LISTED else ""
    return (", ".join(said[:_LISTED]) or none) + more


def span(seconds: float) -> str:
    """A time span in the unit in which people think of it."""
    size = abs(seconds)
    for unit, name in ((_DAY, "days"), (_HOUR, "h"), (_MINUTE, "min")):
        if size >= 2 * unit:
            return f"{size / unit:.0f} {name}"
    return f"{size:.0f} s"


def without(given: str, write: Callable[[str], Any]) -> Callable[[str], None]:
    """`write`, with every piece of what was given taken out: whatever is found, the token is not shown."""
    pieces = [piece for piece in re.split(r"[^\w.~+/=-]+", given) if piece]
    secrets = {part for piece in pieces for part in (piece, *piece.split(".")) if len(part) >= _SECRET}
    longest_first = sorted(secrets, key=len, reverse=True)

    def safe(line: str) -> None:
        for secret in longest_first:
            line = line.replace(secret, "…")
        write(line)

    return safe


def claim_names(claims: Mapping[str, Any], words: Sequence[str], depth: int = _DEPTH) -> list[str]:
    """Claims in whose name one of some words is, as paths; what they say is not looked at."""
    found: list[str] = []
    for name, value in claims.items():
        if isinstance(value, dict):
            inner = claim_names(cast("dict[str, Any]", value), words, depth - 1) if depth else []
            found += [f"{name}.{path}" for path in inner]
        elif any(word in name.lower() for word in words):
            found.append(name)
    return found
