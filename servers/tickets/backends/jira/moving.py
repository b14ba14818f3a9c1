from collections.abc import Sequence

from servers.tickets.answers import TicketDiff, Updated
from servers.tickets.arguments import TransitionTicket
from servers.tickets.backends.jira import adf
from servers.tickets.backends.jira.editing import mark
from servers.tickets.backends.jira.fields import diff
from servers.tickets.backends.jira.markers import MOVE, issue
from servers.tickets.backends.jira.reading import Reading
from servers.tickets.backends.jira.shapes import Way
from servers.tickets.models import Ticket
from shared.core.errors import Conflict
from shared.core.upstreams import Sender


async def move(reading: Reading, query: TransitionTicket) -> Updated:
    """Take one of the moves that Jira allows now; what was done goes with it as a comment."""
    key = query.ticket_id
    if query.dry_run:
        before, _ = await _way(reading, query)
        after = before.model_copy(update={"status": query.status})
        return Updated(ticket=after, diff=diff(before, after))
    known: list[Ticket] = []

    async def send(sender: Sender, marker: str) -> str:
        before, way = await _way(reading, query)
        known.append(before)
        said = {"update": {"comment": [{"add": {"body": adf.document(query.resolution)}}]}} if query.resolution else {}
        await sender.send("POST", issue(key, "transitions"), {"transition": {"id": way.id}, **said, **mark(marker)})
        return key

    await reading.call.upstream.once(MOVE, key, send)
    after = await reading.one(key)
    return Updated(ticket=after, diff=diff(known[0], after) if known else TicketDiff())


async def _way(reading: Reading, query: TransitionTicket) -> tuple[Ticket, Way]:
    before = await reading.at(query.ticket_id, query.version)
    ways = await reading.ways(query.ticket_id)
    found = next((way for way in ways if reading.status(way) == query.status), None)
    if found is None:
        raise Conflict(
            f"Jira does not let you take {query.ticket_id} from {before.status} to {query.status}. "
            f"Allowed: {_allowed(reading, ways)}.",
            allowed=sorted({reading.status(way) for way in ways}),
        )
    return before, found


def _allowed(reading: Reading, ways: Sequence[Way]) -> str:
    return ", ".join(sorted({reading.status(way) for way in ways})) or "nothing"
