"""Writing documents: new ones and new versions, moving, putting away and bringing back."""

from base64 import b64decode
from binascii import Error as NotBase64
from typing import Any

from asyncpg import UniqueViolationError

from servers.documents import queries, saving
from servers.documents.addresses import Address, parse
from servers.documents.answers import Archived, Written
from servers.documents.arguments import ArchiveDocument, MoveDocument, PutDocument, RestoreDocument
from servers.documents.formats.parsed import Refused
from servers.documents.ids import new_id
from servers.documents.index_words import filters_of
from servers.documents.keeping import keep
from servers.documents.preparing import Prepared, prepare
from servers.documents.rights import EVERYBODY, ORDER, Classification, cleared_for, rights, spelt_out
from servers.documents.telling import told_of
from servers.documents.tools import tools
from servers.documents.views import Row, no_document, note_secrets, readable
from shared.core.errors import Conflict, Forbidden, Invalid, NotFound
from shared.core.tool import Call, Risk

_ADMIN = "documents:admin"


@tools.write("documents:write", risk=Risk.MEDIUM, inverse="archive_document")
async def put_document(call: Call, query: PutDocument) -> Written:
    """Write a document: a new one, or a new version of one you read (pass its version as if_version; if somebody
    changed it since, you get a conflict). Title and summary are taken from the content unless you give them. Without
    content the rest is changed alone. Every version is kept: compare_versions shows what changed, and putting an old
    text back undoes a change. To move a document use move_document.
    """
    address = _writable(query.uri)
    before = await _locked(call, address)
    _refuse_stale(address, before, query.if_version)
    prepared = await _prepared(call, address, query, before)
    wished = _wished(call, query, before, prepared)
    caller = call.caller
    after = await keep(call.transaction, caller.tenant, caller.subject, address, before, wished, prepared, new_id())
    note_secrets(call, after)
    _tell(call, address, after, *([before] if before else []))
    return Written(
        document=readable(after),
        created=before is None,
        previous_version=before["version"] if before else None,
    )


@tools.write("documents:write", risk=Risk.MEDIUM, inverse="move_document")
async def move_document(call: Call, query: MoveDocument) -> Written:
    """Give a document another URI, with all its versions. Links in other documents are not changed: find_related
    shows which link to it. Moving it back undoes it.
    """
    address, target = _writable(query.uri), _writable(query.to)
    before = await _locked(call, address)
    if before is None:
        raise no_document(address)
    _refuse_stale(address, before, query.if_version)
    moved = {**before, "collection": target.collection, "path": target.path}
    tenant = call.caller.tenant
    try:
        row = await call.transaction.row(
            saving.MOVE,
            id=before["id"],
            collection=target.collection,
            path=target.path,
            stem=target.stem,
            updated_by=call.caller.subject,
            old_filters=filters_of(before, tenant),
            filters=filters_of(moved, tenant),
        )
    except UniqueViolationError:
        raise _taken(target) from None
    assert row is not None  # noqa: S101 - it is locked
    after = {**moved, **row}
    kept = await call.transaction.row(
        saving.KEEP_SAME_VERSION,
        id=before["id"], version=after["version"], from_version=before["version"], updated_by=call.caller.subject,
    )  # fmt: skip
    if kept is None:  # its readers were changed by hand, and this version is for others: without it, nobody could read
        raise no_document(address)
    note_secrets(call, after)
    _tell(call, address, before)
    _tell(call, target, after)
    return Written(document=readable(after), previous_version=before["version"])


@tools.write("documents:write", risk=Risk.MEDIUM, inverse="restore_document")
async def archive_document(call: Call, query: ArchiveDocument) -> Archived:
    """Put a document away: it is no longer listed, found or read. Nothing is deleted; restore_document brings it
    back with the document_id that this returns.
    """
    address = _writable(query.uri)
    before = await _locked(call, address)
    if before is None:
        raise no_document(address)
    _refuse_stale(address, before, query.if_version)
    await call.transaction.rows(saving.ARCHIVE, id=before["id"], updated_by=call.caller.subject)
    note_secrets(call, before)
    _tell(call, address, before)
    return Archived(document_id=before["id"], uri=address.uri, version=before["version"])


@tools.write("documents:write", risk=Risk.LOW, inverse="archive_document")
async def restore_document(call: Call, query: RestoreDocument) -> Written:
    """Bring back a document that archive_document put away, where it was, with all its versions.
    If another document is there by now you get a conflict: move that one first.
    """
    before = await call.transaction.row(queries.LOCKED_BY_ID, id=query.document_id)
    if before is None:
        raise NotFound(f"There is no document {query.document_id}. archive_document told its id.")
    address = Address(before["collection"], before["path"])
    if before["archived_at"] is not None:
        try:
            await call.transaction.rows(saving.RESTORE, id=before["id"], updated_by=call.caller.subject)
        except UniqueViolationError:
            raise _taken(address) from None
        _tell(call, address, before)
    note_secrets(call, before)
    return Written(document=readable(before), changed=before["archived_at"] is not None)


def _writable(uri: str) -> Address:
    address = parse(uri)
    if address.uri != uri and address != Address(address.collection, address.path):
        raise Invalid("Name the document itself: no version, section or offset.")
    return address


async def _locked(call: Call, address: Address) -> Row | None:
    return await call.transaction.row(queries.LOCKED, collection=address.collection, path=address.path)


def _refuse_stale(address: Address, before: Row | None, version: int | None) -> None:
    if before is None:
        if version is not None:
            raise no_document(address)
    elif version is None:
        raise Conflict(
            f"{address.uri} is there already. To change it, read it and pass its version as if_version.",
            current_version=before["version"],
        )
    elif before["version"] != version:
        raise Conflict(
            f"{address.uri} is at version {before['version']}, not {version}: somebody changed it. Read it again, or "
            "compare_versions, then repeat the change with the new version if it is still wanted.",
            current_version=before["version"],
        )


async def _prepared(call: Call, address: Address, query: PutDocument, before: Row | None) -> Prepared:
    if query.content is not None and query.content_base64 is not None:
        raise Invalid("Give content or content_base64, not both.")
    try:
        if query.content is not None:
            content = query.content.encode()
        elif query.content_base64 is not None:
            content = b64decode(query.content_base64, validate=True)
        elif before is not None:
            content = await _content(call, address)
        else:
            raise Invalid(f"{address.uri} is new: give its content.")
        return await prepare(address.collection, address.path, content)
    except NotBase64:
        raise Invalid("content_base64 is no base64.") from None
    except UnicodeEncodeError:
        raise Invalid("content holds half a character (a lone surrogate).") from None
    except Refused as refused:
        raise Invalid(f"{address.uri} cannot be kept: {refused.message}", reason=refused.code) from None


async def _content(call: Call, address: Address) -> bytes:
    [row] = await call.transaction.rows(
        queries.BYTES, collection=address.collection, path=address.path, version=None, start=0, most=2**30
    )
    return row["content"]


def _wished(call: Call, query: PutDocument, before: Row | None, prepared: Prepared) -> dict[str, Any]:
    """What the document is to be, without its content."""
    kept = before if before is not None and query.content is None and query.content_base64 is None else None
    classification = query.classification or Classification(before["classification"] if before else "internal")
    readers = spelt_out(query.readers, call.caller.issuer) if query.readers else None
    readers = readers or (list(before["readers"]) if before else [EVERYBODY])
    _refuse_silent_publishing(call, query, before)
    _refuse_opening(call, before, classification, readers)
    labels = query.labels if query.labels is not None else before["labels"] if before else prepared.labels
    return {
        "title": query.title or (kept["title"] if kept else prepared.title),
        "summary": query.summary if query.summary is not None else kept["summary"] if kept else prepared.summary,
        "labels": sorted(set(labels)),
        "classification": classification.value,
        "readers": readers,
    }


def _refuse_opening(call: Call, before: Row | None, classification: Classification, readers: list[str]) -> None:
    """Refuse what nobody could read who wrote it, and what opens a document to more people without the right to."""
    caller = call.caller
    if classification is Classification.RESTRICTED and EVERYBODY in readers:
        raise Invalid("A restricted document names its readers: give readers, as role:NAME or user:SUBJECT.")
    if not cleared_for(caller, classification) or not set(readers) & set(rights(caller)):
        raise Invalid("You could not read it yourself then: choose a classification and readers that include you.")
    if before is None or caller.may(_ADMIN):
        return
    lowered = ORDER.index(classification) < ORDER.index(Classification(before["classification"]))
    opened = EVERYBODY not in before["readers"] and not set(readers) <= set(before["readers"])
    if lowered or opened:
        raise Forbidden("Only documents:admin lowers a classification or adds readers.", ["documents:write", _ADMIN])


def _refuse_silent_publishing(call: Call, query: PutDocument, before: Row | None) -> None:
    """Have a program say that what it writes is public, since that is what policy looks at."""
    is_public = before is not None and before["classification"] == Classification.PUBLIC
    if is_public and query.classification is None and call.caller.trust != "person":
        raise Invalid("This document is public: pass its classification, to say whether it stays so.")


def _taken(address: Address) -> Conflict:
    # Said also where the other document is hidden from the caller: two cannot have one URI.
    return Conflict(f"{address.uri} is taken. Choose another path.")


def _tell(call: Call, address: Address, *states: Row) -> None:
    for uri in told_of(address.collection, address.path, *states):
        call.changed(uri)
