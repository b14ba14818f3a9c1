"""A ticket goes from one status to another, as the table in `workflow.py` allows."""

from collections.abc import Mapping
from typing import Any

from servers.tickets import queries, write_queries
from servers.tickets.models import LinkKind
from servers.tickets.views import links
from servers.tickets.workflow import UNFINISHED, Facts, Status, move_between, moves_from
from shared.core.errors import Conflict
from shared.core.tool import Queries

Row = Mapping[str, Any]

_DONE = frozenset({Status.RESOLVED, Status.CLOSED})


async def facts(asked: Queries, row: Row, resolution: str | None = None) -> Facts:
    """What the guards look at, for one ticket."""
    blocking = [each.ticket_id for each in links(row["links"]) if each.kind is LinkKind.BLOCKED_BY]
    blockers = await asked.rows(queries.UNFINISHED_AMONG, ids=blocking) if blocking else []
    [now] = await asked.rows(write_queries.NOW)
    return Facts(row, resolution or row["resolution"], [each["id"] for each in blockers], now["now"])


def moved(found: Facts, to: Status) -> dict[str, Any]:
    """The fields that change when the ticket goes there.

    Raises:
        Conflict: It cannot; the message says where it can go, and what it lacks.
    """
    row, start = found.ticket, Status(found.ticket["status"])
    move = move_between(start, to)
    if move is None:
        raise Conflict(
            f"{row['id']} is {start} and cannot go to {to}. {_allowed(found)}", allowed_moves=_as_details(found)
        )
    if missing := move.missing(found):
        needs = "; and ".join(guard.needs for guard in missing)
        raise Conflict(
            f"To go from {start} to {to}, {row['id']} needs {needs}. {_allowed(found)}",
            missing=[guard.name for guard in missing],
            blockers=list(found.blockers) or None,
            allowed_moves=_as_details(found),
        )
    return {"status": to, **_end(found, start, to)}


def _end(found: Facts, start: Status, to: Status) -> dict[str, Any]:
    """A resolution and its time belong to what is done, and go when it is opened again."""
    if to in UNFINISHED:
        return {"resolution": None, "resolved_at": None}
    if start in _DONE:
        return {"resolution": found.resolution}
    return {"resolution": found.resolution, "resolved_at": found.now}


def _as_details(found: Facts) -> list[dict[str, Any]]:
    return [
        {"status": move.to, "needs": [guard.name for guard in move.missing(found)]}
        for move in moves_from(found.ticket["status"])
    ]


def _allowed(found: Facts) -> str:
    moves = moves_from(found.ticket["status"])
    if not moves:
        return "From there it goes nowhere."
    ways = [f"{move.to}{_lacking(move.missing(found))}" for move in moves]
    return f"It can go to: {', '.join(ways)}."


def _lacking(missing: Any) -> str:
    return f" (needs {'; and '.join(guard.needs for guard in missing)})" if missing else ""
