"""Markdown and MDX."""

from itertools import accumulate

from markdown_it.token import Token

from servers.documents.formats import front_matter
from servers.documents.formats.blocks import LINES_LIMIT, markdown_blocks, mdx_blocks, too_deep
from servers.documents.formats.inline import Inline
from servers.documents.formats.parsed import Parsed, Section, bounded
from servers.documents.formats.refused import Refused
from servers.documents.formats.sections import Heading, cut
from servers.documents.formats.words import clean, readable, summarised

_TOO_DEEP = "Lists or quotes stand in each other too deep; headings after that may not be found."


def markdown(name: str, source: str, media_type: str) -> Parsed:
    """What is kept of a Markdown or MDX file.

    Raises:
        Refused: `too_large`.
    """
    front, body = front_matter.split(bounded(source))
    text = body.lstrip("\n")
    if text.count("\n") > LINES_LIMIT:
        raise Refused("too_large", f"More than {LINES_LIMIT:,} lines. Split the document into parts.")
    blocks, references = mdx_blocks(text) if media_type == "text/mdx" else markdown_blocks(text)
    reading = Inline(references)
    headings, paragraph = _read(blocks, text, reading)
    first = next((heading.words for heading in headings if heading.level == 1), "")
    return Parsed(
        media_type=media_type,
        title=front.title or first or readable(name),
        summary=front.summary or paragraph,
        text=text,
        sections=cut(text, headings),
        links=tuple(reading.links),
        labels=front.labels,
        notes=(*front.notes, *([_TOO_DEEP] if too_deep(blocks) else [])),
    )


def sections_of(text: str, media_type: str) -> tuple[Section, ...]:
    """The sections of a text without front matter."""
    blocks, references = mdx_blocks(text) if media_type == "text/mdx" else markdown_blocks(text)
    headings, _ = _read(blocks, text, Inline(references))
    return cut(text, headings)


def _read(blocks: list[Token], text: str, reading: Inline) -> tuple[list[Heading], str]:
    """The headings, and the first paragraph that has words, rather one that does not begin with a tag. Headings in
    lists and quotes cut nothing.
    """
    starts = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]
    headings: list[Heading] = []
    paragraph = tagged = ""
    for opening, block in zip([None, *blocks], blocks, strict=False):
        if block.type == "heading_open":
            reading.show()
        if block.type == "html_block":
            reading.read(block.content)
            reading.take()
        if block.type != "inline" or opening is None:
            continue
        reading.read(block.content)
        words = reading.take()
        if opening.type == "heading_open" and opening.level == 0 and opening.map and (heading := clean(words)):
            headings.append(Heading(int(opening.tag[1]), heading, starts[opening.map[0]]))
        elif not paragraph and opening.type == "paragraph_open" and opening.level == 0:
            if block.content.startswith("<"):
                tagged = tagged or summarised(words)
            else:
                paragraph = summarised(words)
    return headings, paragraph or tagged
