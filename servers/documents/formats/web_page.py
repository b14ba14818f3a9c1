"""HTML: what a reader sees, written much like Markdown. Scripts, styles and hidden elements are left out."""

import re

from selectolax.lexbor import LexborHTMLParser, SelectolaxError

from servers.documents.formats.elements import NOT_NESTED
from servers.documents.formats.parsed import Parsed
from servers.documents.formats.refused import Refused
from servers.documents.formats.sections import cut
from servers.documents.formats.seen import Seen
from servers.documents.formats.words import clean, labels, readable, storable, summarised

_DEPTH = 1_000
_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]{0,20})")
_TEXT = "-text"


def web_page(name: str, source: str) -> Parsed:
    """What is kept of an HTML page. Its own word on its encoding does not count, the bytes decided that.

    Raises:
        Refused: `bomb` if elements are nested without measure, `too_large` if it holds too much text.
    """
    _refuse_depth(source)
    page = _parsed(source)
    seen = Seen()
    _walk(page, seen)
    text = storable(seen.text())
    title = clean(_first(page, "head > title")) or next(
        (found.words for found in seen.headings if found.level == 1), ""
    )
    return Parsed(
        media_type="text/html",
        title=title or readable(name),
        summary=summarised(_meta(page, "description")) or seen.paragraph,
        text=text,
        sections=cut(text, seen.headings),
        links=tuple(seen.links),
        labels=labels(_meta(page, "keywords").split(",")[:100]),
    )


def _parsed(source: str) -> LexborHTMLParser:
    try:
        return LexborHTMLParser(source)
    except SelectolaxError:  # every page can be parsed (WHATWG HTML §13.2), except for want of memory
        raise Refused("bomb", "The page grows without measure when it is read. Hand in its text.") from None


def _refuse_depth(source: str) -> None:
    """The standard's algorithm takes quadratic time in the depth of elements (WHATWG HTML §13.2.6)."""
    depth: dict[str, int] = {}
    total = 0
    for tag in _TAG.finditer(source):
        kind = tag[2].lower()
        if kind in NOT_NESTED:
            continue
        before = depth.get(kind, 0)
        depth[kind] = max(before + (-1 if tag[1] else 1), 0)
        total += depth[kind] - before
        if total > _DEPTH:
            raise Refused("bomb", f"Elements are nested more than {_DEPTH:,} deep. Close them, or hand in the text.")


def _walk(page: LexborHTMLParser, seen: Seen) -> None:
    """Depth first, without recursion: pages may be nested deeper than Python's stack."""
    node, depth = page.body, 0
    while node is not None:
        if node.tag == _TEXT:
            seen.say(node.text_content or "")
        elif seen.enter(node.tag or "", node.attributes):
            if (child := node.first_child) is not None:
                node, depth = child, depth + 1
                continue
            seen.leave(node.tag or "")
        while depth and node is not None and node.next is None:
            node, depth = node.parent, depth - 1
            seen.leave((node.tag if node is not None else None) or "")
        node = node.next if depth and node is not None else None


def _first(page: LexborHTMLParser, selector: str) -> str:
    found = page.css_first(selector)
    return found.text() if found is not None else ""


def _meta(page: LexborHTMLParser, name: str) -> str:
    found = page.css_first(f'meta[name="{name}" i]')
    return (found.attributes.get("content") if found is not None else None) or ""
