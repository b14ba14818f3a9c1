"""docs/tickets-workflow.md is the table of moves; that it is up to date is tested with the other pages made of code
(tests/docs/test_examples.py).
"""

import re
from dataclasses import replace

import pytest

import servers
from servers.tickets import workflow
from servers.tickets.pages import pages
from servers.tickets.pages import workflow as lines
from servers.tickets.workflow import MOVES, Move, Status
from shared.ops.reference import DOCS

DRAWN = re.compile(r"^    (\w+) --> (\w+): (\w+)(?: \[(.*)\])?$", re.MULTILINE)
TABLED = re.compile(r"^\| `(\w+)` \| `(\w+)` \| (\w+) \| (.*) \|$", re.MULTILINE)
Way = tuple[str, str, str, str]


def told(move: Move) -> Way:
    return (move.start, move.to, move.name, ", ".join(guard.name for guard in move.guards))


def test_the_diagram_and_the_table_have_every_move_and_no_other() -> None:
    page = (DOCS / "tickets-workflow.md").read_text("utf-8")
    assert DRAWN.findall(page) == [told(move) for move in MOVES]
    assert TABLED.findall(page) == [told(move) for move in MOVES]


def test_every_status_is_in_the_diagram_and_every_guard_is_explained() -> None:
    page = (DOCS / "tickets-workflow.md").read_text("utf-8")
    diagram = page.partition("```mermaid\n")[2].partition("```")[0]
    assert set(Status) <= set(re.findall(r"\w+", diagram))
    for guard in {guard for move in MOVES for guard in move.guards}:
        assert f"| {guard.name} | {guard.needs} |" in page


CHANGED = {
    "a move more": (*MOVES, Move("drop", Status.WAITING, Status.CLOSED)),
    "a move less": MOVES[:-1],
    "another guard": (replace(MOVES[0], guards=()), *MOVES[1:]),
    "another name": (replace(MOVES[0], name="begin"), *MOVES[1:]),
    "another guard's words": (
        replace(MOVES[0], guards=(replace(MOVES[0].guards[0], needs="luck"),)),
        *(move for move in MOVES[1:] if not move.guards),
    ),
}


@pytest.mark.parametrize("moves", CHANGED.values(), ids=CHANGED)
def test_another_table_is_another_page(monkeypatch: pytest.MonkeyPatch, moves: tuple[Move, ...]) -> None:
    before = servers.pages()
    assert before == pages()
    monkeypatch.setattr("servers.tickets.pages.MOVES", moves)
    assert servers.pages() != before
    assert "\n".join(lines(workflow.MOVES)) == before["tickets-workflow.md"]
