"""Changing fields of an issue, in one request that also leaves the property by which it is found again."""

from collections.abc import Mapping
from typing import Any

from servers.tickets.answers import TicketDiff, Updated
from servers.tickets.arguments import AssignTicket, UpdateTicket
from servers.tickets.backends.jira.fields import MARKER, changed, diff, fields_of
from servers.tickets.backends.jira.markers import EDIT, issue, label
from servers.tickets.backends.jira.reading import Reading
from servers.tickets.backends.jira.shapes import Linked
from servers.tickets.models import Ticket
from shared.core.errors import Invalid
from shared.core.upstreams import Sender

__all__ = ["assign", "mark", "update"]


def mark(marker: str) -> dict[str, Any]:
    """The property that an edit or a move leaves."""
    return {"properties": [{"key": label(marker), "value": {"by": "mcp-suite"}}]}


async def update(reading: Reading, query: UpdateTicket) -> Updated:
    return await _edit(reading, query, query.changes.model_dump(exclude_unset=True))


async def assign(reading: Reading, query: AssignTicket) -> Updated:
    account = await reading.account(query.assignee) if query.assignee else None
    return await _edit(reading, query, {"assignee": account})


async def _edit(reading: Reading, query: UpdateTicket | AssignTicket, wished: Mapping[str, Any]) -> Updated:
    fields = fields_of(wished, reading.options)
    key = query.ticket_id
    if query.dry_run:
        before = await reading.at(key, query.version)
        _require_same_project(before, fields, reading)
        after = changed(before, wished)
        return Updated(ticket=after, diff=diff(before, after))
    known: list[Ticket] = []

    async def send(sender: Sender, marker: str) -> str:
        before = await reading.at(key, query.version)
        known.append(before)
        sent = _require_same_project(before, fields, reading)
        if "labels" in sent:
            sent["labels"] = [*sent["labels"], *await _our_labels(reading, key)]
        await sender.send("PUT", issue(key), {"fields": sent, **mark(marker)})
        return key

    await reading.call.upstream.once(EDIT, key, send)
    after = await reading.one(key)
    # Of what an earlier call did, only that it was done is known.
    return Updated(ticket=after, diff=diff(known[0], after) if known else TicketDiff())


def _require_same_project(before: Ticket, fields: Mapping[str, Any], reading: Reading) -> dict[str, Any]:
    """The fields to send: Jira moves an issue to another project only by hand."""
    project = fields.get("project")
    if project is not None and project["key"] != before.id.partition("-")[0]:
        there = [name for name, place in reading.options.queues.items() if place.project == before.id.partition("-")[0]]
        raise Invalid(f"{before.id} can only go to queues of its own project: {', '.join(sorted(there))}.")
    return {name: value for name, value in fields.items() if name != "project"}


async def _our_labels(reading: Reading, key: str) -> list[str]:
    """Those by which writes are found: callers do not see them, and must not take them away."""
    found = await reading.call.upstream.get(issue(key), Linked, {"fields": "labels"})
    return [each for each in found.fields.labels if each.startswith(MARKER)]
