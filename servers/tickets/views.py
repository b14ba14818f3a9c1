"""Rows as they are shown."""

from collections.abc import Mapping, Sequence
from typing import Any

from servers.tickets.answers import HistoryEntry, TicketDiff
from servers.tickets.models import Comment, LinkKind, NextMove, Ticket, TicketLink, TicketSummary
from servers.tickets.workflow import Facts, moves_from
from servers.tickets.write_queries import FIELDS

Row = Mapping[str, Any]


def link(kind: LinkKind, ticket_id: str) -> str:
    """A link as a ticket keeps it."""
    return f"{kind} {ticket_id}"


def links(kept: Sequence[str]) -> list[TicketLink]:
    """Links as they are shown."""
    pairs = [each.split(" ", 1) for each in kept]
    return [TicketLink(kind=LinkKind(kind), ticket_id=ticket_id) for kind, ticket_id in pairs]


def ticket(row: Row) -> Ticket:
    return Ticket.model_validate({**row, "links": links(row["links"])}, strict=False)


def summary(row: Row) -> TicketSummary:
    return TicketSummary(**row)


def comment(row: Row) -> Comment:
    return Comment(**row)


def diff(before: Row, after: Row) -> TicketDiff:
    """What a caller is shown of a change; both may hold some of the fields only."""
    changed = [field for field in FIELDS if before.get(field) != after.get(field)]
    return TicketDiff.model_validate(
        {
            field: {"before": _shown(field, before.get(field)), "after": _shown(field, after.get(field))}
            for field in changed
        }
    )


def _shown(field: str, value: Any) -> Any:
    return links(value or ()) if field == "links" else value


def entry(row: Row) -> HistoryEntry:
    """One change of the history. The first version came out of nothing, so it has no diff."""
    before: Row = row["before"]
    return HistoryEntry(
        version=row["version"],
        act=row["act"],
        by=row["by_subject"],
        at=row["at"],
        diff=diff(before, row["after"]) if before else TicketDiff(),
        change_id=row["change_id"],
    )


def next_moves(facts: Facts) -> list[NextMove]:
    """Where the ticket can go, with what is missing."""
    return [
        NextMove(status=move.to, move=move.name, needs=[guard.needs for guard in move.missing(facts)])
        for move in moves_from(facts.ticket["status"])
    ]
