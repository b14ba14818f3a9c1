"""Edits that leave a text's blocks as they were, so that it need not be parsed again to look at what came of them."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace

from shared.steps.markup.edits import Edit
from shared.steps.markup.layout import Layout
from shared.steps.markup.ranges import Ranges

_FIRST = re.compile(r"[ \t]*+(?:(?:[-*+>]|#{1,6}|\d{1,9}[.)])[ \t]++)*+(?:(?P<word>[^\W\d_])|\[?!\[)")
_ENDED_BY_A_MARK = re.compile(r"[ \t>]*+<(?:!|\?|script|style|pre|textarea)", re.IGNORECASE)
_ATTRIBUTES_ONLY = re.compile(r"[^\n]*+(?:\n[ \t]*+(?:[\w:.-]+[= \t>/]|/?>)[^\n]*+)*+")


def quiet(text: str, seen: Layout, edits: Sequence[Edit]) -> bool:
    """Whether all of them are inside a line that begins with a word, or replace a picture inside a block of HTML."""
    return not seen.definitions and all(_in_line(text, edit) or _in_html(text, seen, edit) for edit in edits)


def _in_line(text: str, edit: Edit) -> bool:
    begin = text.rfind("\n", 0, edit.start) + 1
    end = text.find("\n", edit.start)
    end = len(text) if end < 0 else end
    first = _FIRST.match(text, begin, end)
    if first is None or edit.end > end or "|" in text[begin:end]:
        return False
    return first.start("word") < edit.start if first["word"] else edit.name == "image"


def _in_html(text: str, seen: Layout, edit: Edit) -> bool:
    block = seen.html.around(edit.start)
    if block is None or edit.name != "image" or not edit.shown or edit.end > block[1]:
        return False
    inside = text.find("\n", block[0]) < edit.start and not _ENDED_BY_A_MARK.match(text, block[0])
    return inside and _ATTRIBUTES_ONLY.fullmatch(text, edit.start, edit.end) is not None


def moved(seen: Layout, edits: Sequence[Edit]) -> Layout:
    """The layout after the edits, which are in order and quiet."""
    ends = [edit.end for edit in edits]
    shifts = [0]
    for edit in edits:
        shifts.append(shifts[-1] + len(edit.shown) - (edit.end - edit.start))

    def new(place: int) -> int:
        return place + shifts[bisect_right(ends, place)]

    def all_new(ranges: Ranges) -> Ranges:
        return Ranges((new(start), new(end)) for start, end in ranges)

    return replace(
        seen,
        code=all_new(seen.code),
        prose=all_new(seen.prose),
        html=all_new(seen.html),
        doubtful=all_new(seen.doubtful),
        unseen=tuple((new(start), new(end)) for start, end in seen.unseen),
    )
