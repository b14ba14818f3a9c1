"""What a reader of a rendered page sees, by other means than ours: CommonMark rendered in full, then parsed as HTML."""

import re
from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token
from selectolax.lexbor import LexborHTMLParser, LexborNode

_MARKDOWN = MarkdownIt("commonmark").enable("table")
_NOT_SHOWN = frozenset({
    "script", "style", "template", "noscript", "head", "title", "iframe", "object", "svg", "noembed", "noframes",
    "datalist", "canvas", "audio", "video", "rp",
})  # fmt: skip
_HIDING = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|opacity\s*:\s*0(?![.\d])|font-size\s*:\s*0", re.IGNORECASE
)
_INLINE = frozenset({"b", "i", "em", "strong", "a", "span", "code", "sub", "sup", "kbd"})
_RUNS = re.compile(r"\s*(?:javascript|data|file|vbscript):", re.IGNORECASE)


def _elements(node: LexborNode) -> Iterator[LexborNode]:
    child = node.child
    while child is not None:
        yield child
        child = child.next


def _page(text: str) -> LexborNode:
    body = LexborHTMLParser("<!doctype html><body>" + _MARKDOWN.render(text)).body
    assert body is not None
    return body


def _hides(node: LexborNode) -> bool:
    given = node.attributes
    return node.tag in _NOT_SHOWN or "hidden" in given or bool(_HIDING.search(given.get("style") or ""))


def visible(text: str) -> str:
    """The words on the page, with those of its pictures."""
    shown: list[str] = []

    def walk(node: LexborNode) -> None:
        for child in _elements(node):
            if child.tag == "-text":
                shown.append(child.text_content or "")
            elif child.tag == "img":
                shown.append(f" {child.attributes.get('alt') or ''} ")
            elif child.tag and not child.tag.startswith(("-", "_", "!")) and not _hides(child):
                walk(child)
                shown.append("" if child.tag in _INLINE else " ")

    walk(_page(text))
    return "".join(shown)


def dangers(text: str) -> list[str]:
    """What is on the page and not seen, or is fetched, or runs. Titles of components are words that MDX shows."""
    found: list[str] = []

    def walk(node: LexborNode) -> None:
        for child in _elements(node):
            tag = child.tag or ""
            if "comment" in tag or tag == "img" or (tag and not tag.startswith(("-", "_")) and _hides(child)):
                found.append(tag)
            if not tag.startswith(("-", "_", "!")):
                for name, value in child.attributes.items():
                    handler = name.startswith("on") and len(name) > 4
                    leads = name == "href" and _RUNS.match(value or "")
                    if handler or leads or name in {"srcset", "srcdoc", "poster"}:
                        found.append(f"{tag} {name}")
                walk(child)

    walk(_page(text))
    return found


def code(text: str) -> list[str]:
    """All blocks and spans of code."""

    def of(tokens: list[Token]) -> Iterator[str]:
        for token in tokens:
            if token.type in {"fence", "code_block", "code_inline"}:
                yield token.content
            yield from of(token.children or [])

    return list(of(_MARKDOWN.parse(text)))
