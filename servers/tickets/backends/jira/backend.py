from servers.tickets.answers import Commented, Created, Found, Linked, Tickets, Updated, WholeTicket
from servers.tickets.arguments import (
    AddComment,
    AssignTicket,
    CreateTicket,
    LinkTickets,
    ManyTickets,
    Mine,
    OneTicket,
    Search,
    TransitionTicket,
    UpdateTicket,
)
from servers.tickets.backends.jira import commenting, creating, editing, linking, moving
from servers.tickets.backends.jira.reading import Reading
from shared.core.tool import Call


class Jira:
    """`TicketBackend` over `call.upstream`."""

    def __init__(self, call: Call) -> None:
        self._reading = Reading(call)

    async def get(self, query: OneTicket) -> WholeTicket:
        return await self._reading.whole(query)

    async def get_many(self, query: ManyTickets) -> Tickets:
        return await self._reading.many(query)

    async def search(self, query: Search) -> Found:
        return await self._reading.search(query)

    async def mine(self, query: Mine) -> Found:
        return await self._reading.mine(query)

    async def create(self, query: CreateTicket) -> Created:
        return await creating.create(self._reading, query)

    async def comment(self, query: AddComment) -> Commented:
        return await commenting.comment(self._reading, query)

    async def update(self, query: UpdateTicket) -> Updated:
        return await editing.update(self._reading, query)

    async def assign(self, query: AssignTicket) -> Updated:
        return await editing.assign(self._reading, query)

    async def transition(self, query: TransitionTicket) -> Updated:
        return await moving.move(self._reading, query)

    async def link(self, query: LinkTickets) -> Linked:
        return await linking.link(self._reading, query)
