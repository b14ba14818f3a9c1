"""Plain text: its words are its text, and nothing in it is markup."""

import re

from servers.documents.formats.parsed import Parsed, bounded
from servers.documents.formats.sections import cut
from servers.documents.formats.words import readable, summarised

_BLANK_LINE = re.compile(r"\n[^\S\n]*\n")


def plain_text(name: str, source: str) -> Parsed:
    """What is kept of a text file: one section.

    Raises:
        Refused: `too_large`.
    """
    text = bounded(source)
    first = _BLANK_LINE.split(text.lstrip(), maxsplit=1)[0]
    return Parsed("text/plain", readable(name), summarised(first), text, cut(text, []), (), ())
