"""The inside of a paragraph: its visible words and its links, in one pass whose time grows with its length alone.

Every pattern here is bounded or cannot fail late, and nothing is looked for twice: unclosed brackets, quotes and
comments, however many, cost what other characters cost. Where CommonMark is intricate (nested emphasis of odd
lengths) the reading is simpler; only markup characters can then be kept or dropped wrongly, never words.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Mapping
from html import unescape
from typing import NamedTuple

from markdown_it.common.utils import normalizeReference

from servers.documents.formats.elements import ACTIVE
from servers.documents.formats.parsed import LINKS_LIMIT, TARGET_LIMIT, Link
from servers.documents.formats.tags import TAG, Tag, past_hidden
from servers.documents.formats.words import clean

_SPECIAL = re.compile(r"[\\`<{\[\]*_~&!]")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_TICKS = re.compile(r"`+")
_ADDRESS = re.compile(r"<([A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>]{0,2000}|[\w.+-]{1,64}@[\w.-]{1,255})>")
_TARGET = re.compile(
    r"\]\(\s{0,100}+(?:<((?:[^<>\n\\]|\\.){0,2000}+)>|((?:[^\s()<\\]|\\.){0,2000}+"
    r"(?:\((?:[^\s()\\]|\\.){0,500}+\)(?:[^\s()\\]|\\.){0,500}+){0,8}+))"
    r"(?:\s{1,100}+(?:\"(?:[^\"\\]|\\.){0,1000}+\"|'(?:[^'\\]|\\.){0,1000}+'|\((?:[^()\\]|\\.){0,1000}+\)))?\s{0,100}+\)",
    re.DOTALL,
)
_REFERENCE = re.compile(r"\]\[([^\[\]]{0,999}+)\]")
_NAME_LIMIT = 1000
_RUN = re.compile(r"\*+|_+|~+")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_BLANK = re.compile(r"\{\s{0,10}([\"'`])\s{0,10}\1\s{0,10}\}")  # `{" "}`, how MDX keeps a blank
_PIECES = 200
"""How much of what was said is looked at for the words of a link."""


class _Bracket(NamedTuple):
    said: int
    at: int
    picture: bool


class Inline:
    """Reads paragraph after paragraph; keeps what was said, and every link.

    Args:
        references: The targets of link references, by their normalised names.
    """

    def __init__(self, references: Mapping[str, str] | None = None) -> None:
        self.links: dict[Link, None] = {}
        self._references = references or {}
        self._said: list[str] = []
        self._hidden: tuple[str, int] | None = None
        self._readers: dict[str, Callable[[int], int]] = {
            "\\": self._escape,
            "`": self._code,
            "<": self._angle,
            "{": self._brace,
            "[": self._open,
            "]": self._bracket_end,
            "!": self._picture,
            "&": self._entity,
            "*": self._mark,
            "_": self._mark,
            "~": self._mark,
        }
        self._start("")

    def take(self) -> str:
        """What was said since this was last asked."""
        said = "".join(self._said)
        self._said.clear()
        self._start("")
        return said

    def show(self) -> None:
        """What is hidden ends here, whether it was closed or not."""
        self._hidden = None

    def verbatim(self, text: str) -> None:
        """Code, which has no markup."""
        if self._hidden is None:
            self._said.append(text)

    def read(self, text: str) -> None:
        """One paragraph, heading or cell."""
        self._start(text)
        at = self._past_hidden(0, *self._hidden) if self._hidden else 0
        while at < len(text):
            special = _SPECIAL.search(text, at)
            if special is None:
                self._said.append(text[at:])
                return
            if special.start() > at:
                self._said.append(text[at : special.start()])
            at = self._readers[special[0]](special.start())

    def _start(self, text: str) -> None:
        self._text = text
        self._brackets: list[_Bracket] = []
        self._anchor: tuple[int, str] | None = None
        self._marks: dict[str, list[tuple[int, int]]] = {"*": [], "_": [], "~": []}
        self._ticks: dict[int, list[int]] | None = None
        self._unclosed: set[str] = set()

    def _say(self, text: str, end: int) -> int:
        self._said.append(text)
        return end

    def _escape(self, at: int) -> int:
        escaped = _ESCAPED.match(self._text, at)
        return self._say(escaped[1], escaped.end()) if escaped else self._say("\\", at + 1)

    def _code(self, at: int) -> int:
        if self._ticks is None:
            self._ticks = {}
            for run in _TICKS.finditer(self._text):
                self._ticks.setdefault(len(run[0]), []).append(run.start())
        ticks = _TICKS.match(self._text, at)
        size = len(ticks[0]) if ticks else 1
        same = self._ticks.get(size, [])
        closing = bisect_left(same, at + size)
        if closing == len(same):
            return self._say("`" * size, at + size)
        return self._say(self._text[at + size : same[closing]].strip(), same[closing] + size)

    def _entity(self, at: int) -> int:
        entity = _ENTITY.match(self._text, at)
        return self._say(unescape(entity[0]), entity.end()) if entity else self._say("&", at + 1)

    def _mark(self, at: int) -> int:
        """Marks of emphasis are dropped in pairs; one without its other half is a character."""
        text = self._text
        run = _RUN.match(text, at)
        char, size = text[at], len(run[0]) if run else 1
        before, after = text[at - 1 : at] or " ", text[at + size : at + size + 1] or " "
        opens, closes = not after.isspace(), not before.isspace()
        if char == "_":
            opens, closes = opens and not before.isalnum(), closes and not after.isalnum()
        if char == "~" and size == 1:
            opens = closes = False
        left = self._close(char, size) if closes else size
        if left and opens:
            self._marks[char].append((len(self._said), left))
        return self._say(char * left, at + size)

    def _close(self, char: str, size: int) -> int:
        open_ones = self._marks[char]
        while size and open_ones:
            said, length = open_ones.pop()
            used = min(size, length)
            size -= used
            self._said[said] = char * (length - used)
            if length > used:
                open_ones.append((said, length - used))
        return size

    def _picture(self, at: int) -> int:
        return self._open(at, picture=True) if self._text.startswith("![", at) else self._say("!", at + 1)

    def _open(self, at: int, *, picture: bool = False) -> int:
        self._brackets.append(_Bracket(len(self._said), at + picture, picture))
        return self._say("![" if picture else "[", at + 1 + picture)

    def _bracket_end(self, at: int) -> int:
        if not self._brackets:
            return self._say("]", at + 1)
        opened = self._brackets.pop()
        target, end = self._target(opened, at)
        if target is None:
            return self._say("]", at + 1)
        self._said[opened.said] = ""
        if not opened.picture:
            self._link(target, opened.said)
            # Links do not stand in links.
            self._brackets = [bracket for bracket in self._brackets[-8:] if bracket.picture]
        return end

    def _target(self, opened: _Bracket, at: int) -> tuple[str | None, int]:
        if inline := _TARGET.match(self._text, at):
            return unescape(_ESCAPED.sub(r"\1", inline[1] or inline[2] or "")), inline.end()
        if not self._references:
            return None, at
        full = _REFERENCE.match(self._text, at)
        if not (full and full[1]) and at - opened.at > _NAME_LIMIT:
            return None, at
        name = full[1] if full and full[1] else self._text[opened.at + 1 : at]
        return self._references.get(normalizeReference(name)), full.end() if full else at + 1

    def _link(self, target: str, said_from: int) -> None:
        if len(self.links) < LINKS_LIMIT and len(target) <= TARGET_LIMIT and not ACTIVE.match(target):
            text = clean("".join(self._said[said_from : said_from + _PIECES]))
            if target := clean(target, TARGET_LIMIT):
                self.links.setdefault(Link(target, text))

    def _angle(self, at: int) -> int:
        if address := _ADDRESS.match(self._text, at):
            self._said.append(address[1])
            self._link(address[1] if ":" in address[1] else f"mailto:{address[1]}", len(self._said) - 1)
            return address.end()
        if tag := TAG.match(self._text, at):
            return self._tag(Tag.of(tag), tag.end())
        return self._comment(at, "<!--", "-->")

    def _brace(self, at: int) -> int:
        if blank := _BLANK.match(self._text, at):
            return self._say(" ", blank.end())
        return self._comment(at, "{/*", "*/}")

    def _comment(self, at: int, opening: str, closing: str) -> int:
        if opening in self._unclosed or not self._text.startswith(opening, at):
            return self._say(self._text[at], at + 1)
        end = self._text.find(closing, at + len(opening))
        if end < 0:
            self._unclosed.add(opening)
            return self._say(opening, at + len(opening))
        return end + len(closing)

    def _tag(self, tag: Tag, end: int) -> int:
        if tag.parts:
            self._said.append(" ")
        if tag.closing:
            if tag.kind == "a" and self._anchor:
                self._link(self._anchor[1], self._anchor[0])
                self._anchor = None
        elif tag.hides:
            return self._past_hidden(end, tag.kind, 1)
        elif "=" in tag.attributes:
            said = len(self._said)
            target, words = tag.shown()
            self._said.extend(f"{word} " for word in words)
            if tag.kind == "a":
                self._anchor = (said, target) if target else None
            elif target:
                self._link(target, said)
        return end

    def _past_hidden(self, at: int, kind: str, depth: int) -> int:
        """Where what is hidden ends, else the end of the text: then it goes on in the next paragraph."""
        end, depth = past_hidden(self._text, at, kind, depth)
        self._hidden = (kind, depth) if depth else None
        return end
