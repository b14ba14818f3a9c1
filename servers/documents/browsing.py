"""What is kept of listings between calls (`Call.metadata`): names, titles and counts, by tenant and rights."""

from datetime import datetime

from servers.documents import queries
from servers.documents.views import Row
from shared.core.call import Queries


async def collections(database: Queries) -> tuple[Row, ...]:
    """The collections in which there is something to read."""
    return tuple(await database.rows(queries.COLLECTIONS))


async def level(database: Queries, collection: str, folder: str, begun: str, after: str, most: int) -> tuple[Row, ...]:
    """One level of a collection, from names that begin as `begun`, after a name."""
    return tuple(
        await database.rows(queries.CHILDREN, collection=collection, folder=folder, begun=begun, after=after, most=most)
    )


async def recent(database: Queries, before_at: str, before_id: str, most: int) -> tuple[Row, ...]:
    """The documents that changed last, before a position."""
    at = datetime.fromisoformat(before_at)
    return tuple(await database.rows(queries.RECENT, before_at=at, before_id=before_id, limit=most))


async def outline(database: Queries, document_id: str, _version: int, skip: int, most: int) -> tuple[Row, ...]:
    """Some sections of a document as it is in this version, which is the current one."""
    return tuple(await database.rows(queries.SECTIONS, id=document_id, skip=skip, most=most))
