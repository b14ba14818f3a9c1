"""Tags of HTML and JSX as they are written.

The grammar is that of browsers (HTML Standard, 13.2.5), wider than CommonMark's, with JSX's braces. Every try is
bounded, so that time is linear in the text; a tag too long to be read is none, and the scan makes it plain.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from shared.steps.markup.attributes import Attributes
from shared.steps.markup.edits import Edit
from shared.steps.markup.names import PICTURES, UNSEEN, VOID

_BRACES = r"\{(?:[^{}]++|\{(?:[^{}]++|\{(?:[^{}]++|\{[^{}]*+\})*+\})*+\})*+\}"
_VALUE = rf"""\s*+=\s*+(?:"[^"]*+"|'[^']*+'|{_BRACES}|[^\s"'{{<>][^\s<>]*+)"""
_ATTRIBUTE = rf"(?:{_BRACES}|[^\s/>=<{{][^\s/>=<]*+(?:{_VALUE})?+|={_VALUE})"
_NAME = r"[A-Za-z][\w:.-]{0,80}+"
_TAG = re.compile(rf"<(?P<end>/?)(?P<name>{_NAME})(?=[\s/>])(?P<given>(?:[\s/]*+{_ATTRIBUTE})*+[\s/]*+)>")
_HEAD = re.compile(rf"</?{_NAME}(?=[\s/>])(?:[\s/]*+{_ATTRIBUTE})*+")
_BEGUN = re.compile(r"\s*+=?\s*+[\"'{]")
_GIVEN = re.compile(
    rf"(?P<gap>[\s/]*+)(?:(?P<braces>{_BRACES})|(?P<name>[^\s/>=<{{][^\s/>=<]*+)(?P<is>{_VALUE})?+|={_VALUE})"
)

_VALUE_OF_BROWSERS = r"""\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s"'>][^\s>]*+)"""
_TAG_OF_BROWSERS = re.compile(
    r"<(?P<end>/?)(?P<name>[A-Za-z][^\s/>]*+)"
    rf"(?P<given>(?:[\s/]*+[^\s/>=][^\s/>=]*+(?:{_VALUE_OF_BROWSERS})?+|[\s/]*+=)*+[\s/]*+)>"
)
_GIVEN_OF_BROWSERS = re.compile(
    rf"(?P<gap>[\s/]*+)(?:(?P<braces>(?!))|(?P<name>[^\s/>=][^\s/>=]*+)(?P<is>{_VALUE_OF_BROWSERS})?+|=)"
)

_LONGEST = 1000
"""Characters of a tag that is read at first; longer ones (pictures held in an attribute) share a `Budget`."""

_REPEATED = 200
"""Characters of a tag that is remembered: documents repeat their short tags."""

_BARE = "p|b|i|em|strong|code|pre|span|div|t[drh]|table|tbody|thead|[uo]l|li|h[1-6r]|br|kbd|su[pb]"
_PLAIN = rf"(?:/[a-z][a-z0-9]{{0,20}}|/?(?:{_BARE}))\s?/?>"
"""Tags without attributes that never matter but inside what is hidden; names of frames are made plain before."""
BEGINS = rf"<(?!{_PLAIN})(?=\s{{0,99}}[A-Za-z/!?|]|<\s{{0,9}}/?\s{{0,9}}SYS)"
"""Where a tag, a comment or the frame of a conversation may begin."""


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag.

    Attributes:
        name: In lower case.
        length: In characters.
        closing: `</…>`.
        void: It has no content.
        slashed: It ends with `/>`, which JSX respects and HTML ignores.
        component: It hides by its name alone, which may be that of a component, or of a type in prose.
        regular: CommonMark and JSX agree that it is a tag.
        hides: Nothing of the element is shown.
        picture: The words of a picture, which the tag becomes; None if it is none.
        changes: What is taken out of it, by place in the tag.
        target: Where a link leads.
    """

    name: str
    length: int
    closing: bool = False
    void: bool = False
    slashed: bool = False
    component: bool = False
    regular: bool = True
    hides: bool = False
    picture: str | None = None
    changes: tuple[Edit, ...] = ()
    target: str | None = None

    @property
    def harmless(self) -> bool:
        return not self.hides and self.picture is None and not self.changes


TOO_LONG = Tag("", 1, regular=False, hides=True)
"""A tag that began, and whose end was not looked for any further."""


class Budget:
    """How many characters may still be read for long tags: a few times the text, then no more."""

    def __init__(self, text: str) -> None:
        self.left = 4 * len(text)


def tag_at(text: str, at: int, budget: Budget) -> Tag | None:
    """The tag that begins here, `TOO_LONG`, or None."""
    found = _TAG.match(text, at, at + _LONGEST)
    if found is None and len(text) - at > _LONGEST:
        begun = _HEAD.match(text, at, at + _LONGEST)
        if begun and (_BEGUN.match(text, begun.end()) or begun.end() >= at + _LONGEST):
            if budget.left <= 0:
                return TOO_LONG
            found = _TAG.match(text, at)
            budget.left -= (found.end() if found else len(text)) - at
    if found is None:
        return None
    return _remembered(found[0]) if found.end() - at <= _REPEATED else _read(found, _GIVEN)


def broken_tag_at(text: str, at: int, end: int) -> Tag | None:
    """What a browser takes for a tag where HTML stands as it is written: nearly anything up to a `>`."""
    found = _TAG_OF_BROWSERS.match(text, at, min(end, at + _LONGEST))
    return _read(found, _GIVEN_OF_BROWSERS) if found else None


@lru_cache(maxsize=2048)
def _remembered(source: str) -> Tag | None:
    found = _TAG.match(source)
    return _read(found, _GIVEN) if found else None


def _read(found: re.Match[str], given_in: re.Pattern[str]) -> Tag:
    name, closing = found["name"].lower(), bool(found["end"])
    attributes = Attributes(found["name"], closing=closing, offset=found.start())
    for given in given_in.finditer(found.string, *found.span("given")):
        attributes.take(given)
    attributes.finish()
    picture = name in PICTURES or (name == "input" and attributes.kind == "image")
    return Tag(
        name=name,
        length=found.end() - found.start(),
        closing=closing,
        void=name in VOID,
        slashed=found[0].endswith("/>"),
        component=attributes.component and not attributes.hides,
        regular=attributes.regular and given_in is _GIVEN and "_" not in name,
        hides=not closing and not picture and (attributes.hides or name in UNSEEN),
        picture=attributes.words if picture and not closing else None,
        changes=tuple(attributes.changes),
        target=attributes.target,
    )
