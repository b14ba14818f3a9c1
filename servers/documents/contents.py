"""Documents as resources: text in pieces, bytes as they are, and nothing where the reader has it already."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from servers.documents import queries
from servers.documents.addresses import Address, checked_path
from servers.documents.answers import DocumentContents, Listing
from servers.documents.arguments import ReadContents, ReadFolder, ReadIndex
from servers.documents.listing import index_of
from servers.documents.sectioning import place_of
from servers.documents.tools import tools
from servers.documents.views import no_document, note_secrets
from shared.core.errors import Invalid
from shared.core.models import Cut
from shared.core.tool import Call, Label

TEXT_MAX = 100_000
"""Characters of one read."""
BYTES_MAX = 4 * 2**20
"""Bytes of one read."""

_BYTES = ("image/", "application/pdf")
_SHOWN_AS = {"text/html": "text/markdown"}
_ANYTHING = "*"  # RFC 9110 §13.1.2; so the suite itself looks whether a document is still there


@tools.resource("doc://{collection}", "documents:read", watchable=True)
async def read_collection(call: Call, query: ReadIndex) -> Listing:
    """The top level of a collection: folders, whose URIs end with a slash, and documents."""
    return await index_of(call, query.collection, "")


# Before documents: a URI that ends with a slash would fit both.
@tools.resource("doc://{collection}/{+folder}/", "documents:read", watchable=True)
async def read_folder(call: Call, query: ReadFolder) -> Listing:
    """One folder of a collection: the folders and documents in it."""
    try:
        folder = checked_path(query.folder)
    except ValueError as problem:
        raise Invalid(str(problem)) from None
    return await index_of(call, query.collection, f"{folder}/")


@tools.resource("doc://{collection}/{+path}{?version,section,offset}", "documents:read", watchable=True)
async def read_document(call: Call, query: ReadContents) -> DocumentContents:
    """A document: text (HTML as Markdown), or the bytes of an image or a PDF. `version` takes an earlier one, `section`
    one section by its anchor, `offset` goes on where a long one was cut.
    """
    address = _address(query)
    head = await call.database.row(queries.PIECE, **_where(address), start=0, most=0)
    if head is None:
        raise no_document(address, address.version)
    note_secrets(call, head)
    call.label(Label.UNTRUSTED)  # also where it is bytes, in which redaction finds no text
    if query.if_none_match in {_ANYTHING, head["digest"]}:
        return DocumentContents(**_facts(address, head), mime_type=head["media_type"])
    if head["text"] is None or head["media_type"].startswith(_BYTES):
        return await _bytes(call, address, head)
    return await _text(call, address, head)


async def _text(call: Call, address: Address, head: Mapping[str, Any]) -> DocumentContents:
    place = await place_of(call, address, address.section, address.version)
    offset = address.offset or 0
    stop = min(place.stop, head["characters"])
    start = min(place.start + offset, stop)
    row = await call.database.row(queries.PIECE, **_where(address), start=start, most=min(TEXT_MAX, stop - start))
    if row is None:
        raise no_document(address, address.version)
    mime_type = _SHOWN_AS.get(row["media_type"], row["media_type"])
    return _with_rest(address, row, start - place.start, stop - place.start, text=row["text"], mime_type=mime_type)


async def _bytes(call: Call, address: Address, head: Mapping[str, Any]) -> DocumentContents:
    if address.section is not None:
        raise Invalid(f"{address.uri} is read as bytes, which have no sections.")
    start = min(address.offset or 0, head["size"])
    row = await call.database.row(queries.BYTES, **_where(address), start=start, most=BYTES_MAX)
    if row is None:
        raise no_document(address, address.version)
    blob = b64encode(row["content"]).decode()
    shown = len(row["content"])
    return _with_rest(address, row, start, row["size"], blob=blob, shown=shown, mime_type=row["media_type"])


def _with_rest(
    address: Address, row: Mapping[str, Any], start: int, total: int, shown: int | None = None, **content: Any
) -> DocumentContents:
    shown = len(content["text"]) if shown is None else shown
    following = replace(address, offset=start + shown)
    part = Cut(
        start=start,
        shown=shown,
        total=total,
        unit="bytes" if "blob" in content else "characters",
        rest=following.whole_uri if start + shown < total else None,
    )
    return DocumentContents(**_facts(address, row), **content, cut=part if shown < total else None)


def _address(query: ReadContents) -> Address:
    try:
        path = checked_path(query.path)
    except ValueError as problem:
        raise Invalid(str(problem)) from None
    version, offset = (int(text) if text is not None else None for text in (query.version, query.offset))
    return Address(query.collection, path, version, query.section, offset)


def _where(address: Address) -> dict[str, Any]:
    return {"collection": address.collection, "path": address.path, "version": address.version}


def _facts(address: Address, row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "uri": address.uri,
        "title": row["title"],
        "last_modified": row["updated_at"],
        "disarmed": row["found"],
        **{field: row[field] for field in ("version", "digest", "size", "media_type", "classification", "labels")},
    }
