"""What is seen of a web page, written down element by element."""

import re
from collections.abc import Mapping

from servers.documents.formats.elements import ACTIVE, APART, BLOCKS, HEADINGS, NEVER_SEEN, UNSEEN_STYLE
from servers.documents.formats.parsed import LINKS_LIMIT, SECTIONS_LIMIT, TARGET_LIMIT, TEXT_LIMIT, Link
from servers.documents.formats.refused import Refused
from servers.documents.formats.sections import Heading
from servers.documents.formats.words import clean, summarised

_TAG_LIKE = re.compile(r"<(?=[A-Za-z/!?])")
_HEADING_LIKE = re.compile(r"#{1,6}(?:\s|$)")
_FENCE = "~~~~"
_PIECES = 200
"""How much of what was said is looked at for the words of a heading, link or summary."""


class Seen:
    """Written to in the order of the page: `enter`, then what is inside, then `leave`."""

    def __init__(self) -> None:
        self.headings: list[Heading] = []
        self.links: dict[Link, None] = {}
        self.paragraph = ""
        self._written: list[str] = []
        self._words: list[str] = []
        self._length = 0
        self._gap = ""
        self._prefix = ""
        self._verbatim = 0
        self._heading: tuple[str, int, int] | None = None
        self._anchors: list[tuple[str, int] | None] = []
        self._paragraph_from = 0

    def text(self) -> str:
        return "".join(self._written) + "\n" if self._written else ""

    def enter(self, tag: str, attributes: Mapping[str, str | None]) -> bool:
        """An element begins. False if nothing of it is seen; then it is neither entered nor left."""
        if tag in NEVER_SEEN or tag == "-comment" or _unseen(tag, attributes):
            return False
        if tag == "br":
            self._break("\n")
        elif tag == "img":
            self.say(f" {attributes.get('alt') or ''} ")
        elif tag == "a":
            self._anchor(attributes.get("href") or "")
        elif tag in {"td", "th"} and self._written and "\n" not in self._gap:
            self._gap = " | "
        elif tag in BLOCKS:
            self._break("\n\n" if tag in APART else "\n")
            self._begin(tag)
        return True

    def leave(self, tag: str) -> None:
        if tag == "a" and self._anchors:
            self._anchored()
        elif tag == "pre" and self._verbatim:
            self._verbatim -= 1
            if not self._verbatim:
                self._put(f"\n{_FENCE}")
        elif self._heading and tag == self._heading[0]:
            self._headed(*self._heading)
        elif tag == "p":
            self.paragraph = self.paragraph or summarised(self._since(self._paragraph_from))
        if tag in BLOCKS:
            self._break("\n\n" if tag in APART else "\n")

    def say(self, text: str) -> None:
        """Words, with what could pass for a tag or a heading marked as none."""
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        if self._verbatim:
            self._words.append(text)
            self._put(text.replace(_FENCE, "~ ~ ~ ~"))
            return
        line = " ".join(text.split())
        if text[:1].isspace():
            self._gap = self._gap or (" " if self._written else "")
        if not line:
            return
        at_start = not self._prefix and (not self._written or "\n" in self._gap)
        self._words.append(f" {line}" if self._gap else line)
        self._put(("\\" if at_start and _HEADING_LIKE.match(line) else "") + _TAG_LIKE.sub(r"\\<", line))
        self._gap = " " if text[-1:].isspace() else ""

    def _begin(self, tag: str) -> None:
        if tag == "pre" and (self._verbatim or not self._heading):
            self._verbatim += 1
            if self._verbatim == 1:
                self._put(f"{_FENCE}\n")
        elif self._verbatim or self._heading:
            return
        elif tag in HEADINGS:
            self._prefix = "#" * HEADINGS[tag] + " "
            self._heading = (tag, self._length + len(self._gap), len(self._words))
        elif tag == "li":
            self._prefix = "- "
        elif tag == "p":
            self._paragraph_from = len(self._words)

    def _headed(self, tag: str, start: int, words_from: int) -> None:
        self._heading = None
        self._prefix = ""
        if (words := clean(self._since(words_from))) and len(self.headings) < SECTIONS_LIMIT:
            self.headings.append(Heading(HEADINGS[tag], words, start))

    def _anchor(self, href: str) -> None:
        target = "" if len(href) > TARGET_LIMIT or ACTIVE.match(href) or self._verbatim else clean(href, TARGET_LIMIT)
        if target:
            self._words.append(" " if self._gap else "")
            self._put("[")
        self._anchors.append((target, len(self._words)) if target else None)

    def _anchored(self) -> None:
        opened = self._anchors.pop()
        if opened is None or self._verbatim:
            return
        target, words_from = opened
        if len(self.links) < LINKS_LIMIT:
            self.links.setdefault(Link(target, clean(self._since(words_from))))
        gap, self._gap = self._gap, ""
        self._put(f"](<{target}>)" if set(" ()<>") & set(target) else f"]({target})")
        self._gap = gap

    def _since(self, words_from: int) -> str:
        return "".join(self._words[words_from : words_from + _PIECES])

    def _break(self, gap: str) -> None:
        """The next words begin on a new line; in a heading they must not."""
        if self._verbatim:
            if gap == "\n":
                self._put(gap)
        elif self._heading:
            self._gap = self._gap if self._prefix else " "
        elif self._written and ("\n" not in self._gap or len(gap) > len(self._gap)):
            self._gap = gap

    def _put(self, text: str) -> None:
        if text:
            text = self._gap + self._prefix + text
            self._gap = self._prefix = ""
            self._written.append(text)
            self._length += len(text)
        if self._length > TEXT_LIMIT:
            raise Refused("too_large", f"More than {TEXT_LIMIT:,} characters of text. Split the page into parts.")


def _unseen(tag: str, attributes: Mapping[str, str | None]) -> bool:
    if tag == "dialog" and "open" not in attributes:
        return True
    hidden = "hidden" in attributes and attributes["hidden"] not in {"false", "until-found"}
    style = attributes.get("style")
    return hidden or attributes.get("aria-hidden") == "true" or bool(style and UNSEEN_STYLE.search(style[:2_000]))
