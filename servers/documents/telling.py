"""Who is told of a change: those who watch the document, and a folder or collection that it is in."""

from collections.abc import Mapping
from typing import Any

from servers.documents.addresses import above, uri_of
from servers.documents.rights import is_for_all


def told_of(collection: str, path: str, *states: Mapping[str, Any]) -> list[str]:
    """The URIs under which a change of a document is told.

    Who watches a folder must not hear that something changed in it which is not there for them. So it is told of what
    everybody in the tenant may read, or might before; the rest is told under its own URI alone.

    Args:
        collection: Where the document is.
        path: The same.
        states: Its classification and readers, before and after.
    """
    uris = [uri_of(collection, path)]
    if any(is_for_all(state["classification"], state["readers"]) for state in states):
        uris += [uri_of(collection), *(uri_of(collection, folder) for folder in above(path))]
    return uris
