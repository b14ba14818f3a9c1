"""Whatever people do to tickets, in whatever order and at once: what must be so of tickets is so."""

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st

from tests.harness import Suite
from tests.servers.tickets.desk import Desk
from tests.servers.tickets.truth import others, require_sound
from tests.servers.tickets.writers import KINDS, Wish, Writers

pytestmark = pytest.mark.anyio

# The same sequences each time: few, and long. Each example has tickets of its own.
LONG = settings(
    max_examples=3,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    verbosity=Verbosity.quiet,  # the failure itself names the calls
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
wishes = st.tuples(st.sampled_from(KINDS), st.integers(0, 99), st.integers(0, 999), st.integers(0, 47))


@pytest.fixture
def desk(suite: Suite) -> Desk:
    return Desk(suite)


async def run(suite: Suite, rounds: list[list[Wish]]) -> None:
    before = await others(suite)
    async with Writers.over(suite) as writers:
        for some in [[("create", 0, number, 1)] for number in range(4)] + rounds:
            await writers.round(some)
    await require_sound(suite)
    assert await others(suite) == before


@LONG
@given(rounds=st.lists(st.lists(wishes, min_size=1, max_size=1), min_size=50, max_size=50))
async def test_one_call_after_the_other_does_what_the_model_says(suite: Suite, rounds: list[list[Wish]]) -> None:
    await run(suite, rounds)


@LONG
@given(rounds=st.lists(st.lists(wishes, min_size=2, max_size=4), min_size=25, max_size=25))
async def test_calls_at_once_do_what_some_order_of_them_would(suite: Suite, rounds: list[list[Wish]]) -> None:
    await run(suite, rounds)


async def test_nothing_is_undone_in_a_ticket_that_was_merged_since(desk: Desk) -> None:
    keep, gone = [(await desk.ticket())["id"] for _ in range(2)]
    changed = await desk.told("update_ticket", ticket_id=gone, version=1, changes={"title": "B"})
    merged = await desk.told("merge_tickets", keep_id=keep, keep_version=1, duplicate_id=gone, duplicate_version=2)
    refused = await desk.failure("undo_change", change_id=changed["change_id"])
    assert refused["details"]["changed_since"] == [f"{gone}.merged_into"]
    await desk.told("undo_change", change_id=merged["change_id"])
    assert (await desk.told("undo_change", change_id=changed["change_id"]))["tickets"][0]["title"] != "B"


async def test_a_due_time_is_undone_whatever_its_offset_was(desk: Desk) -> None:
    made = await desk.ticket(due_at="2031-01-01T12:00:00+02:00")
    on = {"ticket_id": made["id"]}
    same = await desk.told("update_ticket", **on, version=1, changes={"due_at": "2031-01-01T10:00:00Z"})
    assert same["change_id"] is None
    changed = await desk.told("update_ticket", **on, version=1, changes={"due_at": "2031-02-01T10:00:00+05:30"})
    undone = await desk.told("undo_change", change_id=changed["change_id"])
    assert undone["tickets"][0]["due_at"] == made["due_at"]


async def test_comments_go_with_a_merge_and_come_back_when_it_is_undone(desk: Desk) -> None:
    keep, gone = [(await desk.ticket())["id"] for _ in range(2)]
    said = [await desk.told("comment_on_ticket", ticket_id=gone, text=f"{number}") for number in range(2)]
    await desk.told("comment_on_ticket", ticket_id=keep, text="at the kept one")
    pair = {"keep_id": keep, "duplicate_id": gone}
    merged = await desk.told("merge_tickets", **pair, keep_version=1, duplicate_version=1)
    assert merged["moved_comments"] == 2
    await desk.told("comment_on_ticket", ticket_id=keep, text="after the merge")
    await desk.told("undo_change", change_id=merged["change_id"])
    assert [each["text"] for each in (await desk.whole(gone))["comments"]] == ["0", "1"]
    assert [each["text"] for each in (await desk.whole(keep))["comments"]] == ["at the kept one", "after the merge"]
    again = await desk.told("merge_tickets", **pair, keep_version=3, duplicate_version=3)
    await desk.told("undo_change", change_id=said[0]["change_id"])
    refused = await desk.failure("undo_change", change_id=again["change_id"])
    assert refused["details"]["changed_since"] == ["the comments"]
    assert (await desk.whole(keep))["comment_count"] == 3, "what is refused leaves every comment where it is"


async def test_a_resolution_goes_when_its_ticket_is_opened_again(desk: Desk) -> None:
    made = await desk.opened()
    await desk.move(made["id"], 3, "resolved", resolution="R")
    again = await desk.move(made["id"], 4, "open")
    assert (again["resolution"], again["resolved_at"]) == (None, None)


async def test_a_merge_overwrites_nothing_the_kept_ticket_has(desk: Desk) -> None:
    keep, gone = [(await desk.ticket(customer_id=f"C-00000{number}"))["id"] for number in (1, 2)]
    pair = {"keep_id": keep, "keep_version": 1, "duplicate_id": gone, "duplicate_version": 1}
    assert (await desk.told("merge_tickets", **pair))["ticket"]["customer_id"] == "C-000001"
