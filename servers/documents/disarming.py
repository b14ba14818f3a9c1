"""Text as it may be shown to a model, made once, when it is written: what hides in a document, and what leads out of
it, is told only by the whole.
"""

from collections.abc import Callable
from dataclasses import replace

from servers.documents.formats.markdown import sections_of
from servers.documents.formats.parsed import Parsed, Section
from shared.steps.untrusted import neutralise_document, neutralise_shown

Found = tuple[str, ...]

_MARKUP = {"text/markdown", "text/mdx", "text/html"}


def disarmed(parsed: Parsed) -> tuple[Parsed, Found]:
    """The same document with safe text, cut anew, and what was found in it (`shared.steps.untrusted`)."""
    if not parsed.text:
        return parsed, ()
    if parsed.media_type in _MARKUP:
        text, found = neutralise_document(parsed.text)
        same = text == parsed.text
        sections = parsed.sections if same else sections_of(text, parsed.media_type)
        return replace(parsed, text=text, sections=sections), found
    return _by_section(parsed, neutralise_shown)


def _by_section(parsed: Parsed, shown: Callable[[str], tuple[str, Found]]) -> tuple[Parsed, Found]:
    """Sections may be pages, which no heading cuts: each keeps its own."""
    text = parsed.text or ""
    pieces: list[str] = []
    sections: list[Section] = []
    found: dict[str, None] = {}
    at = 0
    for section in parsed.sections:
        piece, here = shown(text[section.start : section.end])
        found |= dict.fromkeys(here)
        sections.append(replace(section, start=at, end=at + len(piece)))
        pieces.append(piece)
        at += len(piece)
    return replace(parsed, text="".join(pieces), sections=tuple(sections)), tuple(found)
