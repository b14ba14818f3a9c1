"""Prose from its beginning to its end: what in it is hidden, would be fetched, or misleads.

Where all dialects agree that something is not shown it is taken out. Where they do not, or where nothing may be lost,
its mark is disarmed (`<` becomes `‹`), which shows it to everybody.
"""

import re
from collections.abc import Mapping

from shared.steps.frames import frame_at
from shared.steps.markup import links
from shared.steps.markup.brackets import AUTOLINK, Brackets, after_address, after_autolink, gap
from shared.steps.markup.comments import BRACES, after_braces, after_comment
from shared.steps.markup.edits import Edit
from shared.steps.markup.elements import Closers, Hidden, ends_with_block, ends_with_paragraph
from shared.steps.markup.layout import Layout
from shared.steps.markup.names import RAW
from shared.steps.markup.source import Source
from shared.steps.markup.spans import CodeSpans
from shared.steps.markup.tags import BEGINS, TOO_LONG, Budget, Tag, broken_tag_at, tag_at

COULD_HIDE = re.compile(
    r"</?(?:script|style|template|iframe|object|embed|img|image|svg|title|head|noscript|video|audio|base|link|meta)\b",
    re.IGNORECASE,
)
"""Tags that are disarmed even if they are written so that they are none."""

_TOKEN = re.compile(rf"\\[!-/:-@\[-`{{-~]|`+|{BEGINS}|{BRACES}|!?\[|\]|(?:https?://|www\.)", re.IGNORECASE)
_TOKEN_IN_HIDDEN = re.compile(r"`+|<(?=[A-Za-z/!?])|\\[<`]")
_ANCHOR_END = re.compile(r"</a\s*>", re.IGNORECASE)
_TAGS = re.compile(r"<[^<>]{0,300}>")
_NEVER_SHOWN = re.compile(
    r"<(script|style|template|iframe|title|head|noscript|noembed|noframes|object)\b", re.IGNORECASE
)
_BROKEN = re.compile(r"<[^<>]{0,4000}+(?:>|(?=<)|\Z)")
_ANCHOR_FAR = 2000


class Scan:
    """One pass over one text.

    Args:
        text: The text.
        layout: Of it.
        labels: What reference links may refer to, and where that leads.
        keep_all: Nothing is taken out, all is disarmed.
    """

    def __init__(self, text: str, layout: Layout, labels: Mapping[str, str], *, keep_all: bool = False) -> None:
        self._source = Source(text, layout, keep_all)
        self._brackets = Brackets(self._source, labels)
        self._budget = Budget(text)
        self._closers = Closers(text, layout.code)
        self._hidden: Hidden | None = None
        self._spans: tuple[tuple[int, int], CodeSpans] | None = None

    def run(self) -> list[Edit]:
        """What is to be changed, in no order."""
        text, code, at = self._source.text, self._source.layout.code, 0
        while (token := (_TOKEN_IN_HIDDEN if self._hidden else _TOKEN).search(text, at)) is not None:
            start = token.start()
            if self._hidden and start >= self._hidden.until:
                at = self._end(self._hidden.until)
            else:
                at = code.end_at(start) or self._step(start, token.end())
        if self._hidden:
            self._end(min(len(text), self._hidden.until))
        return self._source.edits

    def _step(self, start: int, end: int) -> int:
        """Take the token that begins here, and what it is part of; where it goes on."""
        source, char = self._source, self._source.text[start]
        if char == "<":
            return self._angle_in_hidden(self._hidden, start) if self._hidden else self._angle(start)
        if char in "\\`":
            return self._as_it_is(start, end)
        if char in "![":
            return self._opening(start, end)
        if char == "]":
            return self._brackets.after_closing(start)
        return after_braces(source, start) if char == "{" else after_address(source, start)

    def _as_it_is(self, start: int, end: int) -> int:
        """A backslash takes the meaning from what follows, backticks from what they enclose."""
        source = self._source
        if source.text[start] == "\\":
            return start + 1 if source.literal(start) else end
        block = source.layout.prose.around(start)
        if block is None or source.layout.html.end_at(start):
            return end
        if self._spans is None or self._spans[0] != block:
            self._spans = block, CodeSpans(source.text, *block)
        return self._spans[1].end(start, end - start) or end

    def _opening(self, start: int, end: int) -> int:
        if (frame := frame_at(self._source.text, end - 1)) is not None:
            return self._source.edit(end - 1, *frame, "marker")
        self._brackets.open(start)
        return end

    def _angle(self, start: int) -> int:
        source, following = self._source, self._source.text[start + 1 : start + 2]
        if following in {"!", "?"}:
            return after_comment(source, start)
        if (frame := frame_at(source.text, start)) is not None:
            return source.edit(start, *frame, "marker")
        if (link := AUTOLINK.match(source.text, start)) is not None:
            return after_autolink(source, link)
        return self._tag_or_none(start) if following.isalpha() or following == "/" else start + 1

    def _tag_or_none(self, start: int) -> int:
        tag, source = self._tag_at(start), self._source
        if source.literal(start) and not source.keep_all and not self._ends_in_block(start, tag):
            return self._broken(start)
        return self._no_tag(start, tag) if tag is None or tag is TOO_LONG else self._tag(start, tag)

    def _tag_at(self, start: int) -> Tag | None:
        tag = tag_at(self._source.text, start, self._budget)
        if tag is not None and self._source.layout.code.next_start(start, start + tag.length) < start + tag.length:
            return None
        return tag

    def _ends_in_block(self, start: int, tag: Tag | None) -> bool:
        return tag is not None and tag is not TOO_LONG and start + tag.length <= self._source.block(start)[1]

    def _broken(self, start: int) -> int:
        """What a browser finds a tag in nevertheless."""
        source, block_end = self._source, self._source.block(start)[1]
        if source.text.startswith("</", start) and not source.text[start + 2 : start + 3].isalpha():
            end = source.find(">", start)
            return source.edit(start, end if 0 <= end <= block_end else block_end, "", "hidden")
        if tag := broken_tag_at(source.text, start, block_end):
            return self._tag(start, tag)
        if unseen := _NEVER_SHOWN.match(source.text, start):  # the next `>`, in whatever follows, ends its tag
            self._hidden = Hidden(unseen[1].lower(), start, len(source.text))
            return unseen.end()
        rest = _BROKEN.match(source.text, start, block_end)
        return source.edit(*rest.span(), "", "hidden") if rest else source.disarm(start, "hidden")

    def _no_tag(self, start: int, tag: Tag | None) -> int:
        """What begins like a tag and is none."""
        if tag is TOO_LONG or self._source.literal(start) or COULD_HIDE.match(self._source.text, start):
            return self._source.disarm(start, "hidden")
        return start + 1

    def _tag(self, start: int, tag: Tag) -> int:
        source, end = self._source, start + tag.length
        in_html = source.layout.html.end_at(start) > 0
        if end > source.block(start)[1] or not (tag.regular or in_html):  # MDX alone takes it for a tag, or nobody
            return start + 1 if tag.harmless else source.disarm(start, "hidden")
        if source.keep_all and not tag.harmless:
            return source.disarm(start, "image" if tag.picture is not None else "hidden")
        if tag.picture is not None:
            words = " ".join(tag.picture.split())
            return source.edit(start, end, f"[image: {words}]{gap(source.text, end)}", "image")
        return self._hide(start, tag) if tag.hides else self._seen(start, tag)

    def _seen(self, start: int, tag: Tag) -> int:
        """Take out of the tag what nobody sees; where one dialect shows it as it is written, all of it stays."""
        if not self._source.layout.doubtful.end_at(start):
            for one in tag.changes:
                self._source.edit(start + one.start, start + one.end, one.shown, one.name)
        if tag.name == "a" and tag.target:
            self._anchor(start + tag.length, tag.target)
        return start + tag.length

    def _anchor(self, end: int, target: str) -> None:
        close = _ANCHOR_END.search(self._source.text, end, end + _ANCHOR_FAR)
        words = _TAGS.sub("", self._source.text[end : close.start()]) if close else ""
        if close and (real := links.misleads(words, target)):
            self._source.edit(close.start(), close.start(), links.leads_to(real), "link")

    # What is not shown

    def _hide(self, start: int, tag: Tag) -> int:
        """Take the element out, or disarm its tag where its end is not sure."""
        source, end = self._source, start + tag.length
        if tag.void:
            return source.edit(start, end, "", "hidden")
        until = self._until(start, tag)
        doubtful = source.layout.doubtful.end_at(start) > 0
        closed_at_once = tag.slashed and (tag.component or source.mdx)
        if doubtful or tag.component or closed_at_once:
            close = self._closers.next(tag.name, end, until)
            if close is None:
                return source.edit(start, end, "", "hidden") if closed_at_once else source.disarm(start, "hidden")
            if doubtful:
                return source.edit(start, close[1], "", "hidden")
        self._hidden = Hidden(tag.name, start, until)
        return self._raw_end(tag, end)

    def _until(self, start: int, tag: Tag) -> int:
        """Where it ends at the latest."""
        seen = self._source.layout
        if doubtful := seen.doubtful.around(start):
            return (seen.html.around(start) or doubtful)[1]
        if ends_with_block(tag.name) and seen.prose:
            return self._source.block(start)[1]
        if (paragraph := seen.prose.around(start)) and ends_with_paragraph(tag.name):
            return paragraph[1]
        return len(self._source.text)

    def _angle_in_hidden(self, hidden: Hidden, start: int) -> int:
        text = self._source.text
        if text[start + 1 : start + 2] in {"!", "?"}:
            end = self._source.find("-->" if text.startswith("<!--", start) else ">", start)
            return end if 0 <= end <= self._source.block(start)[1] else start + 1
        tag = self._tag_at(start)
        doubtful = tag is not None and tag.closing and self._source.layout.doubtful.end_at(start)
        if tag is None or tag is TOO_LONG or doubtful:
            return start + 1
        shown_from = hidden.meet(tag, start)
        if shown_from is not None:
            return self._end(shown_from)
        return start + tag.length if tag.closing else self._raw_end(tag, start + tag.length)

    def _raw_end(self, tag: Tag, end: int) -> int:
        """In a script or a style nothing counts but its closing tag."""
        if tag.name not in RAW:
            return end
        close = self._closers.next(tag.name, end, len(self._source.text))
        return close[0] if close else len(self._source.text)

    def _end(self, end: int) -> int:
        hidden, self._hidden = self._hidden, None
        return self._source.edit(hidden.start, end, "", "hidden") if hidden else end
