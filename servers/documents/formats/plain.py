"""The visible words of Markdown, for a search index."""

import re

from markdown_it.token import Token

from servers.documents.formats.blocks import LINES_LIMIT, mdx_blocks, too_deep
from servers.documents.formats.inline import Inline
from servers.documents.formats.words import storable

_BLANKS = re.compile(r"[^\S\n]+")
_LINES = re.compile(r"\n\s*")


def plain(markdown: str) -> str:
    """The words a reader of this piece of Markdown or MDX sees, a line for each block: no markup, no targets of links,
    no comments, nothing hidden; code is kept. Takes time in proportion to its length.
    """
    blocks, references = mdx_blocks(markdown) if markdown.count("\n") <= LINES_LIMIT else (None, {})
    reading = Inline(references)
    if blocks is None or too_deep(blocks):
        reading.read(markdown)  # at least its words
    else:
        _read(blocks, reading)
    return storable(_LINES.sub("\n", _BLANKS.sub(" ", reading.take())).strip())


def _read(blocks: list[Token], reading: Inline) -> None:
    for block in blocks:
        if block.type == "inline":
            reading.read(block.content)
        elif block.type == "fence":
            reading.verbatim(block.content)
        elif block.type == "heading_open":
            reading.show()  # a tag left open must not hide the rest of a document
        reading.verbatim("\n")
