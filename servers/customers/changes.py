"""What a write leaves behind so that it can be undone for 24 hours."""

from collections.abc import Sequence
from typing import Any, Literal

from servers.customers import change_queries
from servers.customers.queries import STORED
from servers.customers.saving import PERSONAL, Row
from shared.core.ids import new_id
from shared.core.tool import Call, WriteArguments

Kind = Literal["update", "note", "merge"]


async def remember(
    call: Call,
    query: WriteArguments,
    kind: Kind,
    pairs: Sequence[tuple[Row, Row]],
    moved: dict[str, list[str]] | None = None,
    note_id: str | None = None,
) -> str | None:
    """The id of the change, or None for a dry run.

    Args:
        call: Its transaction also holds the change.
        query: Says whether it is a dry run.
        kind: What was done.
        pairs: Each customer before and after.
        moved: Ids of orders and notes that went from the second customer to the first.
        note_id: The note that was added.
    """
    if query.dry_run:
        return None
    await call.transaction.rows(change_queries.FORGET_EXPIRED)
    touched = {old["id"]: [field for field in STORED if old[field] != new[field]] for old, new in pairs}
    change_id = new_id("CH")
    facts: dict[str, Any] = {
        "id": change_id,
        "kind": kind,
        "before": {old["id"]: {field: old[field] for field in touched[old["id"]]} for old, _ in pairs},
        "after": {new["id"]: {field: new[field] for field in touched[new["id"]]} for _, new in pairs},
        "moved": moved,
        "note_id": note_id,
        "personal": any(PERSONAL.intersection(fields) for fields in touched.values()),
    }
    await call.transaction.rows(change_queries.KEEP_CHANGE, **{f"new_{name}": fact for name, fact in facts.items()})
    return change_id
