"""Plain text and the Atlassian Document Format (https://developer.atlassian.com/cloud/jira/platform/apis/document/)."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

__all__ = ["document", "text"]

_DEEPEST = 40
_LONGEST = 200_000
_BLOCKS = {
    *("paragraph", "heading", "codeBlock", "blockquote", "panel", "rule", "listItem", "taskItem", "decisionItem"),
    *("tableRow", "mediaSingle", "mediaGroup", "expand", "nestedExpand", "table"),
}
"""What stands on lines of its own."""


def document(plain: str) -> dict[str, Any]:
    """The text, a paragraph for what stands between empty lines."""
    paragraphs = plain.replace("\r\n", "\n").split("\n\n")
    return {"type": "doc", "version": 1, "content": [_paragraph(each) for each in paragraphs]}


def _paragraph(plain: str) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    for place, line in enumerate(plain.split("\n")):
        content += [{"type": "hardBreak"}] if place else []
        content += [{"type": "text", "text": line}] if line else []
    return {"type": "paragraph", "content": content}


def text(node: Mapping[str, Any] | None) -> str:
    """What a document says, without how it looks; a name stands for what is no text."""
    if node is None:
        return ""
    pieces: list[str] = []
    length = 0
    for piece in _pieces(node, 0):
        pieces.append(piece)
        length += len(piece)
        if length > _LONGEST:
            break
    lines = "".join(pieces)[:_LONGEST].split("\n")
    return "\n".join(line.rstrip() for line in lines).strip("\n")


def _pieces(node: Mapping[str, Any], depth: int) -> Iterator[str]:
    kind = str(node.get("type"))
    if depth > _DEEPEST:
        yield "…"
        return
    if kind == "text":
        yield str(node.get("text", ""))
    elif kind == "hardBreak":
        yield "\n"
    elif (named := _named(node)) is not None:
        yield named
    if kind == "listItem":
        yield "- "
    content = node.get("content")
    for inner in cast("list[object]", content) if isinstance(content, list) else ():
        if isinstance(inner, Mapping):
            yield from _pieces(cast("Mapping[str, Any]", inner), depth + 1)
    if kind in _BLOCKS:
        yield "\n" if kind in {"listItem", "tableRow", "taskItem"} else "\n\n" if depth == 1 else "\n"


def _named(node: Mapping[str, Any]) -> str | None:
    """What stands for a node whose words are its attributes."""
    given = node.get("attrs")
    attributes = cast("Mapping[str, Any]", given if isinstance(given, Mapping) else {})
    match node.get("type"):
        case "mention" | "status" | "emoji":
            return str(attributes.get("text") or attributes.get("shortName") or "")
        case "inlineCard" | "blockCard" | "embedCard":
            return str(attributes.get("url", ""))
        case "media" | "mediaInline":
            return "[attachment]"
        case "rule":
            return "---"
        case _:
            return None
