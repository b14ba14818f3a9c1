"""However much people wrote, an answer is no more than a model can read, and says what it leaves out."""

import orjson
import pytest

from servers.tickets.fitting import CHARACTERS
from tests.harness import Suite
from tests.servers.tickets.desk import Desk

pytestmark = pytest.mark.anyio

ROOM = 2 * CHARACTERS
"""Texts, and all the rest of an answer."""


@pytest.fixture
def desk(suite: Suite) -> Desk:
    return Desk(suite)


async def test_many_long_tickets_are_cut_and_one_is_whole(desk: Desk) -> None:
    ids = [(await desk.ticket(title=f"Long {number}", body="word " * 4_000))["id"] for number in range(8)]
    many = await desk.told("get_tickets", ticket_ids=ids)
    assert len(orjson.dumps(many)) < ROOM
    assert all(each["body"].endswith(" […]") for each in many["tickets"])
    assert [each["id"] for each in many["tickets"]] == ids
    one = await desk.told("get_tickets", ticket_ids=ids[:1])
    assert one["tickets"][0]["body"] == ("word " * 4_000).strip()


async def test_of_long_comments_and_a_long_history_the_newest_are_shown(desk: Desk) -> None:
    made = await desk.ticket(body="a" * 20_000)
    for number in range(12):
        await desk.told("comment_on_ticket", ticket_id=made["id"], text=f"{number} " + "said " * 1_990)
    for version in range(1, 6):
        changes = {"body": f"{version}" * 20_000}
        await desk.told("update_ticket", ticket_id=made["id"], version=version, changes=changes)
    whole = await desk.whole(made["id"], comments=50, history=True)
    assert len(orjson.dumps(whole)) < ROOM + 20_000 + CHARACTERS
    assert whole["comment_count"] == 12
    assert [each["text"].split()[0] for each in whole["comments"]] == ["7", "8", "9", "10", "11"]
    assert [entry["version"] for entry in whole["history"]] == [6]
    assert whole["ticket"]["body"] == "5" * 20_000
