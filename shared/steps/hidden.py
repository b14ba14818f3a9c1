"""What a browser would not show of a text with HTML in it.

No parser: a parser gives a tree and loses how the text was written, and text that only looks like HTML must stay
as it is. Every expression is bounded, so that the time is linear in the text.
"""

import re
from html import unescape

_TAG = re.compile(
    r"<(?P<end>/?)(?P<name>[a-z][a-z0-9:-]{0,30}+)"
    r"""(?P<given>(?=[\s/>])(?:[^<>"']++|"[^"]{0,300}+"|'[^']{0,300}+'){0,12}+)>"""
    r"|<!--|<(?:!|\?)[^<>-][^<>]{0,300}+>",
    re.IGNORECASE,
)
_UNSEEN_TAGS = frozenset(
    {"script", "style", "template", "noscript", "head", "title", "iframe", "object", "svg", "math"}
)
_VOID_TAGS = frozenset({"area", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"})
_QUOTED = re.compile(r""""[^"]*+"|'[^']*+'""")
_HIDDEN = re.compile(r"(?:^|[\s/])hidden(?=[\s=/]|$)", re.IGNORECASE)
_STYLE = re.compile(r"""(?:^|[\s/"'])style\s{0,9}=\s{0,9}("[^"]*+"|'[^']*+'|[^\s>]++)""", re.IGNORECASE)
_CSS_COMMENT = re.compile(r"/\*.*?\*/|\s+", re.DOTALL)
_UNSEEN_STYLE = re.compile(
    r"display:none|visibility:(?:hidden|collapse)|opacity:0(?![.\d]*[1-9])|font-size:0(?![.\d]*[1-9])"
    r"|(?:^|;)(?:max-)?(?:height|width):0(?:px|;|$)|(?:^|;)color:(?:transparent|white|#fff(?:fff)?)(?:;|!|$)"
    r"|(?:left|top|right|text-indent):-\d{3,}"
)


def without_hidden(text: str) -> str:
    """The text without comments and without elements that show nothing; the text itself where there are none."""
    shown: list[str] = []
    at = 0
    while (found := _TAG.search(text, at)) is not None:
        end = _end(text, found)
        if end is None:
            shown.append(text[at : found.end()])
            at = found.end()
        else:
            shown.append(text[at : found.start()])
            at = end
    return "".join(shown) + text[at:]


def _end(text: str, found: re.Match[str]) -> int | None:
    """Where what this tag hides ends; None if it hides nothing."""
    name = (found["name"] or "").lower()
    if not name:
        return _comment_end(text, found)
    if found["end"] or not _hides(name, found["given"]):
        return None
    if name in _VOID_TAGS or found["given"].rstrip().endswith("/"):
        return found.end()
    return _element_end(text, name, found.end())


def _comment_end(text: str, found: re.Match[str]) -> int:
    if found[0] != "<!--":
        return found.end()
    end = text.find("-->", found.end())
    return len(text) if end < 0 else end + 3


def _element_end(text: str, name: str, start: int) -> int:
    """After its closing tag; a browser lets an element that is never closed run to the end."""
    depth = 1
    for inner in re.compile(rf"<(/?){name}(?=[\s/>])[^<>]{{0,300}}+>", re.IGNORECASE).finditer(text, start):
        depth += -1 if inner[1] else 1
        if depth == 0:
            return inner.end()
    return len(text)


def _hides(name: str, given: str) -> bool:
    if name in _UNSEEN_TAGS or _HIDDEN.search(_QUOTED.sub('""', given)):
        return True
    style = _STYLE.search(given)
    return style is not None and bool(
        _UNSEEN_STYLE.search(_CSS_COMMENT.sub("", unescape(style[1].strip("\"'"))).lower())
    )
