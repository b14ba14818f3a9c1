"""Browsing: collections, and what is on one level of one."""

from datetime import UTC, datetime
from typing import Any

from servers.documents import browsing
from servers.documents.addresses import uri_of
from servers.documents.answers import ENTRIES_MAX, Entry, Kind, Listing
from servers.documents.arguments import ListCollection
from servers.documents.tools import tools
from servers.documents.views import Row, document_fields, fitting, note_secret_names, note_secrets
from shared.core.errors import Invalid, NotFound
from shared.core.models import Listed, Page
from shared.core.tool import Call

_RECENT = 50
_INDEX_MAX = 500
_LATEST = (datetime(9999, 1, 1, tzinfo=UTC).isoformat(), "")


@tools.read("documents:read", links="entries")
async def list_collection(call: Call, query: ListCollection) -> Listing:
    """List the collections, or one level of a collection: its folders, then what is in them by listing those.
    Use it to browse when you do not know what to search for. To find something by its words use search_documents.
    """
    if query.folder and query.collection is None:
        raise Invalid("A folder is in a collection: name that too.")
    after = str(call.cursors.open(query.cursor, query)[0]) if query.cursor else ""
    if query.collection is None:
        entries = [entry for entry in await _collections(call) if entry.name > after]
    else:
        entries = await _level(call, query.collection, query.folder, after, query.limit + 1)
        if not entries and not query.cursor:
            raise no_such_level(query.collection, query.folder)
    shown = entries[: fitting(entries[: query.limit], ENTRIES_MAX)]
    more = len(entries) > len(shown)
    position = call.cursors.seal([_after(query, shown[-1])], query) if more else None
    return Listing(entries=shown, next_cursor=position)


def _after(query: ListCollection, last: Entry) -> str:
    """Past the entry, and past all that is in it if it is a folder: no path has the last of all characters."""
    name = query.folder + last.name
    return name + "\U0010ffff" if last.kind is Kind.FOLDER else name


async def _collections(call: Call) -> list[Entry]:
    rows = await call.metadata(browsing.collections)
    note_secret_names(call, rows)
    return [
        Entry(
            uri=uri_of(row["collection"]),
            name=row["collection"],
            kind=Kind.COLLECTION,
            documents=row["documents"],
            last_modified=row["updated_at"],
        )
        for row in rows
    ]


async def _level(call: Call, collection: str, folder: str, after: str, most: int) -> list[Entry]:
    rows = await call.metadata(browsing.level, collection, folder, "", after, most)
    note_secret_names(call, rows)
    return [_entry(collection, folder, row) for row in rows]


def _entry(collection: str, folder: str, row: Row) -> Entry:
    name = row["name"].removeprefix(folder)
    if row["is_folder"]:
        return Entry(uri=uri_of(collection, row["name"]), name=name, kind=Kind.FOLDER)
    fields = document_fields(row) | {"name": name}
    return Entry(**{key: value for key, value in fields.items() if key in Entry.model_fields}, kind=Kind.DOCUMENT)


async def index_of(call: Call, collection: str, folder: str) -> Listing:
    """The level as a resource, which has one page; list_collection has the others.

    Raises:
        NotFound: There is nothing that the caller may see.
    """
    entries = await _level(call, collection, folder, "", _INDEX_MAX + 1)
    if not entries:
        raise no_such_level(collection, folder)
    return Listing(entries=entries[:_INDEX_MAX], more=len(entries) > _INDEX_MAX)


@tools.listing("documents:read")
async def list_resources(call: Call, query: Page) -> Listed:
    """The collections, and the documents that changed last, the latest first."""
    before_at, before_id = call.cursors.open(query.cursor, query) if query.cursor else _LATEST
    rows = await call.metadata(browsing.recent, str(before_at), str(before_id), _RECENT + 1)
    shown = rows[:_RECENT]
    note_secrets(call, *shown)
    top = [] if query.cursor else await _collections(call)
    more = len(rows) > _RECENT
    position = [shown[-1]["updated_at"].isoformat(), shown[-1]["id"]] if more else []
    recent = [Entry(**_listed(row), kind=Kind.DOCUMENT) for row in shown]
    return Listed(resources=[*top, *recent], next_cursor=call.cursors.seal(position, query) if more else None)


def _listed(row: Row) -> dict[str, Any]:
    return {key: value for key, value in document_fields(row).items() if key in Entry.model_fields}


def no_such_level(collection: str, folder: str) -> NotFound:
    """Missing, empty, or nothing in it for this caller: the same."""
    what = f"no folder {folder} in the collection {collection}" if folder else f"no collection {collection}"
    return NotFound(f"There is {what}. list_collection without arguments names the collections.")
