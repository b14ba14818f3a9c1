"""Answers that a model can take: of many tickets each text is cut, and of what was said and done only the newest shown.

A client's model reads about 25,000 tokens of one answer; get_ticket shows the text of one ticket as a whole.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from servers.tickets.models import Ticket

CHARACTERS = 60_000
"""Of all texts in one answer."""

_CUT = " […]"
T = TypeVar("T")


def shortened(tickets: Sequence[Ticket]) -> list[Ticket]:
    """The tickets, each with its share of the room; what ends with […] is cut."""
    share = CHARACTERS // max(len(tickets), 1)
    return [
        each if len(each.body) <= share else each.model_copy(update={"body": each.body[:share].rstrip() + _CUT})
        for each in tickets
    ]


def first_that_fit(found: Iterable[T], size: Callable[[T], int]) -> list[T]:
    """As many of the first as there is room for, and one at least."""
    kept: list[T] = []
    room = CHARACTERS
    for each in found:
        room -= size(each)
        if room < 0 and kept:
            break
        kept.append(each)
    return kept
