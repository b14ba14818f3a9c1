"""Store a document's new version, and what it is found by."""

from collections.abc import Mapping
from typing import Any

import orjson
from asyncpg import UniqueViolationError

from servers.documents import saving
from servers.documents.addresses import Address
from servers.documents.folding import fold
from servers.documents.index_words import TEXT_MAX, words_of
from servers.documents.preparing import Prepared
from servers.documents.views import Row
from shared.core.call import Queries
from shared.core.errors import Conflict


async def keep(
    transaction: Queries,
    tenant: str,
    author: str,
    address: Address,
    before: Row | None,
    wished: Mapping[str, Any],
    prepared: Prepared,
    new_id: str,
) -> Row:
    """The document as it is then.

    Args:
        transaction: With the tenant and the author's rights set.
        tenant: The same, for what the document is found by.
        author: Who wrote it.
        address: Where it is.
        before: The document as it is, locked; None for a new one, which gets `new_id`.
        wished: Title, summary, labels, classification and readers.
        prepared: Its content.
        new_id: See `before`.

    Raises:
        Conflict: Another document has this address.
    """
    document: dict[str, Any] = {
        **wished,
        "id": before["id"] if before else new_id,
        "collection": address.collection,
        "path": address.path,
        "media_type": prepared.media_type,
        "size": len(prepared.content),
        "digest": prepared.digest,
        "updated_by": author,
    }
    row = await _put(transaction, address, document, words_of(document, prepared, tenant), new=before is None)
    await _keep_version(transaction, document, row["version"], prepared)
    await _keep_sections(transaction, document["id"], prepared, new=before is None)
    return {**document, **row}


async def _put(
    transaction: Queries, address: Address, document: Mapping[str, Any], found_by: Mapping[str, Any], *, new: bool
) -> Row:
    try:
        if new:
            [row] = await transaction.rows(saving.INSERT, **document, **found_by, stem=address.stem)
        else:
            here = {key: value for key, value in document.items() if key not in {"collection", "path"}}
            [row] = await transaction.rows(saving.UPDATE, **here, **found_by)
    except UniqueViolationError:
        # Said also where the other document is hidden from the caller: two cannot have one address.
        raise Conflict(f"{address.uri} is taken. Choose another path.") from None
    return row


async def _keep_version(transaction: Queries, document: Mapping[str, Any], version: int, prepared: Prepared) -> None:
    kept = {key: value for key, value in document.items() if key not in {"collection", "path", "readers"}}
    text = prepared.text
    await transaction.rows(
        saving.KEEP_VERSION,
        **kept,
        version=version,
        content=prepared.content,
        text=text,
        characters=len(text) if text is not None else None,
        found=list(prepared.found),
        outline=orjson.dumps([[s.level, s.heading, s.anchor, s.start, s.end] for s in prepared.sections]).decode(),
    )


async def _keep_sections(transaction: Queries, document_id: str, prepared: Prepared, *, new: bool) -> None:
    if not new:
        await transaction.rows(saving.FORGET_SECTIONS, id=document_id)
        await transaction.rows(saving.FORGET_LINKS, id=document_id)
    sections = prepared.sections
    if sections:
        await transaction.rows(
            saving.KEEP_SECTIONS,
            id=document_id,
            numbers=[section.number for section in sections],
            levels=[section.level for section in sections],
            headings=[section.heading for section in sections],
            anchors=[section.anchor for section in sections],
            starts=[section.start for section in sections],
            stops=[section.end for section in sections],
            plains=list(prepared.plains),
            headings_words=[fold(section.heading) for section in sections],
            texts_words=[fold(plain)[:TEXT_MAX] for plain in prepared.plains],
        )
    if prepared.links:
        collections, stems = zip(*prepared.links, strict=True)
        await transaction.rows(saving.KEEP_LINKS, id=document_id, collections=list(collections), stems=list(stems))
