"""Moving one ticket through its workflow."""

from servers.tickets.answers import Updated
from servers.tickets.arguments import TransitionTicket
from servers.tickets.moving import facts, moved
from servers.tickets.saving import Undo, locked, save
from servers.tickets.tools import tools
from servers.tickets.views import diff, ticket
from shared.core.tool import Call, Risk


@tools.write("tickets:write", risk=Risk.MEDIUM, inverse="undo_change")
async def transition_ticket(call: Call, query: TransitionTicket) -> Updated:
    """Move one ticket to another status. get_ticket shows in next_moves where it can go and what it lacks for it;
    resolving, and closing a new one, needs a resolution. A move that is not allowed is a conflict that names the
    allowed ones. For duplicates use merge_tickets, for who works on it assign_ticket.
    """
    row = (await locked(call, {query.ticket_id: query.version}))[query.ticket_id]
    fields = moved(await facts(call.transaction, row, query.resolution), query.status)
    saved = await save(call, query, "transition", [(row, fields)], Undo())
    after = saved.after(row)
    return Updated(ticket=ticket(after), diff=diff(row, after), change_id=saved.change_id)
