"""What is stored of a collection, and what a file means for it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import String, bindparam, column, func, select
from sqlalchemy.dialects.postgresql import distinct_on

from servers.documents.ingesting.scanning import Scan
from servers.documents.ingesting.skipping import Skip
from servers.documents.ingesting.wishes import Wishes
from servers.documents.schema import documents
from shared.state.database import Statement

Change = Literal["added", "changed", "restored", "archived"]

AUTHOR = "ingest:"
"""How `updated_by` begins where the folder, and nobody since, said how a document is."""

_d = documents.c
STORED = Statement(
    select(
        _d.id, _d.path, _d.version, _d.digest, _d.labels, _d.classification, _d.readers, _d.updated_by, _d.archived_at
    )
    .where(_d.collection == bindparam("collection"))
    .ext(distinct_on(_d.path))
    .order_by(_d.path, _d.archived_at.desc().nulls_first())
)
"""Of each path the document that is there, or else the one that was put away last."""

READERS = Statement(
    select(column("reader", String)).select_from(
        func.documents.every_reader(bindparam("collection", type_=String)).table_valued("reader")
    )
)
"""Whoever is named as a reader in the collection; to see all of it, a run counts as each of them."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A document as it is."""

    id: str
    version: int
    digest: str
    updated_by: str
    archived: bool
    facts: Mapping[str, Any]

    @property
    def ours(self) -> bool:
        return self.updated_by.startswith(AUTHOR)


def stored(rows: Iterable[Mapping[str, Any]]) -> dict[str, Stored]:
    """By path."""
    return {
        row["path"]: Stored(
            id=row["id"],
            version=row["version"],
            digest=row["digest"],
            updated_by=row["updated_by"],
            archived=row["archived_at"] is not None,
            facts={name: row[name] for name in ("classification", "readers", "labels")},
        )
        for row in rows
    }


def is_settled(known: Stored | None, digest: str, wishes: Wishes) -> bool:
    """Whether nothing is to be done, as far as can be told without reading the file's own labels and secrecy."""
    return known is not None and not known.archived and known.digest == digest and wishes.met_by(known.facts)


def is_same(known: Stored | None, digest: str, wished: Mapping[str, Any]) -> bool:
    """Whether nothing is to be done, now that the file has been read."""
    return (
        known is not None
        and not known.archived
        and known.digest == digest
        and all(set(known.facts[name]) == set(wished[name]) for name in ("readers", "labels"))
        and known.facts["classification"] == wished["classification"]
    )


def change(known: Stored | None, *, overwrite: bool) -> Change:
    """What storing the file does.

    Raises:
        Skip: It would undo what somebody did through the server.
    """
    if known is None:
        return "added"
    if known.archived:
        if not (known.ours or overwrite):
            raise Skip("archived", "Somebody put this document away. To bring it back, run with --overwrite.")
        return "restored"
    if not (known.ours or overwrite):
        raise Skip("edited", "Somebody wrote or changed this document. To replace it, run with --overwrite.")
    return "changed"


def vanished(known: Mapping[str, Stored], found: Scan) -> dict[str, Stored]:
    """Documents that came from the folder and whose files are surely no longer there."""
    there = {file.path for file in found.files}
    return {
        path: document
        for path, document in known.items()
        if document.ours and not document.archived and path not in there and not found.may_hold(path)
    }
