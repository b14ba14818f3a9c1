"""How a ticket moves: the table of moves, and what each asks for. docs/tickets-workflow.md is made of it."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

REOPEN_DAYS = 30
"""How long after it was closed a ticket may be opened again."""


class Status(StrEnum):
    """Where a ticket stands."""

    NEW = "new"
    OPEN = "open"
    WAITING = "waiting"
    ON_HOLD = "on_hold"
    RESOLVED = "resolved"
    CLOSED = "closed"
    MERGED = "merged"


UNFINISHED = frozenset({Status.NEW, Status.OPEN, Status.WAITING, Status.ON_HOLD})
"""Somebody still has to do something; only these can be overdue."""


@dataclass(frozen=True)
class Facts:
    """What guards look at.

    Attributes:
        ticket: The row as it is, with what the same call changes beside its status.
        resolution: What is said with the move.
        blockers: Ids of unfinished tickets that block this one.
        now: By the database's clock.
    """

    ticket: Mapping[str, Any]
    resolution: str | None
    blockers: Collection[str]
    now: datetime


@dataclass(frozen=True)
class Guard:
    """A condition of a move.

    Attributes:
        needs: What has to be so, after "needs".
    """

    name: str
    needs: str
    holds: Callable[[Facts], bool]


@dataclass(frozen=True)
class Move:
    """One way from a status to another."""

    name: str
    start: Status
    to: Status
    guards: tuple[Guard, ...] = ()

    def missing(self, facts: Facts) -> list[Guard]:
        """What keeps the ticket from it now."""
        return [guard for guard in self.guards if not guard.holds(facts)]


ASSIGNED = Guard("assigned", "an assignee (assign_ticket)", lambda facts: facts.ticket["assignee"] is not None)
EXPLAINED = Guard("explained", "a resolution: what was done, or why nothing was", lambda facts: bool(facts.resolution))
UNBLOCKED = Guard("unblocked", "all tickets that block it to be resolved first", lambda facts: not facts.blockers)
RECENT = Guard(
    "recent",
    f"to have been closed at most {REOPEN_DAYS} days ago; later, create a new ticket and link it",
    lambda facts: _is_recent(facts.ticket["resolved_at"], facts.now),
)

MOVES = (
    Move("start", Status.NEW, Status.OPEN, (ASSIGNED,)),
    Move("reject", Status.NEW, Status.CLOSED, (EXPLAINED,)),
    Move("ask", Status.OPEN, Status.WAITING),
    Move("pause", Status.OPEN, Status.ON_HOLD),
    Move("resolve", Status.OPEN, Status.RESOLVED, (EXPLAINED, UNBLOCKED)),
    Move("answer", Status.WAITING, Status.OPEN, (ASSIGNED,)),
    Move("resolve", Status.WAITING, Status.RESOLVED, (EXPLAINED, UNBLOCKED)),
    Move("resume", Status.ON_HOLD, Status.OPEN, (ASSIGNED,)),
    Move("accept", Status.RESOLVED, Status.CLOSED),
    Move("reopen", Status.RESOLVED, Status.OPEN, (ASSIGNED,)),
    Move("reopen", Status.CLOSED, Status.OPEN, (ASSIGNED, RECENT)),
)
"""Every move there is. `merged` is entered by merge_tickets and left by undo_change alone."""


def moves_from(status: Status) -> list[Move]:
    """In the order of the table."""
    return [move for move in MOVES if move.start == status]


def move_between(start: Status, to: Status) -> Move | None:
    """The move from one to the other, if there is one."""
    return next((move for move in moves_from(start) if move.to == to), None)


def _is_recent(closed_at: datetime | None, now: datetime) -> bool:
    return closed_at is not None and now - closed_at <= timedelta(days=REOPEN_DAYS)
