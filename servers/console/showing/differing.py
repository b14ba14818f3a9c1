"""What somebody changed in a text, word by word."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from markupsafe import Markup

from servers.console.showing.revealing import revealed

_WORDS = re.compile(r"\w+\s*|[^\w\s]\s*|\s+")
_LINES = re.compile(r"[^\n]*\n|[^\n]+")
_TOKENS_MAX = 2000
"""More are not compared: it takes the longer the more alike they are, and others choose the text."""


@dataclass(frozen=True)
class Piece:
    """A run of text that is in both, only in the new one, or only in the old one."""

    kind: Literal["same", "added", "removed"]
    text: str


def pieces(old: str, new: str) -> list[Piece]:
    """The old and the new text, laid into each other; what both share is there once.

    Where very much differs it is compared line by line, or is not taken apart at all.
    """
    was, now = _WORDS.findall(old), _WORDS.findall(new)
    before, after = _shared(was, now)
    middle, instead = was[before : len(was) - after], now[before : len(now) - after]
    if max(len(middle), len(instead)) > _TOKENS_MAX:
        middle, instead = _LINES.findall("".join(middle)), _LINES.findall("".join(instead))
    found = [
        Piece("same", "".join(was[:before])),
        *_run(middle, instead),
        Piece("same", "".join(was[len(was) - after :])),
    ]
    return [one for one in found if one.text]


def _shared(was: list[str], now: list[str]) -> tuple[int, int]:
    """How many both begin with, and how many of the others both end with."""
    most = min(len(was), len(now))
    before = next((at for at in range(most) if was[at] != now[at]), most)
    after = next((at for at in range(most - before) if was[-1 - at] != now[-1 - at]), most - before)
    return before, after


def difference(old: str, new: str) -> Markup:
    """The same as HTML: `ins` and `del`, each said to readers of screens."""
    made = [_TAGS[piece.kind].format(revealed(piece.text)) for piece in pieces(old, new)]
    return Markup("").join(made)


_TAGS = {
    "same": Markup("{}"),
    "added": Markup('<ins><span class="visually-hidden">[added: </span>{}<span class="visually-hidden">]</span></ins>'),
    "removed": Markup(
        '<del><span class="visually-hidden">[removed: </span>{}<span class="visually-hidden">]</span></del>'
    ),
}


def _run(was: list[str], now: list[str]) -> Iterator[Piece]:
    if max(len(was), len(now)) > _TOKENS_MAX:
        yield from (Piece("removed", "".join(was)), Piece("added", "".join(now)))
        return
    for operation, a, b, c, d in SequenceMatcher(None, was, now).get_opcodes():
        if operation == "equal":
            yield Piece("same", "".join(was[a:b]))
            continue
        yield from (Piece("removed", "".join(was[a:b])), Piece("added", "".join(now[c:d])))
