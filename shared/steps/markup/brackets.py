"""Links and pictures of Markdown: what their brackets say, and where they lead."""

import re
from collections.abc import Mapping

from shared.steps.markup import links
from shared.steps.markup.definitions import normal
from shared.steps.markup.source import Source

TARGET = re.compile(
    r"\]\(\s*+(?P<target><[^<>\n]*+>|(?:[^\s()\\<]|\\.|\((?:[^\s()\\]|\\.|\((?:[^\s()\\]|\\.)*+\))*+\))*+)"
    r"(?P<title>\s++(?:\"(?:[^\"\\]|\\.)*+\"|'(?:[^'\\]|\\.)*+'|\((?:[^()\\]|\\.)*+\)))?+\s*+\)",
    re.DOTALL,
)
TARGET_BEGINS = re.compile(r"\]\(\s*+<?")
AUTOLINK = re.compile(
    r"<(?P<target>[A-Za-z][A-Za-z0-9+.-]{1,31}:[^<>\x00-\x20]{0,4000}+)>|<[\w.!#$%&'*+/=?^`{|}~-]{1,64}+@[\w.-]{1,253}+>"
)
_LABEL = re.compile(r"\]\[((?:[^\[\]\\]|\\.){0,999}+)\]", re.DOTALL)
_TARGETS = re.compile(r"\] ?\([^()]{0,2000}+\)")
_LABEL_MAX = 999


class Brackets:
    """The brackets of one text, in order.

    Args:
        source: The text.
        labels: What reference links may refer to, and where that leads.
    """

    def __init__(self, source: Source, labels: Mapping[str, str]) -> None:
        self._source, self._labels = source, labels
        self._open: list[int] = []
        self._block = (0, 0)

    def open(self, start: int) -> None:
        """Note `[` or `![`."""
        self._enter(start)
        self._open.append(start)

    def after_closing(self, start: int) -> int:
        """Take the `]` here, and the target it may have; where it goes on."""
        self._enter(start)
        opened = self._open.pop() if self._open else None
        following = self._source.text[start + 1 : start + 2]
        if following == "(":
            return self._with_target(opened, start)
        return start + 1 if opened is None else self._with_label(opened, start, following)

    def _enter(self, place: int) -> None:
        if not self._block[0] <= place < self._block[1]:
            self._block = self._source.block(place)
            self._open.clear()

    def _image(self, opened: int | None) -> bool:
        return opened is not None and self._source.text[opened] == "!"

    def _words(self, opened: int, start: int) -> str:
        return self._source.text[opened + (2 if self._image(opened) else 1) : start]

    def _misleads(self, opened: int, start: int, target: str) -> str | None:
        return links.misleads(_TARGETS.sub("]", self._words(opened, start)), target)

    def _with_label(self, opened: int, start: int, following: str) -> int:
        source, words = self._source, self._words(opened, start)
        label, end = words, start + 1
        if following == "[" and (found := _LABEL.match(source.text, start)):
            label, end = found[1] or words, found.end()
        target = self._labels.get(normal(label)) if len(label) <= _LABEL_MAX else None
        if target is None:
            return start + 1
        if self._image(opened):
            source.edit(opened, opened + 2, "[image: ", "image")
            if source.keep_all:
                return source.edit(start + 1, start + 1, " ", "image")
            return source.edit(start, end, f"]{gap(source.text, end)}", "image")
        if real := self._misleads(opened, start, target):
            source.edit(start, start, links.leads_to(real), "link")
        return end

    def _with_target(self, opened: int | None, start: int) -> int:
        source = self._source
        link = TARGET.match(source.text, start)
        if opened is not None and self._image(opened):
            return self._picture(opened, start, link)
        if link is None:
            begins = TARGET_BEGINS.match(source.text, start)
            place = begins.end() if begins else start + 2
            if not links.is_harmless(source.text[place : place + links.LOOK_AT]):
                source.edit(place, place, "‹", "link")
            return start + 1
        self._link(opened, start, link)
        return link.end()

    def _picture(self, opened: int, start: int, link: re.Match[str] | None) -> int:
        source = self._source
        source.edit(opened, opened + 2, "[image: ", "image")
        if link is None or source.keep_all:
            return source.edit(start + 1, start + 1, " ", "image")
        return source.edit(start, link.end(), f"]{gap(source.text, link.end())}", "image")

    def _link(self, opened: int | None, start: int, link: re.Match[str]) -> None:
        source = self._source
        target = link["target"].removeprefix("<").removesuffix(">")
        if not links.is_harmless(target):
            first, last = link.span("target")
            if source.keep_all:
                source.edit(first + link["target"].startswith("<"), first + link["target"].startswith("<"), "‹", "link")
            else:
                source.edit(first, last, links.disarmed(target), "link")
        if opened is None:
            return
        self._open = [place for place in self._open if self._image(place)]  # no link is inside another
        if link["title"] and not source.keep_all:
            source.edit(*link.span("title"), "", "hidden")
        if real := self._misleads(opened, start, target):
            source.edit(start, start, links.leads_to(real), "link")


def gap(text: str, end: int) -> str:
    """Keeps words in brackets from becoming a link with what follows them."""
    return " " if text[end : end + 1] in {"(", "[", ":"} else ""


def after_autolink(source: Source, link: re.Match[str]) -> int:
    """Take `<https://…>`; where it goes on."""
    target = link["target"]
    if target and not links.is_harmless(target):
        return source.edit(*link.span(), f"‹{target}›", "link")
    if target and links.ADDRESS.match(target) and links.picture_end(target, 0, len(target)):
        return source.edit(*link.span(), f"‹{links.inert(target)}›", "image")
    return link.end()


def after_address(source: Source, start: int) -> int:
    """Take an address that stands for itself, which may be a picture's; where it goes on."""
    found = links.ADDRESS.match(source.text, start)
    if found is None:
        return start + 1
    end = None if source.literal(start) else links.picture_end(source.text, start, found.end())
    return source.edit(start, end, links.inert(source.text[start:end]), "image") if end else found.end()
