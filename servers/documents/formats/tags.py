"""Tags of HTML and JSX as they stand in a paragraph of Markdown."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape

from servers.documents.formats.elements import UNSEEN_STYLE, VOID, WITHIN_WORDS

TAG = re.compile(
    r"<(?P<end>/?)(?P<name>[A-Za-z][\w.:-]{0,100}+|(?=>))(?P<attributes>"
    r"(?:[^<>\"'{}]{1,2000}+|\"[^\"]{0,2000}+\"|'[^']{0,2000}+'|\{(?:[^{}]{1,500}+|\{[^{}]{0,500}+\}){0,20}+\}){0,50}+)>"
)
"""A whole tag; attributes may hold JSX expressions, one pair of braces in another."""
_ANY_TAG = re.compile(r"<(/?)([A-Za-z][\w.:-]{0,100}+)[^<>]{0,2000}+>")
_ATTRIBUTE = re.compile(r"(?<![\w:-])([A-Za-z][\w:-]{0,50}+)\s{0,9}=\s{0,9}(?:\"([^\"]*)\"|'([^']*)')")
_HIDDEN = re.compile(
    r"(?<![\w-])(?:hidden(?![\w-]|\s{0,9}=\s{0,9}[\"'{](?:false|until-found))|aria-hidden\s{0,9}=\s{0,9}[\"'{]?true)",
    re.IGNORECASE,
)
_NEVER_SEEN = {"noscript", "script", "style", "svg", "template"}
_SHOWN = ("title", "label", "alt", "description")


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag.

    Attributes:
        name: As written: components begin with a capital letter.
        attributes: As written.
        closing: Whether it ends an element.
    """

    name: str
    attributes: str
    closing: bool

    @classmethod
    def of(cls, found: re.Match[str]) -> "Tag":
        return cls(found["name"], found["attributes"], bool(found["end"]))

    @property
    def kind(self) -> str:
        return self.name.lower()

    @property
    def parts(self) -> bool:
        """Whether it parts the letters before it from those after."""
        return self.kind not in WITHIN_WORDS

    @property
    def hides(self) -> bool:
        """Whether what follows, up to its end, is not seen."""
        if self.kind in VOID or self.attributes.endswith("/"):
            return False
        if self.name in _NEVER_SEEN:
            return True
        return bool(self.attributes) and (bool(_HIDDEN.search(_bare(self.attributes))) or self._styled_away())

    def shown(self) -> tuple[str, list[str]]:
        """Where it leads, if anywhere, and its words: `<Card title="Start here" href="/start">` shows its title."""
        given = {name: unescape(value) for name, value in self._given()}
        says = self.kind == "img" or self.name[:1].isupper()
        return given.get("href", ""), [given[name] for name in _SHOWN if says and given.get(name)]

    def _styled_away(self) -> bool:
        return "style" in self.attributes.lower() and any(
            name == "style" and UNSEEN_STYLE.search(value) for name, value in self._given()
        )

    def _given(self) -> Iterator[tuple[str, str]]:
        """The attributes with a quoted value."""
        return ((found[1].lower(), found[2] or found[3] or "") for found in _ATTRIBUTE.finditer(self.attributes))


def past_hidden(text: str, at: int, kind: str, depth: int) -> tuple[int, int]:
    """Where so many open elements of a kind are closed, and 0; else the end of the text, and how many stay open."""
    for tag in _ANY_TAG.finditer(text, at):
        if tag[2].lower() == kind and not tag[0].endswith("/>"):
            depth += -1 if tag[1] else 1
            if depth == 0:
                return tag.end(), 0
    return len(text), depth


def _bare(attributes: str) -> str:
    """The attributes without the values that say nothing about being hidden: `title="hidden costs"`."""
    return re.sub(r"=\s{0,9}(?![\"'](?:true|false|until-found)[\"'])(?:\"[^\"]*\"|'[^']*')", "=", attributes)
