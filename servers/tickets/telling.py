"""Whom a change is told: who watches a ticket, or a queue that it is or was in."""

from collections.abc import Iterable, Mapping
from typing import Any

from shared.core.tool import Call


def tell(call: Call, rows: Iterable[Mapping[str, Any]]) -> None:
    """Note that these tickets changed; given before and after, both queues are told."""
    uris = (uri for row in rows for uri in (f"ticket://{row['id']}", f"queue://{row['queue']}"))
    for uri in dict.fromkeys(uris):
        call.changed(uri)
