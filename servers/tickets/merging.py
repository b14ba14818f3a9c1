"""Two tickets about the same thing become one."""

from typing import Any

from servers.tickets import write_queries
from servers.tickets.answers import Merged
from servers.tickets.arguments import MergeTickets
from servers.tickets.linking import with_link
from servers.tickets.models import ATTACHMENTS_MAX, INTERNAL, LABELS_MAX, WATCHERS_MAX, LinkKind
from servers.tickets.saving import Row, Undo, locked, save
from servers.tickets.tools import tools
from servers.tickets.views import diff, link, ticket
from servers.tickets.workflow import Status
from shared.core.errors import Conflict
from shared.core.tool import Call, Risk

_FILLED = ("requester_name", "requester_email", "customer_id")


# Whoever merges moves all comments, so it takes somebody who may see all of them.
@tools.write("tickets:write", INTERNAL, risk=Risk.HIGH, inverse="undo_change")
async def merge_tickets(call: Call, query: MergeTickets) -> Merged:
    """Merge a duplicate into the ticket to keep: its comments move, labels, watchers and attachments are united,
    requester and customer are filled in where they are empty, and the duplicate becomes merged, with merged_into.
    Only when you are sure that both are about the same thing: read both first and pass their versions.
    """
    rows = await locked(call, {query.keep_id: query.keep_version, query.duplicate_id: query.duplicate_version})
    keep, duplicate = rows[query.keep_id], rows[query.duplicate_id]
    if keep["status"] == Status.CLOSED:
        raise Conflict(f"{query.keep_id} is closed; keep the other one, or open it again first.")
    [now] = await call.transaction.rows(write_queries.NOW)
    gone = {
        "status": Status.MERGED,
        "merged_into": query.keep_id,
        "resolved_at": duplicate["resolved_at"] or now["now"],
        "links": with_link(duplicate, link(LinkKind.DUPLICATES, query.keep_id)),
    }
    moved = await call.transaction.rows(
        write_queries.MOVE_COMMENTS, from_ticket=query.duplicate_id, to_ticket=query.keep_id
    )
    undo = Undo((INTERNAL,), sorted(row["id"] for row in moved))
    saved = await save(call, query, "merge", [(keep, _united(keep, duplicate)), (duplicate, gone)], undo)
    after = saved.after(keep)
    return Merged(
        ticket=ticket(after),
        duplicate=ticket(saved.after(duplicate)),
        diff=diff(keep, after),
        moved_comments=len(moved),
        change_id=saved.change_id,
    )


def _united(keep: Row, duplicate: Row) -> dict[str, Any]:
    """What the kept ticket has afterwards; nothing it has is overwritten, and what is too much stays behind."""
    filled = {field: duplicate[field] for field in _FILLED if keep[field] is None and duplicate[field] is not None}
    return {
        **filled,
        "labels": _both(keep["labels"], duplicate["labels"], LABELS_MAX),
        "watchers": _both(keep["watchers"], duplicate["watchers"], WATCHERS_MAX),
        "attachments": [
            *keep["attachments"],
            *(each for each in duplicate["attachments"] if each not in keep["attachments"]),
        ][:ATTACHMENTS_MAX],
        "links": with_link(keep, link(LinkKind.DUPLICATED_BY, duplicate["id"])),
    }


def _both(kept: list[str], more: list[str], most: int) -> list[str]:
    return sorted([*kept, *(each for each in more if each not in kept)][:most])
