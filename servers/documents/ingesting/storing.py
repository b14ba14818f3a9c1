"""One transaction of many documents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from servers.documents.addresses import stem_of
from servers.documents.formats.parsed import Section
from servers.documents.ids import new_id
from servers.documents.ingesting import bulk
from servers.documents.ingesting.planning import Change, Stored
from servers.documents.ingesting.readying import Ready
from servers.documents.telling import told_of
from shared.core.call import Queries
from shared.state.database import as_array

_Columns = dict[str, list[Any]]


@dataclass(frozen=True, slots=True)
class Item:
    """A document to be written.

    Attributes:
        before: As it was when the change was decided; None for a new one.
    """

    path: str
    change: Change
    id: str
    before: Stored | None
    content: bytes
    digest: str
    ready: Ready

    @staticmethod
    def of(path: str, change: Change, before: Stored | None, content: bytes, digest: str, ready: Ready) -> "Item":
        return Item(path, change, before.id if before else new_id(), before, content, digest, ready)

    @property
    def version(self) -> int:
        """That it gets."""
        return self.before.version + 1 if self.before else 1

    @property
    def states(self) -> list[Mapping[str, Any]]:
        """Who may read it, after and before."""
        return [self.ready.wished, *([self.before.facts] if self.before else [])]

    @property
    def weight(self) -> int:
        """How much of a transaction it is: about its bytes."""
        return len(self.content) + sum(map(len, self.ready.text_words)) + 4096


async def write(
    transaction: Queries, tenant: str, author: str, collection: str, items: Sequence[Item]
) -> Sequence[Item]:
    """Store new documents and new versions of others; those that were, in order.

    One is left out if somebody else took its URI, or changed it, since that was decided.

    Args:
        transaction: With the tenant, and rights to all of the collection, set.
        tenant: Whose followers are told.
        author: Who is named as having written it.
        collection: That they are in.
        items: At least one, no path twice.
    """
    new = [item for item in items if item.before is None]
    old = [item for item in items if item.before is not None]
    written: set[str] = set()
    for statement, some in ((bulk.INSERT, new), (bulk.UPDATE, old)):
        if some:
            rows = await transaction.rows(statement, collection=collection, author=author, **_documents(some))
            written |= {row["id"] for row in rows}
    done = [item for item in items if item.id in written]
    if done:
        await transaction.rows(bulk.KEEP_VERSIONS, author=author, **_versions(done))
        await _keep_parts(transaction, done)
        await announce(transaction, tenant, collection, {item.path: item.states for item in done})
    return done


async def archive(
    transaction: Queries, tenant: str, author: str, collection: str, documents: Mapping[str, Stored]
) -> Sequence[str]:
    """Put documents away, by path; the paths of those that were, unless somebody changed them since."""
    ids, versions = [each.id for each in documents.values()], [each.version for each in documents.values()]
    rows = await transaction.rows(bulk.ARCHIVE, ids=ids, versions=versions, author=author)
    done = {row["id"] for row in rows}
    paths = [path for path, document in documents.items() if document.id in done]
    await announce(transaction, tenant, collection, {path: [documents[path].facts] for path in paths})
    return paths


async def announce(
    transaction: Queries, tenant: str, collection: str, changed: Mapping[str, Sequence[Mapping[str, Any]]]
) -> None:
    """Leave word for whoever follows the documents, a folder they are in, or the collection.

    Args:
        transaction: With the tenant set.
        tenant: Whose followers are told.
        collection: Where the documents are.
        changed: By path, classification and readers before and after.
    """
    uris = dict.fromkeys(uri for path, states in changed.items() for uri in told_of(collection, path, *states))
    if uris:
        await transaction.rows(bulk.ANNOUNCE, tenant=tenant, uris=[*uris])


def _documents(items: Sequence[Item]) -> _Columns:
    wished = [item.ready.wished for item in items]
    found_by = [item.ready.found_by for item in items]
    return {
        **_facts(items),
        "paths": [item.path for item in items],
        "stems": [stem_of(item.path) for item in items],
        "readers": [as_array(each["readers"]) for each in wished],
        **{name: [each[name] for each in found_by] for name in ("title_words", "heading_words", "text_words")},
        "filters": [as_array(each["filters"]) for each in found_by],
        "versions": [item.version - 1 for item in items],
        "authors": [item.before.updated_by if item.before else "" for item in items],
    }


def _versions(items: Sequence[Item]) -> _Columns:
    return {
        **_facts(items),
        "versions": [item.version for item in items],
        "contents": [item.content for item in items],
        "texts": [item.ready.prepared.text for item in items],
        "outlines": [_outline(item.ready.prepared.sections) for item in items],
        "founds": [as_array(item.ready.prepared.found) for item in items],
    }


def _facts(items: Sequence[Item]) -> _Columns:
    """What the document and its version have in common."""
    wished = [item.ready.wished for item in items]
    return {
        "ids": [item.id for item in items],
        "titles": [each["title"] for each in wished],
        "summaries": [each["summary"] for each in wished],
        "media_types": [item.ready.prepared.media_type for item in items],
        "sizes": [len(item.content) for item in items],
        "digests": [item.digest for item in items],
        "labels": [as_array(each["labels"]) for each in wished],
        "classifications": [each["classification"] for each in wished],
    }


def _outline(sections: Sequence[Section]) -> str:
    return orjson.dumps([[each.level, each.heading, each.anchor, each.start, each.end] for each in sections]).decode()


async def _keep_parts(transaction: Queries, items: Sequence[Item]) -> None:
    """Sections and links, of the current version alone."""
    old = [item.id for item in items if item.before is not None]
    if old:
        await transaction.rows(bulk.FORGET_SECTIONS, ids=old)
        await transaction.rows(bulk.FORGET_LINKS, ids=old)
    sections = [(item, place) for item in items for place in range(len(item.ready.prepared.sections))]
    if sections:
        await transaction.rows(bulk.KEEP_SECTIONS, **_sections(sections))
    links = [(item.id, number, *link) for item in items for number, link in enumerate(item.ready.prepared.links, 1)]
    if links:
        names = ("ids", "numbers", "collections", "stems")
        await transaction.rows(bulk.KEEP_LINKS, **dict(zip(names, map(list, zip(*links, strict=True)), strict=True)))


def _sections(places: Sequence[tuple[Item, int]]) -> _Columns:
    found = [item.ready.prepared.sections[place] for item, place in places]
    return {
        "ids": [item.id for item, _ in places],
        "numbers": [each.number for each in found],
        "levels": [each.level for each in found],
        "headings": [each.heading for each in found],
        "anchors": [each.anchor for each in found],
        "starts": [each.start for each in found],
        "stops": [each.end for each in found],
        "plains": [item.ready.prepared.plains[place] for item, place in places],
        "heading_words": [item.ready.heading_words[place] for item, place in places],
        "text_words": [item.ready.text_words[place] for item, place in places],
    }
