"""Headings cut a text into sections."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from servers.documents.formats.parsed import SECTIONS_LIMIT, Section
from servers.documents.formats.words import slug

_TOP = "top"


@dataclass(frozen=True, slots=True)
class Heading:
    """Plain words at a place in a text; the start of a section."""

    level: int
    words: str
    start: int


def cut(text: str, headings: Iterable[Heading]) -> tuple[Section, ...]:
    """Sections that tile the text, given its headings in order.

    What stands before the first heading is a section of level 0, unless it is blank. Past the 5,000th section
    headings no longer cut: the last section holds the rest.
    """
    if not text:
        return ()
    starts = _starts(text, list(headings))
    ends = [heading.start for heading in starts[1:]] + [len(text)]
    anchors = _anchors(starts)
    return tuple(
        Section(number, heading.level, heading.words, anchor, heading.start, end)
        for number, (heading, anchor, end) in enumerate(zip(starts, anchors, ends, strict=True))
    )


def _starts(text: str, headings: list[Heading]) -> list[Heading]:
    if not headings or text[: headings[0].start].strip():
        headings.insert(0, Heading(0, "", 0))
    first = Heading(headings[0].level, headings[0].words, 0)
    return [first, *headings[1:]][:SECTIONS_LIMIT]


def _anchors(headings: Sequence[Heading]) -> list[str]:
    """A repeated anchor gets the next free number, so that `a`, `a`, `a-1` are `a`, `a-1`, `a-1-1`."""
    repeats: dict[str, int] = {}
    for heading in headings:
        wanted = anchor = slug(heading.words) if heading.level else _TOP
        while anchor in repeats:
            repeats[wanted] += 1
            anchor = f"{wanted}-{repeats[wanted]}"
        repeats[anchor] = 0
    return list(repeats)
