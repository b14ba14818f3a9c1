"""Where tickets are kept: in our own tables (`servers/tickets/tools.py`), or in a system of somebody else's."""

from typing import Protocol

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

__all__ = ["TicketBackend"]


class TicketBackend(Protocol):
    """What every place for tickets can do, for one call: the tools of its names, with their arguments and answers.

    Writes honour `dry_run`, and `version` where the arguments have one; they raise the failures of
    `shared.core.errors`. What cannot be kept there is `Invalid`, and says so: nothing given is dropped in silence.
    """

    async def get(self, query: OneTicket) -> WholeTicket: ...
    async def get_many(self, query: ManyTickets) -> Tickets: ...
    async def search(self, query: Search) -> Found: ...
    async def mine(self, query: Mine) -> Found: ...
    async def create(self, query: CreateTicket) -> Created: ...
    async def comment(self, query: AddComment) -> Commented: ...
    async def update(self, query: UpdateTicket) -> Updated: ...
    async def assign(self, query: AssignTicket) -> Updated: ...
    async def transition(self, query: TransitionTicket) -> Updated: ...
    async def link(self, query: LinkTickets) -> Linked: ...
