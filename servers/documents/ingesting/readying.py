"""From a file's bytes to what is stored of it, in a process of its own: parsing takes nearly all the time of an ingest,
and no file may harm the process that runs it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from servers.documents.folding import fold
from servers.documents.formats.reading import parse
from servers.documents.index_words import TEXT_MAX, words_of
from servers.documents.ingesting.wishes import Wishes
from servers.documents.preparing import Prepared, prepared

_WITH_FRONT_MATTER = {"text/markdown", "text/mdx"}


@dataclass(frozen=True, slots=True)
class Ready:
    """All that is stored of one file.

    Attributes:
        wished: Title, summary, labels, classification and readers.
        found_by: The values of `servers.documents.saving` that it is found by.
        heading_words: Of each section, as it is found by.
        text_words: The same.
        notes: What was odd about the file.
    """

    prepared: Prepared
    wished: Mapping[str, Any]
    found_by: Mapping[str, Any]
    heading_words: tuple[str, ...]
    text_words: tuple[str, ...]
    notes: tuple[str, ...]


def ready(tenant: str, collection: str, path: str, wishes: Wishes, content: bytes) -> Ready:
    """What to store of a file; its bytes are left out, since whoever asks has them.

    Raises:
        Refused: It is none we keep.
        Skip: Its front matter asks for what cannot be.
    """
    parsed = parse(path.rpartition("/")[2], content)
    if parsed.media_type in _WITH_FRONT_MATTER:
        wishes = wishes.narrowed(content)
    whole = prepared(collection, path, content, parsed)
    wished: dict[str, Any] = {
        "title": whole.title,
        "summary": whole.summary,
        "labels": sorted({*whole.labels, *wishes.labels}),
        "classification": wishes.classification.value,
        "readers": list(wishes.readers),
    }
    return Ready(
        replace(whole, content=b""),
        wished,
        words_of({**wished, "collection": collection}, whole, tenant),
        tuple(fold(section.heading) for section in whole.sections),
        tuple(fold(plain)[:TEXT_MAX] for plain in whole.plains),
        parsed.notes,
    )
