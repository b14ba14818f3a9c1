"""A page position is good for the caller and the query it was given to, and for nothing else."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.caller import Caller
from shared.core.errors import InvalidCursor
from shared.core.tool import Arguments
from shared.state.cursors import SealedCursors
from shared.state.keys import KeyRing

RING = KeyRing([b"c" * 32])
CALLER = Caller("ann", "https://login.example.com", "desktop", "acme", frozenset())
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


class Page(Arguments):
    text: str = ""
    tags: tuple[str, ...] = ()
    limit: int = 10
    cursor: str | None = None


def cursors(caller: Caller = CALLER, target: str = "shop.search", ring: KeyRing = RING) -> SealedCursors:
    return SealedCursors(ring, caller, target)


QUERY = Page(text="anna")
CURSOR = cursors().seal(["Anna", 7], QUERY)

positions = st.lists(st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(), max_size=5)


@given(positions, st.text(), st.integers(1, 100), st.integers(1, 100))
def test_a_position_comes_back_as_it_was_and_pages_may_grow(
    position: list[Any], text: str, limit: int, next_limit: int
) -> None:
    cursor = cursors().seal(position, Page(text=text, limit=limit))
    assert cursors().open(cursor, Page(text=text, limit=next_limit, cursor=cursor)) == position
    assert set(cursor) <= set(LETTERS)


@pytest.mark.parametrize(
    "other",
    [
        replace(CALLER, tenant="globex"),
        replace(CALLER, subject="bob"),
        replace(CALLER, client="other"),
        replace(CALLER, issuer="https://login.example.com/"),
        replace(CALLER, tenant="ann", subject="acme"),
        replace(CALLER, subject='ann","desktop', client=""),
    ],
    ids=["tenant", "subject", "client", "issuer", "swapped", "quoted"],
)
def test_it_is_of_no_use_to_another_caller(other: Caller) -> None:
    with pytest.raises(InvalidCursor):
        cursors(other).open(CURSOR, QUERY)


def test_rights_that_changed_do_not_end_a_walk() -> None:
    assert cursors(replace(CALLER, scopes=frozenset({"a:b"}), token_id="next")).open(CURSOR, QUERY) == ["Anna", 7]


@pytest.mark.parametrize("target", ["shop.list", "shop2.search", "shop", ""])
def test_it_is_of_no_use_to_another_tool_or_server(target: str) -> None:
    with pytest.raises(InvalidCursor):
        cursors(target=target).open(CURSOR, QUERY)


@pytest.mark.parametrize("query", [Page(text="ann"), Page(), Page(text="anna", tags=("vip",))])
def test_it_is_of_no_use_with_other_filters(query: Page) -> None:
    with pytest.raises(InvalidCursor):
        cursors().open(CURSOR, query)


def test_it_ends_with_its_key_and_outlives_a_rotation() -> None:
    rotated = KeyRing([b"d" * 32, b"c" * 32])
    assert cursors(ring=rotated).open(CURSOR, QUERY) == ["Anna", 7]
    with pytest.raises(InvalidCursor):
        cursors(ring=KeyRing([b"d" * 32])).open(CURSOR, QUERY)


def test_it_shows_nothing_of_the_row_it_points_at() -> None:
    assert cursors().seal(["Anna", 7], QUERY) != CURSOR
    assert "Anna" not in CURSOR
    assert "QW5uY" not in CURSOR


@given(st.text(max_size=80) | st.text(LETTERS, max_size=80))
def test_garbage_is_no_cursor(garbage: str) -> None:
    with pytest.raises(InvalidCursor):
        cursors().open(garbage, QUERY)


@pytest.mark.parametrize("place", range(len(CURSOR)))
def test_a_changed_an_added_or_a_missing_character_makes_it_none(place: int) -> None:
    other = LETTERS[(LETTERS.index(CURSOR[place]) + 32) % 64]
    changed = CURSOR[:place] + other + CURSOR[place + 1 :]
    for spoilt in (changed, CURSOR[:place] + "!" + CURSOR[place:], CURSOR[:place] + CURSOR[place + 1 :]):
        with pytest.raises(InvalidCursor):
            cursors().open(spoilt, QUERY)


@pytest.mark.parametrize(
    "cursor",
    ["", "=", "\ud800", "é" * 40, CURSOR + "\n", " " + CURSOR, "A" * 100_000],
    ids=["empty", "padding", "surrogate", "accents", "line end", "blank", "long"],
)
def test_what_no_base64_could_be_is_no_cursor(cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        cursors().open(cursor, QUERY)
