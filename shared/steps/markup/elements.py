"""Where an element ends, as browsers decide it (HTML Standard, 13.2.6)."""

import re
from bisect import bisect_left
from dataclasses import dataclass, field

from shared.steps.markup.names import APART, BLOCKS, FORMATTING, RAW, SPARED
from shared.steps.markup.ranges import Ranges
from shared.steps.markup.tags import Tag

_DEEPEST = 1000


def ends_with_block(name: str) -> bool:
    return name in SPARED or name == "svg"


def ends_with_paragraph(name: str) -> bool:
    """Whether an element that is never closed ends with the paragraph it is in."""
    return name not in BLOCKS and name not in FORMATTING and name not in APART and name not in RAW


@dataclass(slots=True)
class Hidden:
    """An element that shows nothing, while its end is looked for.

    Attributes:
        name: Of the element.
        start: Where its tag is.
        until: Where it ends at the latest.
    """

    name: str
    start: int
    until: int
    _open: list[str] = field(default_factory=list[str])

    def meet(self, tag: Tag, start: int) -> int | None:
        """Where the text is shown again, if this tag ends the element."""
        if not tag.closing:
            if self.name in SPARED and tag.name == self.name and not self._open:
                return start
            if not tag.void and len(self._open) < _DEEPEST:
                self._open.append(tag.name)
            return None
        inside = [self.name, *self._open]
        if tag.name not in inside:
            return None
        depth = len(inside) - 1 - inside[::-1].index(tag.name)
        if tag.name not in BLOCKS and not BLOCKS.isdisjoint(inside[depth + 1 :]):
            return None
        del self._open[max(0, depth - 1) :]
        return start + tag.length if depth == 0 else None


class Closers:
    """The closing tags of a text, outside code."""

    def __init__(self, text: str, code: Ranges) -> None:
        self._text, self._code = text, code
        self._found: dict[str, list[tuple[int, int]]] = {}

    def next(self, name: str, start: int, until: int) -> tuple[int, int] | None:
        """Where the next of that name begins and ends."""
        if name not in self._found:
            tags = re.finditer(rf"</{re.escape(name)}(?=[\s/>])[^<>]{{0,300}}+>", self._text, re.IGNORECASE)
            self._found[name] = [tag.span() for tag in tags if not self._code.end_at(tag.start())]
        places = self._found[name]
        index = bisect_left(places, (start, 0))
        return places[index] if index < len(places) and places[index][0] < until else None
