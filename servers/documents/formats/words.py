"""Words fit to be shown in a list: one line, nothing unseen, not too long."""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from servers.documents.formats.parsed import HEADING_LIMIT, LABEL_LIMIT, LABELS_LIMIT, SUMMARY_LIMIT

_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"  # controls
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # direction, width, joining
    "\ud800-\udfff\U000e0000-\U000e0fff]"  # halves of characters, tags
)
_NOT_STORED = re.compile("[\x00\ud800-\udfff]")
_GAP = re.compile(r"(?<!\d)[-_]+|[-_]+(?!\d)")
_NOT_LABEL = re.compile(r"[^\w.+#/]+")
_SLUG_DROPS = re.compile(r"[^\w\- ]")


def clean(text: str, limit: int = HEADING_LIMIT) -> str:
    """The text on one line, without what is not seen, cut at a word if it is longer than the limit."""
    # Only so much of the input can end up in the answer; what is not seen may be long.
    line = " ".join(_UNSEEN.sub("", text[: limit * 20]).split())
    if len(line) <= limit:
        return line
    head = line[:limit]
    cut = head[: limit - 1].rsplit(" ", 1)[0] if " " in head[limit // 2 : limit - 1] else head[: limit - 1]
    return cut.rstrip(" ,;:.-") + "…"


def summarised(text: str) -> str:
    return clean(text, SUMMARY_LIMIT)


def storable(text: str) -> str:
    """The text without what a database or UTF-8 cannot hold."""
    return _NOT_STORED.sub("\ufffd", text)


def labels(found: Iterable[str]) -> tuple[str, ...]:
    """`Getting Started` → `getting-started`; the first 20 different ones."""
    words = (_NOT_LABEL.sub("-", clean(label, 4 * LABEL_LIMIT).lower()).strip("-")[:LABEL_LIMIT] for label in found)
    return tuple(dict.fromkeys(word for word in words if word))[:LABELS_LIMIT]


def readable(name: str) -> str:
    """The name of a file as a title: `docs/getting-started.mdx` → `Getting started`, `2025-11-25.md` as it is."""
    file = PurePosixPath(name.replace("\\", "/")).name
    stem = PurePosixPath(file).stem or file
    stem = clean(stem)
    title = clean(_GAP.sub(" ", stem)) or stem
    return (title[0].upper() + title[1:] if title.islower() else title) or "Untitled"


def slug(heading: str) -> str:
    """As GitHub makes anchors of headings; `section` for one without a letter or digit."""
    return _SLUG_DROPS.sub("", heading.lower()).replace(" ", "-") or "section"
