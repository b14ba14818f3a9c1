"""Definitions that readers do not see: of links and of footnotes. One that nothing uses says what nobody reads."""

import re
from collections.abc import Iterable

from shared.steps.markup import links
from shared.steps.markup.edits import Edit
from shared.steps.markup.layout import Definition, Layout

_USE = re.compile(r"\[((?:[^\[\]\\]|\\.){1,999}+)\]", re.DOTALL)
_SHAPE = re.compile(
    r"[ \t>*+\-\d.)]*\[(?:[^\[\]\\]|\\.){1,999}+\]:\s*+(?P<target><[^<>\n]*+>|\S++)[ \t]*+(?P<title>\S)?", re.DOTALL
)
_FOOTNOTE = re.compile(r"^[ \t>]{0,20}\[\^(?P<label>[^\]\s\[]{1,200}+)\]:", re.MULTILINE)
_GOES_ON = re.compile(
    r"(?:(?![ \t>]*\[\^)[^\n]*\S[^\n]*(?:\n|\Z))*+(?:(?:[ \t]*\n)*+(?: {4}|\t)[^\n]*\S[^\n]*(?:\n|\Z))*+"
)


def normal(label: str) -> str:
    """A label as CommonMark compares it."""
    return " ".join(label.split()).lower().upper()


def targets(layout: Layout) -> dict[str, str]:
    """Where labels lead."""
    return {one.label: one.target for one in layout.definitions if one.label}


def unused(text: str, layout: Layout) -> list[Edit]:
    """Takes out definitions that nothing uses, and titles; disarms targets."""
    edits = list(_footnotes(text, layout))
    if layout.definitions:
        used = _labels_outside(text, sorted((one.start, one.end) for one in layout.definitions))
        for one in layout.definitions:
            edits += [_without(one)] if one.label not in used else _mended(text, one)
    return edits


def disarmed(text: str, layout: Layout) -> Iterable[Edit]:
    """Disarms targets, and takes nothing out."""
    for one in layout.definitions:
        shape = _SHAPE.match(text, one.start, one.end)
        if shape and not links.is_harmless(one.target):
            place = shape.start("target") + shape["target"].startswith("<")
            yield Edit(place, place, "‹", "link")


def _without(one: Definition) -> Edit:
    return Edit(one.start, one.end, "", "hidden")


def _mended(text: str, one: Definition) -> Iterable[Edit]:
    shape = _SHAPE.match(text, one.start, one.end)
    if shape is None:
        yield _without(one)
        return
    if not links.is_harmless(one.target):
        yield Edit(*shape.span("target"), links.disarmed(one.target), "link")
    rest = text[shape.end("target") : one.end]
    if rest.strip():
        yield Edit(shape.end("target"), shape.end("target") + len(rest.rstrip("\n")), "", "hidden")


def _labels_outside(text: str, places: Iterable[tuple[int, int]]) -> set[str]:
    """All that stands in brackets, but for the definitions."""
    used: set[str] = set()
    at = 0
    for start, end in [*places, (len(text), len(text))]:
        used.update(normal(found[1]) for found in _USE.finditer(text, at, start))
        at = end
    return used


def _footnotes(text: str, layout: Layout) -> Iterable[Edit]:
    found = [
        (note["label"].lower(), note.start(), _GOES_ON.match(text, note.end()))
        for note in _FOOTNOTE.finditer(text)
        if not layout.code.end_at(note.end() - 1)
    ]
    if not found:
        return
    used = {label.lower() for label in re.findall(r"\[\^([^\]\s\[]{1,200}+)\](?!:)", text)}
    for label, start, rest in found:
        if label not in used and rest is not None:
            yield Edit(start, rest.end(), "", "hidden")
