"""Comments: of HTML, with what browsers take for one, and of MDX."""

import re

from shared.steps.markup.source import Source

BRACES = r"\{(?=\s{0,20}/[*/])"
"""What a comment of MDX begins with."""

_BLOCK = re.compile(r"\{\s{0,20}/\*")
_LINE = re.compile(r"\{\s{0,20}//[^\n]{0,2000}+(?:\n\s*+\}|\n)")
_CLOSED = re.compile(r"\s*+\}")
_EMPTY = re.compile(r"<!--?-?>")


def after_comment(source: Source, start: int) -> int:
    """Takes out the comment, declaration or instruction that `<!` or `<?` begins; where it goes on.

    One that does not end in its paragraph is none in CommonMark; one that does not end in its block of HTML goes on.
    """
    html = source.layout.html.around(start)
    mark = None if source.keep_all else _mark(source.text, start, in_html=html is not None)
    if mark is None:
        return source.disarm(start, "hidden") if source.keep_all else start + 1
    end = _end(source, start, mark)
    return source.disarm(start, "hidden") if end is None else source.edit(start, end, "", "hidden")


def _end(source: Source, start: int, mark: str) -> int | None:
    """Where what `mark` ends is over; None if it is not sure to be a comment."""
    if empty := _EMPTY.match(source.text, start):
        return empty.end()
    layout, end = source.layout, source.find(mark, start + 2)
    block = layout.html.around(start) or layout.prose.around(start) or layout.doubtful.around(start)
    last = (block or source.block(start))[1]
    if 0 <= end <= last or not source.literal(start):
        return end if 0 <= end <= last else None
    if mark == "-->":
        return end if end >= 0 else len(source.text)
    end = source.find(">", start + 2)
    return end if 0 <= end <= last else last


def _mark(text: str, start: int, *, in_html: bool) -> str | None:
    """What ends it; None if it is nothing."""
    if text.startswith("<!--", start):
        return "-->"
    if text.startswith("<![CDATA[", start):
        return "]]>"
    if text.startswith("<?", start) and not in_html:
        return "?>"
    return ">" if in_html or text[start + 2 : start + 3].isalpha() else None


def after_braces(source: Source, start: int) -> int:
    """Takes out `{/* … */}` and `{// …`; where it goes on. What else is in the braces is an expression, and stays."""
    text = source.text
    if _BLOCK.match(text, start):
        end = source.find("*/", start)
        if end < 0:
            return start + 1
        closed = _CLOSED.match(text, end)
        begin, end = (start, closed.end()) if closed else (text.index("/*", start), end)
    else:
        line = _LINE.match(text, start)
        if line is None:
            return start + 1
        whole = line[0].endswith("}")
        begin, end = (start, line.end()) if whole else (text.index("//", start), line.end() - 1)
    return source.disarm(start, "hidden") if source.keep_all else source.edit(begin, end, "", "hidden")
