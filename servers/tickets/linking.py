"""How tickets stand to each other. A link is kept at both ends, so both tickets change."""

from servers.tickets.answers import Linked
from servers.tickets.arguments import LinkTickets
from servers.tickets.models import LINKS_MAX, OTHER_END, LinkKind
from servers.tickets.saving import Undo, locked, save
from servers.tickets.tools import tools
from servers.tickets.views import Row, link, ticket
from shared.core.errors import Conflict
from shared.core.tool import Call, Risk


@tools.write("tickets:write", risk=Risk.LOW, inverse="undo_change")
async def link_tickets(call: Call, query: LinkTickets) -> Linked:
    """Say how one ticket stands to another, or take that back with remove. "A blocks B" is one link, shown at B as
    blocked_by: B cannot be resolved before A. Duplicates that nobody needs any more are better merged
    (merge_tickets).
    """
    rows = await locked(call, {query.ticket_id: query.version, query.other_id: None})
    ends = [
        (rows[query.ticket_id], link(query.kind, query.other_id)),
        (rows[query.other_id], link(OTHER_END[query.kind], query.ticket_id)),
    ]
    if not query.remove:
        _refuse_circles(rows[query.ticket_id], query)
    wished = [(row, {"links": without(row, end) if query.remove else with_link(row, end)}) for row, end in ends]
    saved = await save(call, query, "unlink" if query.remove else "link", wished, Undo())
    one, other = (saved.after(row) for row, _ in ends)
    return Linked(ticket=ticket(one), other=ticket(other), change_id=saved.change_id)


def with_link(row: Row, end: str) -> list[str]:
    """The links of a ticket with one more.

    Raises:
        Conflict: It has as many as there may be.
    """
    kept = sorted({*row["links"], end})
    if len(kept) > LINKS_MAX:
        raise Conflict(f"{row['id']} has {LINKS_MAX} links, as many as there may be. Remove one first.")
    return kept


def without(row: Row, end: str) -> list[str]:
    return [kept for kept in row["links"] if kept != end]


def _refuse_circles(row: Row, query: LinkTickets) -> None:
    """Two tickets that block each other could never be resolved, and none is its own child."""
    opposite = OTHER_END[query.kind]
    directed = query.kind is not LinkKind.RELATES_TO
    if directed and link(opposite, query.other_id) in row["links"]:
        raise Conflict(
            f"{query.ticket_id} already {opposite.replace('_', ' ')} {query.other_id}; remove that link first."
        )
