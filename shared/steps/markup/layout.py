"""Where a reader of a document sees code, where prose, and where HTML, by CommonMark and, if it is MDX, by both.

Dialects disagree: MDX knows no indented code and no blocks of HTML, so that a fence right under a component is code
there and HTML in CommonMark. Code is what all agree is code; the rest is read as prose, and marked as doubtful where
one of them shows it as it is written.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from shared.steps.markup.ranges import Ranges
from shared.steps.markup.spans import spans_in

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_KINDS = {"inline": "prose", "fence": "code", "code_block": "code", "html_block": "html"}
INFO_MAX = 100
"""Characters of what is written behind a fence: the language and, in some dialects, a title."""
LINES_MAX = 100_000
"""Of documents whose code is looked for; parsing takes up to 30 µs a line. In a longer one nothing counts as code, and
what has an end is taken out."""

_SIGNS_OF_MDX = re.compile(r"\{\s{0,20}/\*|^[ \t]*</?[A-Z][\w.]*[\s/>]|^(?:import|export)\s", re.MULTILINE)
_WEB_PAGE = re.compile(r"\s{0,99}(?:<!doctype\s|<html[\s>]|<\?xml)", re.IGNORECASE)
_FRONT_MATTER = re.compile(r"---[ \t]*\n(?:(?!---)[^\n]*\n){0,200}---[ \t]*(?:\n|\Z)")
_CELL_ENDS = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True, slots=True)
class Definition:
    """Lines that say where a label leads. The label is as CommonMark compares it, empty for one that comes too late."""

    label: str
    target: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Ranges of one text.

    Attributes:
        code: Blocks of code, with their fences.
        prose: Paragraphs, headings, cells of tables: what backticks can enclose code in.
        html: Where HTML stands as it is written.
        doubtful: Where one dialect shows as code what another does not.
        mdx: MDX was heard too.
        unseen: Cells beyond the columns of their table, and more words behind a fence than a title has.
        definitions: Of links that may be used by their labels.
    """

    code: Ranges = field(default_factory=Ranges)
    prose: Ranges = field(default_factory=Ranges)
    html: Ranges = field(default_factory=Ranges)
    doubtful: Ranges = field(default_factory=Ranges)
    mdx: bool = False
    unseen: tuple[tuple[int, int], ...] = ()
    definitions: tuple[Definition, ...] = ()


def layout(text: str) -> Layout:
    """As CommonMark has it, with tables."""
    if text.count("\n") > LINES_MAX:
        whole = Ranges([(0, len(text))])
        return Layout(html=whole, doubtful=whole)
    if _WEB_PAGE.match(text):
        return Layout(html=Ranges([(0, len(text))]))
    from shared.steps.markup.dialects import COMMONMARK  # noqa: PLC0415 - see there

    return _with_front_matter(text, _Parsed(text, COMMONMARK).layout())


def could_be_mdx(text: str) -> bool:
    return bool(_SIGNS_OF_MDX.search(text))


def also_as_mdx(text: str, seen: Layout) -> Layout:
    """The layout, where MDX agrees with it; what MDX has otherwise is doubtful."""
    if text.count("\n") > LINES_MAX or _WEB_PAGE.match(text):
        return seen
    from shared.steps.markup.dialects import MDX  # noqa: PLC0415 - see there

    also = _Parsed(text, MDX).layout()
    in_html = (place for start, end in also.prose & seen.html for place in spans_in(text, start, end))
    doubtful = (seen.code - also.code) | (also.code - seen.code) | Ranges(in_html)
    prose = (seen.prose & also.prose) | (also.prose & seen.code)
    return replace(seen, code=seen.code & also.code, prose=prose, doubtful=seen.doubtful | doubtful, mdx=True)


def _with_front_matter(text: str, seen: Layout) -> Layout:
    found = _FRONT_MATTER.match(text)
    if found is None:
        return seen
    front = Ranges([found.span()])
    return replace(seen, prose=seen.prose - front, html=seen.html - front, doubtful=front - seen.code)


class _Parsed:
    """One text as one dialect reads it, by line."""

    def __init__(self, text: str, dialect: "MarkdownIt") -> None:
        self.text = text
        self.env: dict[str, Any] = {}
        self.tokens: Sequence[Token] = dialect.parse(text, self.env)
        self.lines = [0, *(found.end() for found in re.finditer("\n", text)), len(text)]
        self.places: dict[str, list[tuple[int, int]]] = {"code": [], "prose": [], "html": [], "unseen": []}

    def layout(self) -> Layout:
        rows: list[tuple[int, int]] | None = None
        for token in self.tokens:
            name = _KINDS.get(token.type)
            if token.type == "table_open":
                rows = []
            elif token.type == "tr_open" and rows is not None:
                rows.append(self.place(token.map))
            elif token.type == "table_close" and rows is not None:
                self.table([cells_of(self.text, row) for row in rows])
                rows = None
            elif name and not (name == "prose" and rows is not None):
                self.places[name].append(self.place(token.map))
                if token.type == "fence" and len(token.info) > INFO_MAX:
                    self.fence(token)
        places = self.places
        return Layout(
            code=Ranges(places["code"]),
            prose=Ranges(places["prose"]),
            html=Ranges(places["html"]),
            unseen=tuple(places["unseen"]),
            definitions=tuple(self.definitions()),
        )

    def place(self, lines: Sequence[int] | None) -> tuple[int, int]:
        return (self.lines[lines[0]], self.lines[lines[1]]) if lines else (0, 0)

    def fence(self, token: "Token") -> None:
        """What is written behind the fence, after its first word."""
        start, end = self.place(token.map)
        info = self.text.find(token.info.strip(), start, end)
        words = token.info.split(None, 1)
        if info >= 0 and len(words) > 1:
            self.places["unseen"].append((info + len(words[0]), info + len(token.info.strip())))

    def table(self, rows: Sequence[Sequence[tuple[int, int]]]) -> None:
        self.places["prose"] += _safe(self.text, rows)
        for row in rows[1:]:
            for start, end in row[len(rows[0]) :]:
                ends_line = self.text[end - 1 : end] == "\n"
                self.places["unseen"].append((start, end - 1 if ends_line else end + 1))

    def definitions(self) -> Iterable[Definition]:
        for label, found in self.env.get("references", {}).items():
            yield Definition(label, found["href"], *self.place(found["map"]))
        for found in self.env.get("duplicate_refs", []):
            yield Definition("", found["href"], *self.place(found["map"]))


def cells_of(text: str, row: tuple[int, int]) -> list[tuple[int, int]]:
    """Where the cells of a row are; bars in front of the first and after the last are no cells."""
    ends = [found.start() for found in _CELL_ENDS.finditer(text, *row)]
    edges = [row[0] - 1, *ends, row[1]]
    cells = [(before + 1, after) for before, after in pairwise(edges)]
    if ends and not text[row[0] : ends[0]].strip(" \t>"):
        del cells[0]
    if ends and cells and not text[ends[-1] + 1 : row[1]].strip():
        del cells[-1]
    return cells


def _safe(text: str, cells: Sequence[Sequence[tuple[int, int]]]) -> list[tuple[int, int]]:
    """The cells, if backticks pair up in each of them: else a reader without tables would pair them across cells."""
    flat = [cell for row in cells for cell in row]
    for start, end in flat:
        if "`" in text[start:end]:
            left = list(text[start:end])
            for first, last in spans_in(text, start, end):
                left[first - start : last - start] = " " * (last - first)
            if "`" in "".join(left).replace("\\`", ""):
                return []
    return flat
