"""What is kept of a file, and how much of it at most."""

from dataclasses import dataclass

from servers.documents.formats.refused import Refused

TEXT_LIMIT = 5_000_000
"""Characters of text."""
SECTIONS_LIMIT = 5_000
LINKS_LIMIT = 2_000
LABELS_LIMIT = 20
HEADING_LIMIT = 300
"""Characters of a heading or a title."""
SUMMARY_LIMIT = 300
TARGET_LIMIT = 2_000
LABEL_LIMIT = 50


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands under it, up to the next heading of any level.

    The sections of a document are in order and tile its text: each starts where the one before it ends.

    Attributes:
        number: Its place, from 0.
        level: Of the heading, 1 to 6; 0 for what stands before the first heading.
        heading: Its plain words; empty at level 0.
        anchor: Unique in the document. As on GitHub: `getting-started`, the next of that name `getting-started-1`;
            `top` at level 0.
        start: Where it starts, in characters of `Parsed.text`, with its heading.
        end: Where it ends.
    """

    number: int
    level: int
    heading: str
    anchor: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Link:
    """A link as it is written: relative targets stay relative. Pictures are not links."""

    target: str
    text: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """What is kept of a file besides its bytes.

    Titles, summaries, headings, labels and links hold no control characters, and nothing that is not seen.

    Attributes:
        media_type: What it is; one of `kinds.MEDIA_TYPES`.
        title: From the front matter, else the first heading of level 1, `<title>` or the information in a PDF,
            else a readable form of the file's name. Never empty.
        summary: From the front matter, else the first paragraph; cut at a word; may be empty.
        text: What `sections` are ranges of, its lines ended by line feeds. The file's own text for Markdown, MDX and
            plain text, *without the front matter*; readable text, much like Markdown, for HTML; that of the pages
            for PDF; None for pictures. May be empty, e.g. for a PDF of scanned pages.
        sections: At least one, unless there is no text.
        links: The first 2,000 different ones, in order.
        labels: `tags`, `labels` and `keywords` of the front matter: lower case, joined by hyphens.
        notes: What was odd about the file, for whoever handed it in.
    """

    media_type: str
    title: str
    summary: str
    text: str | None
    sections: tuple[Section, ...]
    links: tuple[Link, ...]
    labels: tuple[str, ...]
    notes: tuple[str, ...] = ()


def bounded(text: str) -> str:
    """The text, if it is not longer than we keep.

    Raises:
        Refused: It is.
    """
    if len(text) > TEXT_LIMIT:
        message = f"{len(text):,} characters of text; at most {TEXT_LIMIT:,} are kept. Split the document into parts."
        raise Refused("too_large", message)
    return text
