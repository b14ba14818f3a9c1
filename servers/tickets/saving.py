"""What every write of tickets goes through: the locks, the refusals, the history, and whom it tells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from servers.tickets import queries, write_queries
from servers.tickets.marks import marks
from servers.tickets.telling import tell
from servers.tickets.views import Row
from servers.tickets.write_queries import FIELDS
from shared.core.errors import Conflict, NotFound
from shared.core.ids import new_id
from shared.core.tool import Call, WriteArguments

Pair = tuple[Row, Row]
"""A ticket before and after."""


async def locked(call: Call, versions: Mapping[str, int | None]) -> dict[str, Row]:
    """The tickets by id, locked until the call ends; None takes any version.

    Raises:
        NotFound: One of them is not there.
        Conflict: One is at another version, or was merged into another ticket.
    """
    rows = await call.transaction.rows(write_queries.LOCKED, ids=sorted(versions))
    found = {row["id"]: row for row in rows}
    for ticket_id, version in versions.items():
        if ticket_id not in found:
            raise no_ticket(ticket_id)
        _refuse_stale(found[ticket_id], version)
    return found


def _refuse_stale(row: Row, version: int | None) -> None:
    ticket_id = row["id"]
    if version is not None and row["version"] != version:
        raise Conflict(
            f"{ticket_id} is at version {row['version']}, not {version}: somebody changed it. Read it again with "
            "get_ticket, then repeat the change with the new version if it is still wanted.",
            current_version=row["version"],
        )
    if row["merged_into"]:
        raise Conflict(
            f"{ticket_id} was merged into {row['merged_into']}; use that one instead. A merge is taken back with "
            "undo_change, within 24 hours.",
            merged_into=row["merged_into"],
        )


async def create(call: Call, ticket_id: str, fields: Row) -> Row:
    """A new ticket at version 1, with the first row of its history."""
    new = {**dict.fromkeys(FIELDS), **fields}
    stored = {**new, "id": ticket_id, "created_by": call.caller.subject, "marks": marks(call.caller.tenant, new)}
    await call.transaction.rows(write_queries.INSERT, rows=[stored])
    await _record(call, "create", None, [{"ticket_id": ticket_id, "version": 1, "before": {}, "after": plain(new)}])
    [row] = await call.transaction.rows(queries.BY_IDS, ids=[ticket_id])
    tell(call, [row])
    return row


@dataclass(frozen=True)
class Saved:
    """What was changed.

    Attributes:
        pairs: Each ticket before and after; only those that something is new of.
        change_id: Takes it back; None if nothing changed, nothing can take it back, or it is a dry run.
    """

    pairs: Sequence[Pair]
    change_id: str | None

    def after(self, row: Row) -> Row:
        """The ticket as it is now, given how it was."""
        return next((new for old, new in self.pairs if old["id"] == row["id"]), row)


async def save(
    call: Call, query: WriteArguments, act: str, wished: Sequence[Pair], undo: "Undo | None" = None
) -> Saved:
    """Change tickets that are locked, each by the fields that are new of it.

    Each goes up one version and has one row more in its history; who watches it, or its queue, is told.

    Args:
        call: Its transaction also holds the change.
        query: Says whether it is a dry run.
        act: What is done, for the history.
        wished: Each ticket as it is, and fields it shall have.
        undo: What taking it back needs to know; None if it cannot be.
    """
    differing = [(row, _differing(row, fields)) for row, fields in wished]
    changing = [(row, new) for row, new in differing if new]
    if not changing and not (undo and undo.beside):
        return Saved([], None)
    change_id = await _remember(call, query, act, undo) if undo else None
    if not changing:
        return Saved([], change_id)
    after = [{**{field: row[field] for field in FIELDS}, **new, "id": row["id"]} for row, new in changing]
    await call.transaction.rows(
        write_queries.UPDATE, rows=[{**fields, "marks": marks(call.caller.tenant, fields)} for fields in after]
    )
    await _record(call, act, change_id, [_changed(row, new) for row, new in changing])
    ids = [row["id"] for row, _ in changing]
    saved = {row["id"]: row for row in await call.transaction.rows(queries.BY_IDS, ids=ids)}
    pairs = [(row, saved[row["id"]]) for row, _ in changing]
    tell(call, [row for pair in pairs for row in pair])
    return Saved(pairs, change_id)


@dataclass(frozen=True)
class Undo:
    """What taking a change back needs to know, beside the history.

    Attributes:
        needs: Scopes that it needs beyond tickets:write.
        moved: Comments that went from one ticket to another.
        comment_id: The comment that was added.
    """

    needs: Sequence[str] = ()
    moved: Sequence[str] = ()
    comment_id: str | None = None

    @property
    def beside(self) -> bool:
        """Whether more than fields of tickets changed."""
        return bool(self.moved or self.comment_id)


async def _remember(call: Call, query: WriteArguments, act: str, undo: Undo) -> str | None:
    """An id under which the change can be undone for 24 hours."""
    if query.dry_run:
        return None
    await call.transaction.rows(write_queries.FORGET_EXPIRED)
    change_id = new_id("CH")
    await call.transaction.rows(
        write_queries.KEEP_CHANGE,
        new_id=change_id,
        new_act=act,
        new_needs=[*undo.needs],
        new_moved=[*undo.moved],
        new_comment_id=undo.comment_id,
    )
    return change_id


def plain(value: Any) -> Any:
    """A value of a row as the history keeps it: a time is in UTC, as the database gives it back."""
    return orjson.loads(orjson.dumps(value, default=_in_utc, option=orjson.OPT_PASSTHROUGH_DATETIME))


def _in_utc(value: datetime) -> str:
    return value.astimezone(UTC).isoformat()


def no_ticket(ticket_id: str) -> NotFound:
    return NotFound(f"There is no ticket {ticket_id}. Find the right id with search_tickets.")


def _changed(row: Row, new: Row) -> Row:
    """As the history keeps it."""
    before = {field: row[field] for field in new}
    return {"ticket_id": row["id"], "version": row["version"] + 1, "before": plain(before), "after": plain(new)}


def _differing(row: Row, fields: Row) -> dict[str, Any]:
    return {field: value for field, value in fields.items() if plain(value) != plain(row[field])}


async def _record(call: Call, act: str, change_id: str | None, facts: Sequence[Row]) -> None:
    await call.transaction.rows(
        write_queries.RECORD,
        rows=facts,
        act=act,
        change_id=change_id,
        by_subject=call.caller.subject,
        by_actor=call.caller.actor,
    )
