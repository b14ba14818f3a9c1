"""What is changed in a text, and where."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Edit(NamedTuple):
    """`shown` stands where `start` to `end` was; `name` says why."""

    start: int
    end: int
    shown: str
    name: str


def settled(edits: Iterable[Edit]) -> list[Edit]:
    """In order, and none inside another: the one that begins first and reaches furthest wins."""
    kept: list[Edit] = []
    for edit in sorted(edits, key=lambda edit: (edit.start, -edit.end)):
        if not kept or edit.start >= kept[-1].end:
            kept.append(edit)
    return kept


def applied(text: str, edits: Sequence[Edit]) -> str:
    """The text with the edits, which are in order, made."""
    pieces: list[str] = []
    at = 0
    for edit in edits:
        pieces += text[at : edit.start], edit.shown
        at = edit.end
    return "".join(pieces) + text[at:]
