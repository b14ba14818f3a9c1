from servers.tickets.answers import Linked
from servers.tickets.arguments import LinkTickets
from servers.tickets.backends.jira.fields import LINK_TYPES
from servers.tickets.backends.jira.markers import API, LINK, UNLINK, is_linked
from servers.tickets.backends.jira.reading import Reading
from servers.tickets.models import OTHER_END, LinkKind, Ticket, TicketLink
from shared.core.errors import Conflict, Invalid
from shared.core.upstreams import Sender


async def link(reading: Reading, query: LinkTickets) -> Linked:
    """Link two issues, or take the link away. Jira keeps one link of a kind between two, so it is its own marker."""
    name, turned = _type(query.kind)
    target = f"{query.ticket_id} {query.kind} {query.other_id}"
    if query.dry_run:
        return await _as_it_would_be(reading, query)

    async def send(sender: Sender, _marker: str) -> str:
        await reading.at(query.ticket_id, query.version)
        found = await is_linked(reading.call.upstream, target)
        if query.remove:
            if found is None:
                raise Conflict(f"{query.ticket_id} is not linked to {query.other_id} like that.")
            await sender.send("DELETE", (*API, "issueLink", found))
        elif found is None:
            await sender.send("POST", (*API, "issueLink"), _body(name, query, turned=turned))
        return target

    await reading.call.upstream.once(UNLINK if query.remove else LINK, target, send)
    return Linked(ticket=await reading.one(query.ticket_id), other=await reading.one(query.other_id))


def _type(kind: LinkKind) -> tuple[str, bool]:
    """Jira's type of link, and whether the first ticket is its inward end."""
    for name, (outward, inward) in LINK_TYPES.items():
        if kind in {outward, inward}:
            return name, kind != outward
    raise Invalid(f"Jira has no link {kind}; parents are set in Jira itself.")


def _body(name: str, query: LinkTickets, *, turned: bool) -> dict[str, object]:
    """The inward issue of a link is where it begins: it blocks, or duplicates, the outward one."""
    first, second = (query.other_id, query.ticket_id) if turned else (query.ticket_id, query.other_id)
    return {"type": {"name": name}, "inwardIssue": {"key": first}, "outwardIssue": {"key": second}}


async def _as_it_would_be(reading: Reading, query: LinkTickets) -> Linked:
    one, other = await reading.at(query.ticket_id, query.version), await reading.one(query.other_id)
    first = TicketLink(kind=query.kind, ticket_id=query.other_id)
    second = TicketLink(kind=OTHER_END[query.kind], ticket_id=query.ticket_id)
    return Linked(ticket=_with(one, first, query), other=_with(other, second, query))


def _with(ticket: Ticket, changed: TicketLink, query: LinkTickets) -> Ticket:
    others = [each for each in ticket.links if each != changed]
    return ticket.model_copy(update={"links": others if query.remove else [*others, changed]})
