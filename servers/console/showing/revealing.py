"""Other people's text for a page: nothing in it that a reader would not see, or that would move what they see."""

import re
import unicodedata
from typing import Any

from markupsafe import Markup, escape

_UNSEEN = re.compile(
    # Controls but tab and line feed; soft hyphen; fillers of Hangul and Braille; zero width, bidi, invisible operators;
    # variation selectors; interlinear marks; tags; private use; noncharacters; lone surrogates.
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    r"\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\ud800-\udfff\ue000-\uf8ff"
    r"\U000e0000-\U000e0fff\U000f0000-\U0010ffff]"
)
_PICTURED = re.compile(
    r"(?<=[\u00a9-\u3299\U0001f000-\U0001faff])(?:\ufe0f|\u200d(?=[\u2190-\u2bff\U0001f000-\U0001faff]))"
)
_KEPT = "\uf8f0"


def revealed(text: str) -> Markup:
    """The text, escaped, with each invisible or bidirectional control character shown as its name in a mark of its own.

    Those that put an emoji together are left where they are.
    """
    pictures: list[str] = []

    def aside(match: "re.Match[str]") -> str:
        pictures.append(match[0])
        return _KEPT

    plain = _PICTURED.sub(aside, text.replace(_KEPT, "\ue000"))
    parts: list[Markup] = []
    at = 0
    for match in _UNSEEN.finditer(plain):
        parts.append(escape(plain[at : match.start()]))
        parts.append(escape(pictures.pop(0)) if match[0] == _KEPT else _mark(match[0]))
        at = match.end()
    return Markup("").join([*parts, escape(plain[at:])])


def shortened(text: str, length: int) -> str:
    """The text on one line, cut at a word if it is longer."""
    line = " ".join(text.split())
    if len(line) <= length:
        return line
    return (
        line[: length - 1].rpartition(" ")[0].rstrip(",;:") + " …" if " " in line[: length - 1] else line[:length] + "…"
    )


def as_text(value: Any) -> str:
    """A scalar as people write it."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _mark(character: str) -> Markup:
    name = unicodedata.name(character, "unnamed character").lower()
    return Markup('<span class="unseen" title="{}">U+{:04X}</span>').format(name, ord(character))
