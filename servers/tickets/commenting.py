"""Comments: for colleagues, or for the requester too."""

from servers.tickets import write_queries
from servers.tickets.answers import Commented
from servers.tickets.arguments import AddComment
from servers.tickets.models import INTERNAL
from servers.tickets.saving import Undo, locked, save
from servers.tickets.telling import tell
from servers.tickets.tools import tools
from servers.tickets.views import comment
from shared.core.errors import Forbidden
from shared.core.ids import new_id
from shared.core.tool import Call, Risk


@tools.write("tickets:write", risk=Risk.MEDIUM, inverse="undo_change")
async def comment_on_ticket(call: Call, query: AddComment) -> Commented:
    """Write a comment on a ticket. Internal ones, as by default, are for colleagues and need tickets:internal; with
    internal=false the requester sees it, so put nothing in it that is not theirs to know, and undoing it comes too
    late. It changes neither the ticket's fields nor its version.
    """
    if query.internal and not call.caller.may(INTERNAL):
        message = "Comments for colleagues need tickets:internal; with internal=false the requester sees it."
        raise Forbidden(message, ["tickets:write", INTERNAL])
    row = (await locked(call, {query.ticket_id: None}))[query.ticket_id]
    [written] = await call.transaction.rows(
        write_queries.ADD_COMMENT,
        new_id=new_id("TC"),
        new_ticket_id=query.ticket_id,
        new_text=query.text,
        new_internal=query.internal,
        new_author=call.caller.subject,
        new_attachments=[each.model_dump() for each in query.attachments],
    )
    needs = (INTERNAL,) if query.internal else ()
    saved = await save(call, query, "comment", [], Undo(needs, comment_id=written["id"]))
    tell(call, [row])
    return Commented(ticket_id=query.ticket_id, comment=comment(written), change_id=saved.change_id)
