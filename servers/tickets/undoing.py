"""Taking back what was written: for 24 hours, and only while nobody built on it."""

from collections.abc import Mapping, Sequence

from servers.tickets import queries, write_queries
from servers.tickets.answers import Undone
from servers.tickets.arguments import UndoChange
from servers.tickets.fitting import shortened
from servers.tickets.saving import Row, plain, save
from servers.tickets.telling import tell
from servers.tickets.tools import tools
from servers.tickets.views import ticket
from shared.core.errors import Conflict, Forbidden, NotFound
from shared.core.tool import Call, Risk

_SHOWN = 20
_NAMED = 10


@tools.write("tickets:write", risk=Risk.MEDIUM)
async def undo_change(call: Call, query: UndoChange) -> Undone:
    """Take back one change by the change_id a write returned, within 24 hours: an update, an assignment, a move, a
    link, a merge, a comment, or a bulk change as a whole. All of it is taken back or nothing: if a field it touched
    was changed since, you get a conflict that names it. What the requester has read stays read.
    """
    change = await _locked_change(call, query)
    entries = await call.transaction.rows(write_queries.OF_CHANGE, id=query.change_id)
    ids = sorted({entry["ticket_id"] for entry in entries})
    rows = {row["id"]: row for row in await call.transaction.rows(write_queries.LOCKED, ids=ids)} if ids else {}
    _refuse_changed(entries, rows)
    await _take_back_comments(call, change, entries)
    wished = [(rows[entry["ticket_id"]], entry["before"]) for entry in entries]
    saved = await save(call, query, "undo", wished)
    await call.transaction.rows(write_queries.MARK_UNDONE, by_id=query.change_id)
    return Undone(
        change_id=query.change_id,
        act=change["act"],
        changed_at=change["created_at"],
        count=len(saved.pairs),
        tickets=shortened([ticket(after) for _, after in saved.pairs[:_SHOWN]]),
    )


async def _locked_change(call: Call, query: UndoChange) -> Row:
    change = await call.transaction.row(write_queries.LOCKED_CHANGE, id=query.change_id)
    if change is None:
        raise NotFound(f"There is no change {query.change_id} that can be undone; changes are kept for 24 hours.")
    lacking = [scope for scope in change["needs"] if not call.caller.may(scope)]
    if lacking:
        # Before anything is compared: the conflict would tell what has changed.
        message = f"This change is undone only with {' and '.join(lacking)}."
        raise Forbidden(message, ["tickets:write", *change["needs"]])
    if change["undone_at"]:
        raise Conflict(f"{query.change_id} was undone already.", undone_at=change["undone_at"].isoformat())
    return change


def _refuse_changed(entries: Sequence[Row], rows: Mapping[str, Row]) -> None:
    """Each field must be as the change left it, and the ticket not merged since. What else was changed stays."""
    fields = [
        f"{entry['ticket_id']}.{field}"
        for entry in entries
        for field, value in {"merged_into": None, **entry["after"]}.items()
        if plain(rows[entry["ticket_id"]][field]) != value
    ]
    if fields:
        raise _changed_since(fields)


def _changed_since(fields: list[str]) -> Conflict:
    named = ", ".join(fields[:_NAMED]) + (f" and {len(fields) - _NAMED} more" if len(fields) > _NAMED else "")
    return Conflict(
        f"It can no longer be undone: {named} changed since. Undo the later change first, or read the ticket again "
        "and set what is wanted.",
        changed_since=fields[:_NAMED],
    )


async def _take_back_comments(call: Call, change: Row, entries: Sequence[Row]) -> None:
    """Remove the comment, or give comments back; each must still be where the change put it."""
    if change["comment_id"]:
        gone = await call.transaction.rows(write_queries.REMOVE_COMMENT, id=change["comment_id"])
        if not gone:
            raise _changed_since(["the comment"])
        # Not locked: a merge locks tickets and then their comments, and would wait for this in a circle.
        tell(call, await call.transaction.rows(queries.BY_IDS, ids=[gone[0]["ticket_id"]]))
    if change["moved"]:
        (duplicate,) = (entry for entry in entries if "merged_into" in entry["after"])
        where = {"from_ticket": duplicate["after"]["merged_into"], "to_ticket": duplicate["ticket_id"]}
        back = await call.transaction.rows(write_queries.MOVE_THESE, **where, ids=change["moved"])
        if len(back) != len(change["moved"]):
            raise _changed_since(["the comments"])
