"""Markdown and MDX taken apart into blocks by markdown-it, whose time grows with the number of lines alone.

MDX is Markdown with three differences (https://mdxjs.com/docs/what-is-mdx/): indented lines are no code, a tag is
part of a paragraph and hides no Markdown after it, and `import`, `export` and `{/* comments */}` are not text.
"""

import re
from bisect import bisect_left
from collections.abc import Callable
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.token import Token

_NESTING_LIMIT = 40
LINES_LIMIT = 200_000
"""Lines of a document: what bounds the time."""

_MODULE = re.compile(
    r"import\s*(?:[\"'{*]|[\w$]+\s*(?:,|from\b))|export\s*(?:[{*]|(?:const|let|var|function|class|default|async)\b)"
)
_CLOSED_BY = {
    "<!--": re.compile(r"-->"),
    "{/*": re.compile(r"\*/\}"),
    "<script": re.compile(r"</script\s{0,9}>", re.IGNORECASE),
    "<style": re.compile(r"</style\s{0,9}>", re.IGNORECASE),
}


def markdown_blocks(text: str) -> tuple[list[Token], dict[str, str]]:
    """The blocks of CommonMark with tables, and the targets of its link references by their names."""
    return _parsed(_MARKDOWN, text)


def mdx_blocks(text: str) -> tuple[list[Token], dict[str, str]]:
    """The same of MDX."""
    return _parsed(_MDX, text)


def too_deep(blocks: list[Token]) -> bool:
    """Whether lists or quotes stand in each other about 20 deep: what follows in them was then left out."""
    return any(block.level >= _NESTING_LIMIT - 1 for block in blocks)


def _parsed(parser: MarkdownIt, text: str) -> tuple[list[Token], dict[str, str]]:
    env: dict[str, Any] = {}
    tokens = parser.parse(text, env)
    return tokens, {name: found["href"] for name, found in env.get("references", {}).items()}


def _hidden(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """What begins like a comment or a script and is closed somewhere is no text."""
    at = state.bMarks[start] + state.tShift[start]
    opening = next((opening for opening in _CLOSED_BY if state.src.startswith(opening, at)), None)
    closed = _closed(state, opening, at) if opening else None
    if closed is None or closed > state.eMarks[end - 1]:
        return False
    line = bisect_left(state.eMarks, closed)
    if state.src[closed : state.eMarks[line]].strip():
        return False  # text follows on the line: part of a paragraph
    if not silent:
        state.line = line + 1
    return True


def _closed(state: StateBlock, opening: str, at: int) -> int | None:
    """Where it is closed. Asked for each of many that nothing closes, so the text is gone through only once."""
    known: dict[str, tuple[int, int | None]] = state.env.setdefault("closed", {})
    since, end = known.get(opening, (at + 1, None))
    if at < since or (end is not None and end <= at):
        found = _CLOSED_BY[opening].search(state.src, at)
        end = found.end() if found else None
        known[opening] = (at, end)
    return end


def _module(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """`import` and `export` at the beginning of a line of the document, up to a blank line outside of brackets."""
    if silent or state.level or state.tShift[start] or _MODULE.match(state.src, state.bMarks[start]) is None:
        return False
    line, depth, first_blank = start, 0, end
    while line < end and (depth > 0 or not state.isEmpty(line)):
        if state.isEmpty(line):
            first_blank = min(first_blank, line)
            if "unbalanced" in state.env:
                break
        source = state.src[state.bMarks[line] : state.eMarks[line]]
        depth += sum(source.count(char) for char in "{[(") - sum(source.count(char) for char in "}])")
        line += 1
    if depth > 0:
        state.env["unbalanced"] = True  # going to the end for each of many would take quadratic time
        line = first_blank
    state.line = line
    return True


def _parser(adjust: Callable[[MarkdownIt], Any]) -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"maxNesting": _NESTING_LIMIT}).enable("table")
    parser.core.ruler.enableOnly(["block"])  # the inside of paragraphs is read in `inline.py`
    parser.normalizeLink = _as_written
    adjust(parser)
    return parser


def _as_written(url: str) -> str:
    return url


def _mdx(parser: MarkdownIt) -> None:
    parser.disable(["code", "html_block"])
    parser.block.ruler.before("table", "module", _module)
    parser.block.ruler.before("paragraph", "hidden", _hidden, {"alt": ["paragraph"]})


_MARKDOWN = _parser(lambda _: None)
_MDX = _parser(_mdx)
