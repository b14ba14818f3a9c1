"""PDF: the text of its pages, and its outline. Scripts, forms, pictures and attachments are not looked at."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any, cast

from pypdf import PdfReader, apply_configuration
from pypdf.errors import LimitReachedError
from pypdf.generic import DictionaryObject

from servers.documents.formats.parsed import TEXT_LIMIT, Parsed
from servers.documents.formats.refused import Refused
from servers.documents.formats.sections import Heading, cut
from servers.documents.formats.words import clean, readable, storable, summarised

PAGES_LIMIT = 2_000
_OUTLINE_LIMIT = 5_000
_DEEPEST = 6
_FIRST_LINES = 1_000
_LIMITS: dict[str, Any] = {
    "zlib_maximum_output_length": 30_000_000,
    "lzw_maximum_output_length": 30_000_000,
    "run_length_maximum_output_length": 30_000_000,
    "array_based_stream_maximum_output_length": 30_000_000,
    "stream_decoding_work_maximum_length": 60_000_000,
    "stream_parsing_work_maximum_count": 1_000_000,
    "page_tree_maximum_entries": 20_000,
    "page_tree_maximum_page_entries": 200_000,
    "outline_maximum_entries": 10_000,
    "xform_maximum_invocations_per_extraction": 1_000,
    "jbig2dec_binary": None,  # no other program is started for pictures that are not looked at
}
# Its warnings quote the document, which has no place in logs.
logging.getLogger("pypdf").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class _Read:
    """What the library finds in a file.

    Attributes:
        title: As the file's information has it, or empty.
        subject: The same.
        pages: The text of each.
        outline: Level, title and number of the page of each entry.
        active: Whether something in it is run when it is opened.
    """

    title: str
    subject: str
    pages: list[str]
    outline: list[tuple[int, str, int]]
    active: bool


def pdf(name: str, data: bytes) -> Parsed:
    """What is kept of a PDF: a section for each entry of its outline, else for each page.

    Raises:
        Refused: `encrypted`, `bomb`, `too_large` or `broken`.
    """
    found = _read(data)
    starts = [0]
    for page in found.pages:
        starts.append(starts[-1] + len(page))
    text = "".join(found.pages)
    headings = _headings(found.outline, text, starts)
    first = next((words for page in found.pages if (words := summarised(page[:_FIRST_LINES].partition("\n\n")[0]))), "")
    return Parsed(
        media_type="application/pdf",
        title=clean(found.title) or readable(name),
        summary=summarised(found.subject) or first,
        text=text,
        sections=cut(text, headings or [Heading(1, f"Page {n}", start) for n, start in enumerate(starts[:-1], 1)]),
        links=(),
        labels=(),
        notes=tuple(_notes(found)),
    )


def _notes(found: _Read) -> Iterator[str]:
    if not any(page.strip() for page in found.pages):
        yield "The PDF holds no text; its pages may be pictures."
    if found.active:
        yield "The PDF holds scripts or actions. They are not run here, but may be where it is opened."


def _headings(outline: list[tuple[int, str, int]], text: str, starts: list[int]) -> list[Heading]:
    """The outline's entries where their words stand on their page, else where the page starts."""
    headings: list[Heading] = []
    for level, title, page in outline:
        words = clean(title)
        after = headings[-1].start + 1 if headings else 0
        place = text.find(words, max(starts[page], after), starts[page + 1])
        start = place if place >= 0 else starts[page]
        if words and start >= after:
            headings.append(Heading(level, words, start))
    return headings


def _read(data: bytes) -> _Read:
    try:
        with apply_configuration(**_LIMITS):
            return _all(PdfReader(BytesIO(data)))
    except Refused:
        raise
    except (LimitReachedError, MemoryError, RecursionError):
        raise Refused("bomb", "The PDF grows without measure when it is read. Print it to a new PDF.") from None
    except Exception:  # noqa: BLE001 - of damaged files the library raises anything: KeyError, TypeError, AttributeError
        raise Refused("broken", "The PDF is damaged. Open it, print it to a new PDF and try that.") from None


def _all(reader: PdfReader) -> _Read:
    if reader.is_encrypted:
        raise Refused("encrypted", "The PDF is encrypted. Hand in a copy without a password or restrictions.")
    count = len(reader.pages)
    if count == 0:
        raise Refused("broken", "The PDF has no pages. Print it to a new PDF and try that.")
    if count > PAGES_LIMIT:
        raise Refused("too_large", f"{count:,} pages; at most {PAGES_LIMIT:,} are read. Split the document into parts.")
    information = reader.metadata
    title, subject = (information.title, information.subject) if information else (None, None)
    return _Read(
        title=title if isinstance(title, str) else "",
        subject=subject if isinstance(subject, str) else "",
        pages=_pages(reader),
        outline=_outline(reader, count),
        active=_active(reader.root_object),
    )


def _pages(reader: PdfReader) -> list[str]:
    pages: list[str] = []
    length = 0
    for page in reader.pages:
        text = storable(page.extract_text().replace("\r\n", "\n").replace("\r", "\n")).strip("\n")
        pages.append(f"{text}\n\n")
        length += len(pages[-1])
        if length > TEXT_LIMIT:
            raise Refused("too_large", f"More than {TEXT_LIMIT:,} characters of text. Split the document into parts.")
    return pages


def _outline(reader: PdfReader, count: int) -> list[tuple[int, str, int]]:
    """A file whose outline is damaged is still worth its pages."""
    try:
        found = [
            (level, str(entry.title or ""), reader.get_destination_page_number(entry))
            for level, entry in _entries(cast("list[Any]", reader.outline), 1)
        ]
    except LimitReachedError:
        raise
    except Exception:  # noqa: BLE001 - as in `_read`
        return []
    inside = [(level, title, page) for level, title, page in found if page is not None and 0 <= page < count]
    return inside[:_OUTLINE_LIMIT]


def _entries(outline: list[Any], level: int) -> Iterator[tuple[int, Any]]:
    for entry in outline:
        if isinstance(entry, list):
            yield from _entries(cast("list[Any]", entry), min(level + 1, _DEEPEST))
        else:
            yield level, entry


def _active(root: DictionaryObject) -> bool:
    names: Any = root.get("/Names", DictionaryObject()).get_object()
    return bool({"/OpenAction", "/AA"} & root.keys()) or (
        isinstance(names, DictionaryObject) and "/JavaScript" in names
    )
