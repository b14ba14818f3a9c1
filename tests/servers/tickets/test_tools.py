"""One ticket: looked up, made, changed, given to somebody."""

import pytest

from tests.harness import Suite
from tests.servers.tickets.desk import Desk

pytestmark = pytest.mark.anyio


@pytest.fixture
def desk(suite: Suite) -> Desk:
    return Desk(suite)


async def test_a_new_ticket_is_due_as_its_priority_says(desk: Desk) -> None:
    made = await desk.ticket(priority="urgent", labels=["refund", "a"], customer_id="C-000001")
    assert (made["status"], made["version"], made["labels"]) == ("new", 1, ["a", "refund"])
    assert made["created_by"] == "acme-sales-manager"
    whole = await desk.whole(made["id"], history=True)
    assert whole["ticket"] == made
    assert [entry["act"] for entry in whole["history"]] == ["create"]
    assert [move["status"] for move in whole["next_moves"]] == ["open", "closed"]


async def test_search_finds_words_labels_and_what_is_late(desk: Desk) -> None:
    found = await desk.told("search_tickets", query="checkout error 502", limit=5)
    assert len(found["tickets"]) == 5
    assert found["total"] > 10
    assert "heckout" in found["tickets"][0]["title"]
    assert (await desk.told("search_tickets", label="refund", status=["new"]))["tickets"]
    late = await desk.told("search_tickets", overdue=True, queue="outages", limit=100)
    assert late["tickets"]
    assert all(each["overdue"] for each in late["tickets"])
    assert (await desk.told("search_tickets", query="t-000042"))["tickets"][0]["id"] == "T-000042"


async def test_the_story(desk: Desk) -> None:
    made = await desk.opened(title="Cannot sign in", body="Nothing happens after the second factor.")
    assert made["status"] == "open"
    said = await desk.told("comment_on_ticket", ticket_id=made["id"], text="Which browser?", internal=False)
    assert said["comment"]["author"] == "acme-sales-manager"
    changed = await desk.told("update_ticket", ticket_id=made["id"], version=3, changes={"priority": "high"})
    assert set(changed["diff"]) == {"priority", "due_at"}
    done = await desk.move(made["id"], 4, "resolved", resolution="A cookie was blocked.")
    assert done["resolved_at"]
    undone = await desk.told("undo_change", change_id=changed["change_id"])
    assert undone["tickets"][0]["priority"] == "normal"
    other = await desk.ticket()
    linked = await desk.told("link_tickets", ticket_id=other["id"], version=1, kind="blocks", other_id=made["id"])
    assert linked["other"]["links"] == [{"kind": "blocked_by", "ticket_id": other["id"]}]
    merged = await desk.told(
        "merge_tickets", keep_id=made["id"], keep_version=7, duplicate_id=other["id"], duplicate_version=2
    )
    assert merged["duplicate"]["status"] == "merged"
    assert (await desk.told("undo_change", change_id=merged["change_id"]))["count"] == 2
    similar = await desk.told("suggest_similar", text="sign in second factor")
    assert similar["similar"][0]["ticket"]["id"] == made["id"]
    mine = await desk.told("list_my_tickets", role="created")
    assert other["id"] in {each["id"] for each in mine["tickets"]}
    plan = await desk.told(
        "bulk_update_tickets",
        where={"queue": "returns", "status": ["new"]},
        changes={"priority": "low", "add_labels": ["swept"]},
        dry_run=True,
    )
    assert plan["count"] == 3
    bulk = await desk.told(
        "bulk_update_tickets",
        where={"queue": "returns", "status": ["new"]},
        changes={"priority": "low", "add_labels": ["swept"]},
        count=plan["count"],
        plan=plan["plan"],
    )
    assert bulk["groups"] == plan["groups"]
    assert "overdue" in (await desk.read("queue://returns"))["contents"][0]["text"]
    listed = await desk.read("ticket://" + made["id"])
    assert "contents" in listed
