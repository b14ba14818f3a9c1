"""Documents that have to do with another."""

from servers.documents import queries
from servers.documents.addresses import parse
from servers.documents.answers import ENTRIES_MAX, RelatedDocument, RelatedDocuments, Relation
from servers.documents.arguments import Related
from servers.documents.finding import similar
from servers.documents.search_words import any_of
from servers.documents.tools import tools
from servers.documents.views import Row, document_fields, fitting, no_document, note_secrets
from shared.core.tool import Call

_MORE = "More are linked than are shown here. Raise limit (25 at most); the text of a document has all of its links."


@tools.read("documents:read", links="found")
async def find_related(call: Call, query: Related) -> RelatedDocuments:
    """Find documents a document links to, that link to it, and that share the words of its title and headings.
    Use it to widen what you found with search_documents, or to see what a change may touch.
    """
    address = parse(query.uri)
    row = await call.database.row(queries.BY_PATH, collection=address.collection, path=address.path)
    if row is None:
        raise no_document(address)
    most = query.limit + 1
    named = {"collection": address.collection, "stem": address.stem}
    alike = [each for each in await _similar(call, row, most + 1) if each["id"] != row["id"]]
    by_relation = {
        Relation.LINKS_TO: await call.database.rows(queries.LINKED_TO, id=row["id"], limit=most),
        Relation.LINKED_FROM: await call.database.rows(queries.LINKED_FROM, **named, limit=most),
        Relation.SIMILAR: alike,
    }
    note_secrets(call, row, *(each for rows in by_relation.values() for each in rows))
    found: dict[str, RelatedDocument] = {}
    for relation, rows in by_relation.items():
        for each in rows[: query.limit]:
            found.setdefault(each["id"], RelatedDocument(**document_fields(each), relation=relation))
    entries = [*found.values()]
    shown = entries[: fitting(entries, ENTRIES_MAX)]
    linked = (by_relation[Relation.LINKS_TO], by_relation[Relation.LINKED_FROM])
    more = len(shown) < len(entries) or any(len(rows) == most for rows in linked)
    return RelatedDocuments(found=shown, advice=_MORE if more else None)


async def _similar(call: Call, row: Row, limit: int) -> list[Row]:
    headings = await call.database.rows(queries.HEADINGS, id=row["id"])
    words = any_of([row["title"], *(each["heading"] for each in headings), *row["labels"]])
    return await similar(call, words, limit) if words else []
