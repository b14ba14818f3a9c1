"""Where a section is in its document's text."""

from dataclasses import dataclass
from typing import Any

from servers.documents import queries
from servers.documents.addresses import Address
from servers.documents.views import no_document
from shared.core.errors import NotFound
from shared.core.tool import Call

_END = 2**31 - 2
_DEEPEST = 6


@dataclass(frozen=True, slots=True)
class Place:
    """A range of characters; it may end beyond the text."""

    start: int = 0
    stop: int = _END
    heading: str | None = None


async def place_of(call: Call, address: Address, anchor: str | None, version: int | None) -> Place:
    """Where the section is, with all below it; the whole text without an anchor.

    Raises:
        NotFound: There is no such document or section.
    """
    if anchor is None:
        return Place()
    found = await call.database.row(
        queries.SECTION, collection=address.collection, path=address.path, anchor=anchor
    )  # fmt: skip
    if found is not None and version in {None, found["version"]}:
        return Place(found["start"], _END if found["stop"] is None else found["stop"], found["heading"] or None)
    if version is not None:
        return await _place_in_version(call, address, anchor, version)
    here = await call.database.row(queries.BY_PATH, collection=address.collection, path=address.path)
    raise no_document(address) if here is None else _no_section(address, anchor)


async def _place_in_version(call: Call, address: Address, anchor: str, version: int) -> Place:
    here = await call.database.row(queries.BY_PATH, collection=address.collection, path=address.path)
    rows = await call.database.rows(queries.TEXTS, id=here["id"], versions=[version]) if here else []
    sections: list[Any] = rows[0]["outline"] if rows else []
    for number, (level, heading, found, start, _) in enumerate(sections):
        if found == anchor:
            below = (later[3] for later in sections[number + 1 :] if later[0] <= (level or _DEEPEST))
            return Place(start, next(below, _END), heading or None)
    raise _no_section(address, anchor) if rows else no_document(address, version)


def _no_section(address: Address, anchor: str) -> NotFound:
    return NotFound(f"{address.uri} has no section {anchor!r}. get_document_outline lists its sections.")
