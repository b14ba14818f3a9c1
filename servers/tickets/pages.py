"""docs/tickets-workflow.md, made of the table in `workflow.py` (`make docs`): a diagram, and the same as tables."""

from collections.abc import Iterator, Sequence

from servers.tickets.workflow import MOVES, UNFINISHED, Guard, Move, Status


def pages() -> dict[str, str]:
    """The page by its name."""
    return {"tickets-workflow.md": "\n".join(workflow(MOVES))}


def workflow(moves: Sequence[Move]) -> Iterator[str]:
    """The lines of the page."""
    yield "# How a ticket moves\n"
    yield "`transition_ticket` and `bulk_update_tickets` make these moves and no others; what is asked for stands in"
    yield "brackets. A move that is not there, or lacks something, is refused with those that are"
    yield "([tickets.md](tickets.md#move-it)).\n"
    yield "```mermaid"
    yield from _diagram(moves)
    yield "```\n"
    yield from _table(moves)
    yield "\n| guard | the ticket needs |"
    yield "|---|---|"
    yield from (f"| {guard.name} | {guard.needs} |" for guard in _guards(moves))
    unfinished = ", ".join(f"`{status}`" for status in Status if status in UNFINISHED)
    yield f"\nUnfinished, so that they can be overdue and can block others: {unfinished}.\n"


def _diagram(moves: Sequence[Move]) -> Iterator[str]:
    yield "stateDiagram-v2"
    yield f"    [*] --> {Status.NEW}"
    for move in moves:
        asked = ", ".join(guard.name for guard in move.guards)
        yield f"    {move.start} --> {move.to}: {move.name}{f' [{asked}]' if asked else ''}"
    for status in _beside(moves):
        yield f"    {status}"
        yield f"    note right of {status}: by merge_tickets, and back by undo_change"


def _table(moves: Sequence[Move]) -> Iterator[str]:
    yield "| from | to | move | guards |"
    yield "|---|---|---|---|"
    for move in moves:
        asked = ", ".join(guard.name for guard in move.guards)
        yield f"| `{move.start}` | `{move.to}` | {move.name} | {asked} |"
    for status in _beside(moves):
        yield f"| any other | `{status}` | `merge_tickets`, and back by `undo_change` | |"


def _beside(moves: Sequence[Move]) -> list[Status]:
    """Where no move leads to and none from."""
    moved = {status for move in moves for status in (move.start, move.to)}
    return [status for status in Status if status not in moved]


def _guards(moves: Sequence[Move]) -> list[Guard]:
    """Each once, in the order of the moves."""
    return list({guard.name: guard for move in moves for guard in move.guards}.values())
