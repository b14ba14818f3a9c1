"""Collections and paths that begin as somebody began to type; only of documents they may read."""

import re

from servers.documents import browsing
from servers.documents.addresses import COLLECTION
from servers.documents.tools import tools
from servers.documents.views import note_secret_names
from shared.core.models import SUGGESTIONS_MAX
from shared.core.tool import Begun, Call, Suggestions


@tools.completion("collection", "documents:read")
async def complete_collection(call: Call, query: Begun) -> Suggestions:
    """Collections that begin with the value, in order."""
    rows = await call.metadata(browsing.collections)
    found = [row for row in rows if row["collection"].startswith(query.value)]
    note_secret_names(call, found[:SUGGESTIONS_MAX])
    names = [row["collection"] for row in found]
    return Suggestions(values=names[:SUGGESTIONS_MAX], has_more=len(names) > SUGGESTIONS_MAX)


@tools.completion("path", "documents:read")
async def complete_path(call: Call, query: Begun) -> Suggestions:
    """What the value may go on as: one level at a time, folders with `/` at their end. It takes the collection from
    what was filled in before.
    """
    return await _completed(call, query)


@tools.completion("folder", "documents:read")
async def complete_folder(call: Call, query: Begun) -> Suggestions:
    """Folders that the value may go on as, one level at a time, as the URI has them."""
    completed = await _completed(call, query)
    folders = [value.removesuffix("/") for value in completed.values if value.endswith("/")]
    return Suggestions(values=folders, has_more=completed.has_more)


async def _completed(call: Call, query: Begun) -> Suggestions:
    collection = query.context.get("collection", "")
    if not re.fullmatch(COLLECTION, collection) or not query.value.isprintable():
        return Suggestions(values=[])
    folder, slash, begun = query.value.rpartition("/")
    rows = await call.metadata(browsing.level, collection, folder + slash, begun, "", SUGGESTIONS_MAX + 1)
    note_secret_names(call, rows)
    names = [row["name"] for row in rows]
    return Suggestions(values=names[:SUGGESTIONS_MAX], has_more=len(names) > SUGGESTIONS_MAX)
