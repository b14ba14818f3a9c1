"""Many tickets at once: what the dry run shows is what is done, all of it or nothing, and once."""

from time import perf_counter
from typing import Any

import httpx
import pytest

from tests.conversation import Conversation, final
from tests.harness import LEGACY, Suite
from tests.reporting import say
from tests.servers.tickets.desk import Desk
from tests.servers.tickets.many import NO, YES, confirmed, copies, standing
from tests.shared.edge.sessions.test_asking import question

pytestmark = pytest.mark.anyio

SWEEP: dict[str, Any] = {"priority": "urgent", "add_labels": ["swept"], "status": "resolved", "resolution": "Swept."}
AGENT = {"act": {"sub": "helpful-agent"}}
NO_SUCH = "there is no such ticket"


@pytest.fixture
def desk(suite: Suite) -> Desk:
    return Desk(suite)


async def sure(suite: Suite, said: Any = YES, **arguments: Any) -> dict[str, Any]:
    """What a manager is answered, who says yes when asked."""
    return await confirmed(suite.url("tickets"), suite.token("manager", "tickets"), arguments, said)


async def shown(desk: Desk, **arguments: Any) -> dict[str, Any]:
    """What a dry run says is needed to do it."""
    plan = await desk.told("bulk_update_tickets", dry_run=True, **arguments)
    return {**arguments, "count": plan["count"], "plan": plan["plan"]}


def reasons(bulk: dict[str, Any]) -> dict[str, list[str]]:
    return {each["reason"]: each["ticket_ids"] for each in bulk["skipped"]}


@pytest.mark.parametrize("changes", [SWEEP, {"assignee": "me", "remove_labels": ["a"], "queue": "billing"}])
async def test_a_thousand_tickets_change_as_the_dry_run_shows(
    suite: Suite, desk: Desk, pytestconfig: pytest.Config, changes: dict[str, Any]
) -> None:
    prefix = f"THOUSAND{len(changes)}"
    kinds = [
        await desk.opened(labels=["a", "b"], priority="low"),
        await desk.opened(labels=["swept"], priority="urgent"),
        await desk.ticket(labels=["b"]),
    ]
    waiting = await desk.opened()
    kinds.append(await desk.move(waiting["id"], waiting["version"], "waiting"))
    ids = [each for n, one in enumerate(kinds) for each in await copies(suite.sql, one["id"], 250, f"{prefix}{n}")]
    before = await standing(suite, ids)
    plan = await desk.told("bulk_update_tickets", ticket_ids=ids, changes=changes, dry_run=True)
    assert await standing(suite, ids) == before
    assert plan["change_id"] is None
    started = perf_counter()
    bulk = await sure(suite, ticket_ids=ids, changes=changes, count=plan["count"], plan=plan["plan"])
    took = f"{len(ids)} tickets, of which {bulk['count']} changed: {perf_counter() - started:.2f} s"
    say(pytestconfig, "bulk_update_tickets, over HTTP", took)
    assert {**bulk, "change_id": None} == plan
    after = await standing(suite, ids)
    changed = {each for group in bulk["groups"] for each in group["ticket_ids"]}
    skipped = {each for some in reasons(bulk).values() for each in some}
    assert (len(changed), changed & skipped, changed | skipped) == (bulk["count"], set(), set(ids))
    assert {each for each in ids if before[each] != after[each]} == changed
    assert all((after[each]["version"], after[each]["entries"]) == (2, 2) for each in changed)
    _require_as_told(bulk, before, after)
    undone = await desk.told("undo_change", change_id=bulk["change_id"])
    assert undone["count"] == bulk["count"]
    versions = {each: {"version": 3, "entries": 3} if each in changed else {} for each in ids}
    assert await standing(suite, ids) == {each: {**before[each], **versions[each]} for each in ids}
    again = await desk.failure("undo_change", change_id=bulk["change_id"])
    assert (again["code"], "undone_at" in again["details"]) == ("conflict", True)


def _require_as_told(bulk: dict[str, Any], before: dict[str, Any], after: dict[str, Any]) -> None:
    """Each diff says what is in the database, and nothing else is new there but what follows from it."""
    for group in bulk["groups"]:
        told = {name: each for name, each in group["diff"].items() if name not in ("added_labels", "removed_labels")}
        for each in group["ticket_ids"]:
            old, new = before[each], after[each]
            names = {
                name for name in ("priority", "queue", "assignee", "status", "resolution") if old[name] != new[name]
            }
            assert told == {name: {"before": old[name], "after": new[name]} for name in names}
            assert set(group["diff"].get("added_labels", ())) == {*new["labels"]} - {*old["labels"]}
            assert set(group["diff"].get("removed_labels", ())) == {*old["labels"]} - {*new["labels"]}
            assert (old["due_at"] != new["due_at"]) == ("priority" in names)
            assert (new["resolved_at"] is None) == (new["status"] not in ("resolved", "closed"))


async def test_what_stays_as_it_is_says_why(desk: Desk) -> None:
    plain, blocked, blocker, full, done = [await desk.opened(labels=["x"]) for _ in range(5)]
    new, keep, gone = [await desk.ticket() for _ in range(3)]
    await desk.told("update_ticket", ticket_id=full["id"], version=3, changes={"labels": [f"l{n}" for n in range(20)]})
    await desk.told("link_tickets", ticket_id=blocked["id"], version=3, kind="blocked_by", other_id=blocker["id"])
    await desk.told(
        *("merge_tickets",), keep_id=keep["id"], keep_version=1, duplicate_id=gone["id"], duplicate_version=1
    )
    await desk.move(done["id"], 3, "resolved", resolution="R")
    await desk.told("bulk_update_tickets", ticket_ids=[done["id"]], changes={"add_labels": ["swept"]}, count=1)
    some = [each["id"] for each in (plain, blocked, full, done, new, gone)]
    changes = {"status": "resolved", "resolution": "R", "add_labels": ["swept"]}
    plan = await desk.told(
        *("bulk_update_tickets",), ticket_ids=["T-NOBODY", *some, *some], changes=changes, dry_run=True
    )
    assert [each["ticket_ids"] for each in plan["groups"]] == [[plain["id"]]]
    told = {ticket_id: reason for reason, ids in reasons(plan).items() for ticket_id in ids}
    assert told.keys() == {"T-NOBODY", *some} - {plain["id"]}
    for ticket_id, words in {
        **{"T-NOBODY": NO_SUCH, gone["id"]: "merged into another", full["id"]: "more than 20 labels"},
        **{done["id"]: "it is so already", blocked["id"]: "needs all tickets that block it to be resolved first"},
        new["id"]: "is new and cannot go to resolved",
    }.items():
        assert words in told[ticket_id], (words, told[ticket_id])
    assert "T-" not in "".join(reasons(plan)), "each reason is told once, for all tickets it is true of"


async def test_a_new_ticket_opens_in_the_call_that_gives_it_to_somebody(desk: Desk) -> None:
    made = await desk.ticket()
    alone = await desk.told("bulk_update_tickets", ticket_ids=[made["id"]], changes={"status": "open"}, dry_run=True)
    assert (alone["count"], "assignee" in alone["skipped"][0]["reason"]) == (0, True)
    done = await desk.told(
        *("bulk_update_tickets",), ticket_ids=[made["id"]], changes={"status": "open", "assignee": "me"}, count=1
    )
    assert done["groups"][0]["diff"]["assignee"]["after"] == "acme-sales-manager"
    assert (await desk.whole(made["id"]))["ticket"]["status"] == "open"


async def test_another_plan_than_was_shown_is_refused_and_nothing_is_done(suite: Suite, desk: Desk) -> None:
    ids = sorted([(await desk.ticket())["id"] for _ in range(3)])
    arguments = await shown(desk, ticket_ids=ids, changes={"priority": "high"})
    await desk.told("assign_ticket", ticket_id=ids[1], version=1, assignee="me")
    before = await standing(suite, ids)
    refused = await desk.failure("bulk_update_tickets", **arguments)
    assert (refused["code"], "plan" in refused["details"]) == ("conflict", True)
    refused = await desk.failure("bulk_update_tickets", **{**arguments, "count": 2, "plan": None})
    assert (refused["code"], refused["details"]["count"]) == ("conflict", 3)
    assert await desk.code("bulk_update_tickets", ticket_ids=ids, changes={"priority": "high"}) == "invalid"
    other = {**arguments, "changes": {"priority": "low"}}
    assert await desk.code("bulk_update_tickets", **other) == "conflict"
    assert await standing(suite, ids) == before


async def test_a_plan_holds_for_what_is_resolved_later(desk: Desk) -> None:
    """When it is resolved is known only then; all the rest of the plan is known before."""
    made = await desk.opened()
    arguments = await shown(desk, ticket_ids=[made["id"]], changes={"status": "resolved", "resolution": "R"})
    assert (await desk.told("bulk_update_tickets", **arguments))["count"] == 1


async def test_no_more_than_a_thousand_change_at_once(suite: Suite, desk: Desk) -> None:
    await suite.sql("INSERT INTO tickets.queues (tenant_id, name, title) VALUES ('acme', 'crowded', 'Crowded')")
    one = await desk.ticket(queue="crowded")
    await copies(suite.sql, one["id"], 999, "CROWD")
    changes = {"priority": "high"}
    fits = await desk.told("bulk_update_tickets", where={"queue": "crowded"}, changes=changes, dry_run=True)
    assert fits["count"] == 1000
    await desk.ticket(queue="crowded")
    refused = await desk.failure("bulk_update_tickets", where={"queue": "crowded"}, changes=changes, dry_run=True)
    assert (refused["code"], "More than 1000" in refused["message"]) == ("invalid", True)


async def test_more_than_fifty_are_confirmed_first(suite: Suite, desk: Desk) -> None:
    ids = await copies(suite.sql, (await desk.ticket())["id"], 51, "CONFIRM")
    before = await standing(suite, ids)
    arguments = {"ticket_ids": ids, "changes": {"priority": "high"}, "count": 51}
    assert (await sure(suite, NO, **arguments))["error"]["code"] == "declined"
    assert (await sure(suite, {"action": "decline"}, **arguments))["error"]["code"] == "declined"
    assert await standing(suite, ids) == before
    assert (await sure(suite, **arguments))["count"] == 51
    fewer = {"ticket_ids": ids[:50], "changes": {"priority": "low"}, "count": 50}
    assert (await desk.told("bulk_update_tickets", **fewer))["count"] == 50


async def test_more_than_fifty_are_confirmed_in_a_session_too(suite: Suite, desk: Desk) -> None:
    ids = await copies(suite.sql, (await desk.ticket())["id"], 51, "SESSION")
    arguments: dict[str, Any] = {"ticket_ids": ids, "changes": {"priority": "high"}, "count": 51}
    async with httpx.AsyncClient(timeout=30) as http:
        client = Conversation([suite], suite.token("manager", "tickets"), "tickets", http, LEGACY)
        await client.initialize()
        async with client.streaming(0, client.tool("bulk_update_tickets", **arguments)) as events:
            asked = await question(events)
            assert "More than 50 tickets change at once." in asked["params"]["message"]
            await client.reply(0, asked, confirmed=True)
            answer = await final(events)
    assert answer["result"]["structuredContent"]["count"] == 51
    assert {each["priority"] for each in (await standing(suite, ids)).values()} == {"high"}


async def test_an_agent_needs_a_person_for_more_than_two_hundred(suite: Suite, desk: Desk) -> None:
    ids = await copies(suite.sql, (await desk.ticket())["id"], 201, "AGENT")
    token = suite.token("manager", "tickets", **AGENT)
    arguments = {"ticket_ids": ids, "changes": {"priority": "high"}, "count": 201}
    refused = (await confirmed(suite.url("tickets"), token, arguments))["error"]
    assert (refused["code"], refused["details"]["approvals"]) == ("needs_approval", 1)
    assert {each["version"] for each in (await standing(suite, ids)).values()} == {1}
    fewer = {**arguments, "ticket_ids": ids[:200], "count": 200}
    assert (await confirmed(suite.url("tickets"), token, fewer))["count"] == 200
    assert (await confirmed(suite.url("tickets"), token, arguments | {"changes": {"priority": "low"}}))["error"]
    assert (await sure(suite, **arguments | {"changes": {"priority": "low"}}))["count"] == 201


async def test_a_bulk_is_taken_back_as_a_whole_or_not_at_all(suite: Suite, desk: Desk) -> None:
    ids = sorted([(await desk.opened())["id"] for _ in range(3)])
    bulk = await desk.told(
        *("bulk_update_tickets",), ticket_ids=ids, changes={"priority": "high", "assignee": None}, count=3
    )
    await desk.told("assign_ticket", ticket_id=ids[1], version=4, assignee="me")
    before = await standing(suite, ids)
    refused = await desk.failure("undo_change", change_id=bulk["change_id"])
    assert (refused["code"], refused["details"]["changed_since"]) == ("conflict", [f"{ids[1]}.assignee"])
    assert await standing(suite, ids) == before
    assert await Desk(suite, "support").code("undo_change", change_id=bulk["change_id"]) == "forbidden"
    await desk.told("assign_ticket", ticket_id=ids[1], version=5, assignee=None)
    assert (await desk.told("undo_change", change_id=bulk["change_id"]))["count"] == 3


async def test_a_key_does_it_once(suite: Suite, desk: Desk) -> None:
    ids = await copies(suite.sql, (await desk.ticket())["id"], 60, "KEY")
    arguments = {"ticket_ids": ids, "changes": {"priority": "high"}, "count": 60, "idempotency_key": "bulk-of-sixty"}
    first = await sure(suite, **arguments)
    assert first["count"] == 60
    assert await desk.told("bulk_update_tickets", **arguments) == first, "what was done is not asked again"
    assert {each["entries"] for each in (await standing(suite, ids)).values()} == {2}
    other = {**arguments, "changes": {"priority": "low"}}
    assert (await sure(suite, **other))["error"]["code"] == "key_reused"


async def test_progress_is_told_to_whoever_asks(suite: Suite, desk: Desk) -> None:
    ids = await copies(suite.sql, (await desk.ticket())["id"], 350, "PROGRESS")
    told: list[tuple[float, float | None, str | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total, message))

    arguments = {"ticket_ids": ids, "changes": {"priority": "high"}, "dry_run": True}
    async with suite.connect("manager", server="tickets") as client:
        await client.call_tool("bulk_update_tickets", arguments, progress_callback=note)
    planned: list[Any] = [(number, 350, "planned") for number in (0, 100, 200, 300)]
    assert told == [*planned, (350, 350, "saved")]
