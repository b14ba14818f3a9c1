"""Rows as the tools show them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from servers.documents.addresses import Address, uri_of
from servers.documents.answers import Document, Part, Readable
from servers.documents.rights import SECRET
from shared.core.errors import NotFound
from shared.core.tool import Answer, Call, Label

Row = Mapping[str, Any]


def document_fields(row: Row) -> dict[str, Any]:
    """What models of a document have in common."""
    return {
        "uri": uri_of(row["collection"], row["path"]),
        "name": row["path"],
        "title": row["title"],
        "description": row["summary"] or None,
        "mime_type": row["media_type"],
        "size": row["size"],
        "last_modified": row["updated_at"],
        **{field: row[field] for field in ("id", "version", "digest", "labels", "classification")},
    }


def document(row: Row) -> Document:
    return Document(**document_fields(row))


def readable(row: Row) -> Readable:
    return Readable(**document_fields(row), readers=row["readers"])


def note_secrets(call: Call, *rows: Row) -> None:
    """Label the answer, if one of the documents must not leave with outsiders' words in sight."""
    if any(row["classification"] in SECRET for row in rows):
        call.label(Label.CONFIDENTIAL)


def note_secret_names(call: Call, rows: Iterable[Row]) -> None:
    """The same of an answer with names: of documents, and of folders and collections with secret documents alone."""
    if any(row["is_secret"] for row in rows):
        call.label(Label.CONFIDENTIAL)


def no_document(address: Address, version: int | None = None) -> NotFound:
    """Missing, archived, or not for this caller: the same."""
    if version is not None:
        return NotFound(f"There is no version {version} of {address.uri}. Leave it out for the current one.")
    return NotFound(f"There is no document {address.uri}. Find it with search_documents or list_collection.")


def cut(start: int, shown: int, total: int, how: str) -> Part:
    """What is missing, and how to get it: `how` has room for the offset."""
    end = start + shown
    if end >= total:
        return Part(shown_from=start, shown=shown, total=total)
    return Part(
        shown_from=start, shown=shown, total=total, next_offset=end, rest=how.format(offset=end, left=total - end)
    )


def fitting(entries: Sequence[Answer], most: int) -> int:
    """How many of them have room in so many characters of JSON; one at least."""
    used = 0
    for number, entry in enumerate(entries):
        used += len(entry.model_dump_json())
        if used > most:
            return max(1, number)
    return len(entries)
