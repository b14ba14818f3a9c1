"""Who watches a ticket, or a queue, is told of what changes it, and of nothing else, until they may not read it."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import uuid4

import pytest

from tests.harness import ERAS, Suite
from tests.listening import listening
from tests.servers.documents.watching import Hears, watching
from tests.servers.tickets.desk import Desk

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("era", ERAS)]

NO_LONGER = """
@id("support-reads-no-queues")
@reason("Queues are not for support any more.")
forbid (principal in Role::"support", action == Action::"tickets.read_queue", resource);
"""


async def some_queue(suite: Suite) -> str:
    name = f"q-{uuid4().hex[:12]}"
    await Desk(suite, "admin").told("create_queue", name=name, title="Of a test")
    return name


async def heard(hears: Hears, *uris: str) -> None:
    """What is heard next is exactly this, in any order."""
    assert sorted([str(await hears()) for _ in uris]) == sorted(uris)


async def test_every_change_of_a_ticket_is_told_by_it_and_its_queue(suite: Suite, era: str) -> None:
    desk, name = Desk(suite), await some_queue(suite)
    made, other = await desk.ticket(queue=name), await desk.ticket(queue=name)
    ticket, second, queue = f"ticket://{made['id']}", f"ticket://{other['id']}", f"queue://{name}"
    one = {"ticket_id": made["id"]}
    async with watching(
        [suite], era, suite.token("support", "tickets"), [ticket, second, queue], server="tickets"
    ) as hears:
        await desk.told("update_ticket", **one, version=1, changes={"title": "Dry"}, dry_run=True)
        await desk.told("update_ticket", **one, version=1, changes={"title": made["title"]})  # it is so already
        await desk.failure("update_ticket", **one, version=7, changes={"title": "Stale"})
        await desk.failure("transition_ticket", **one, version=1, status="resolved")
        await desk.told("assign_ticket", **one, version=1, assignee="me")
        await heard(hears, ticket, queue)
        await desk.move(made["id"], 2, "open")
        await heard(hears, ticket, queue)
        said = await desk.told("comment_on_ticket", **one, text="Hello", internal=False)
        await heard(hears, ticket, queue)
        await desk.told("undo_change", change_id=said["change_id"])
        await heard(hears, ticket, queue)
        changed = await desk.told("update_ticket", **one, version=3, changes={"labels": ["told"]})
        await heard(hears, ticket, queue)
        await desk.told("undo_change", change_id=changed["change_id"])
        await heard(hears, ticket, queue)
        await desk.told("link_tickets", **one, version=5, kind="relates_to", other_id=other["id"])
        await heard(hears, ticket, second, queue)
        merge = {"keep_id": made["id"], "keep_version": 6, "duplicate_id": other["id"], "duplicate_version": 2}
        merged = await desk.told("merge_tickets", **merge)
        await heard(hears, ticket, second, queue)
        await desk.told("undo_change", change_id=merged["change_id"])
        await heard(hears, ticket, second, queue)
        await desk.told("bulk_update_tickets", ticket_ids=[other["id"]], changes={"priority": "low"}, count=1)
        await heard(hears, second, queue)
        await desk.ticket(queue=name)
        await heard(hears, queue)


async def test_a_ticket_that_goes_to_another_queue_is_told_by_both(suite: Suite, era: str) -> None:
    desk, names = Desk(suite), [await some_queue(suite) for _ in range(3)]
    made = await desk.ticket(queue=names[0])
    queues = [f"queue://{name}" for name in names]
    token = suite.token("approver", "tickets")
    async with watching([suite], era, token, queues, server="tickets") as hears:
        changed = await desk.told("update_ticket", ticket_id=made["id"], version=1, changes={"queue": names[1]})
        await heard(hears, *queues[:2])
        await desk.told("bulk_update_tickets", ticket_ids=[made["id"]], changes={"queue": names[2]}, count=1)
        await heard(hears, *queues[1:])
        await desk.failure("undo_change", change_id=changed["change_id"])
        await desk.told("assign_ticket", ticket_id=made["id"], version=3, assignee="me")
        await heard(hears, queues[2])


async def test_nothing_of_another_tenant_nor_of_what_is_not_there_is_watched(suite: Suite, era: str) -> None:
    made = await Desk(suite, "outsider").ticket()
    mine = await Desk(suite).ticket()
    if era == "modern":
        wished = [f"ticket://{made['id']}", "ticket://T-9999999999", "queue://nowhere", f"ticket://{mine['id']}"]
        async with listening(suite, wished, token=suite.token("support", "tickets"), server="tickets") as listener:
            assert listener.honoured == wished[-1:]
        return
    # Both tenants have a queue of this name.
    token = suite.token("support", "tickets")
    async with watching([suite], era, token, ["queue://support"], server="tickets") as hears:
        await Desk(suite, "outsider").told("assign_ticket", ticket_id=made["id"], version=1, assignee="me")
        other = await Desk(suite).ticket(queue="support")
        await heard(hears, "queue://support")
        await Desk(suite, "outsider").ticket(queue="support")
        await Desk(suite).told("assign_ticket", ticket_id=other["id"], version=1, assignee="me")
        await heard(hears, "queue://support")


async def test_who_may_not_read_it_any_more_hears_nothing_more(
    own_suite: Callable[..., Awaitable[Suite]], tmp_path: Path, era: str
) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()
    suite = await own_suite(policy_dir=folder)
    desk = Desk(suite)
    made = await desk.ticket(queue="billing")
    uris = [f"ticket://{made['id']}", "queue://billing"]
    ticket, queue = uris
    change = {"ticket_id": made["id"], "assignee": "me"}
    async with watching([suite], era, suite.token("support", "tickets"), uris, server="tickets") as hears:
        await desk.told("assign_ticket", **change, version=1)
        await heard(hears, ticket, queue)
        (folder / "tickets.more.cedar").write_text(NO_LONGER)
        suite.parts.policies["tickets"].look()
        await desk.ticket(queue="billing")
        await desk.told("assign_ticket", **change | {"assignee": None}, version=2)
        await heard(hears, ticket)
        (folder / "tickets.more.cedar").write_text("")
        suite.parts.policies["tickets"].look()
        await desk.ticket(queue="billing")
        await desk.told("assign_ticket", **change, version=3)
        await heard(hears, ticket)  # what ended does not begin again by itself
