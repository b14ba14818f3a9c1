"""Several people change the same tickets at the same moment: one wins, the others are told, nobody waits forever."""

from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest

from shared.state.database import connect
from tests.harness import Suite
from tests.servers.tickets.desk import Desk
from tests.servers.tickets.model import Op
from tests.servers.tickets.truth import require_sound
from tests.servers.tickets.writers import Writers

pytestmark = pytest.mark.anyio

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
ROUNDS = 4


@pytest.fixture
def desk(suite: Suite) -> Desk:
    return Desk(suite)


def codes(ops: list[Op]) -> list[str]:
    return sorted(op.outcome()[0] for op in ops)


@asynccontextmanager
async def held(suite: Suite, statement: str, *values: Any) -> AsyncGenerator[Any]:
    """Hold what the statement locks; yields a function that waits until so many calls wait for a lock."""
    url = urlsplit(suite.admin_url)._replace(path=urlsplit(suite.urls.app).path).geturl()
    holder, watcher = await connect(url, "test"), await connect(url, "test")

    async def waiting(number: int) -> None:
        with anyio.fail_after(10):
            while await watcher.fetchval(WAITING) != number:
                await anyio.sleep(0.005)

    try:
        async with holder.transaction():
            await holder.execute(statement, *values)
            yield waiting
    finally:
        await holder.close()
        await watcher.close()


async def into(answers: dict[str, Any], name: str, call: Awaitable[Any]) -> None:
    answers[name] = await call


async def test_of_those_who_write_on_the_same_version_one_wins(suite: Suite, desk: Desk) -> None:
    made = await desk.ticket()
    on = {"ticket_id": made["id"], "version": 1}
    ops = [Op("update_ticket", {**on, "changes": {"title": f"{number}"}}) for number in range(6)]
    ops += [Op("assign_ticket", {**on, "assignee": f"u{number}"}) for number in range(6)]
    answered: dict[str, Any] = {}
    taken = "SELECT FROM tickets.tickets WHERE id = $1 FOR SHARE"
    async with (
        Writers.over(suite) as writers,
        anyio.create_task_group() as tasks,
        held(suite, taken, made["id"]) as waiting,
    ):
        tasks.start_soon(into, answered, "all", writers.at_once(ops))
        await waiting(12)
    assert codes(answered["all"]) == ["conflict"] * 11 + ["ok"]
    losers = [op.answer["error"]["details"] for op in answered["all"] if "error" in op.answer]
    assert losers == [{"current_version": 2}] * 11
    assert (await desk.whole(made["id"], history=True))["ticket"]["version"] == 2


async def test_of_two_merges_into_each_other_one_is_done(suite: Suite, desk: Desk) -> None:
    async with Writers.over(suite) as writers:
        for _ in range(ROUNDS):
            one, other = [(await desk.ticket())["id"] for _ in range(2)]
            versions = {"keep_version": 1, "duplicate_version": 1}
            pairs = [(one, other), (other, one)] * 2
            ops = [Op("merge_tickets", {"keep_id": a, "duplicate_id": b, **versions}) for a, b in pairs]
            assert codes(await writers.at_once(ops)) == ["conflict"] * 3 + ["ok"]
    await require_sound(suite)


async def test_links_and_bulks_across_the_same_tickets_all_come_to_an_end(suite: Suite, desk: Desk) -> None:
    ids = [(await desk.ticket())["id"] for _ in range(12)]
    async with Writers.over(suite) as writers:
        for _ in range(ROUNDS):
            kept = {each: await desk.version(each) for each in ids[:4]}
            links = [
                Op(
                    "link_tickets",
                    {"ticket_id": a, "version": kept[a], "kind": "relates_to", "other_id": b, "remove": False},
                )
                for a in ids[:4]
                for b in ids[:4]
                if a != b
            ]
            bulks = [
                Op(
                    "bulk_update_tickets",
                    {"ticket_ids": some, "changes": {"assignee": f"u{number}"}, "count": len(some)},
                )
                for number, some in enumerate([ids, ids[::-1], ids[6:] + ids[:6], ids[3:9], ids[8:2:-1]])
            ]
            answered = await writers.at_once([op for pair in zip(links, bulks * 3, strict=False) for op in pair])
            assert set(codes(answered)) == {"conflict", "ok"} or codes(answered) == ["ok"] * len(answered)
    await require_sound(suite)


async def test_a_change_is_undone_once_however_many_ask_for_it(suite: Suite, desk: Desk) -> None:
    made = await desk.ticket()
    changed = await desk.told("update_ticket", ticket_id=made["id"], version=1, changes={"title": "B"})
    async with Writers.over(suite) as writers:
        answered = await writers.at_once([Op("undo_change", {"change_id": changed["change_id"]})] * 5)
    assert codes(answered) == ["conflict"] * 4 + ["ok"]
    assert (await desk.whole(made["id"]))["ticket"]["version"] == 3


async def test_a_bulk_sent_twice_at_once_is_done_once(suite: Suite, desk: Desk) -> None:
    ids = [(await desk.ticket())["id"] for _ in range(5)]
    given = {"ticket_ids": ids, "changes": {"priority": "high"}, "count": 5, "idempotency_key": "twins-of-a-bulk"}
    async with Writers.over(suite) as writers:
        answered = await writers.at_once([Op("bulk_update_tickets", given)] * 3)
    assert [op.answer for op in answered] == [answered[0].answer] * 3
    assert {await desk.version(each) for each in ids} == {2}


async def test_locks_are_taken_in_the_order_of_ids(suite: Suite, desk: Desk) -> None:
    """Whoever waits for the first ticket holds no other."""
    first, last = sorted([(await desk.ticket())["id"] for _ in range(2)])
    calls = {
        "bulk": desk.call("bulk_update_tickets", ticket_ids=[last, first], changes={"assignee": "u"}, dry_run=True),
        "merge": desk.call(
            *("merge_tickets",), keep_id=last, keep_version=1, duplicate_id=first, duplicate_version=1, dry_run=True
        ),
        "link": desk.call(*("link_tickets",), ticket_id=last, version=1, kind="blocks", other_id=first, dry_run=True),
    }
    answers: dict[str, Any] = {}
    taken = "SELECT FROM tickets.tickets WHERE id = $1 FOR UPDATE"
    async with anyio.create_task_group() as tasks, held(suite, taken, first) as waiting:
        for name, call in calls.items():
            tasks.start_soon(into, answers, name, call)
        await waiting(3)
        await desk.told("assign_ticket", ticket_id=last, version=1, assignee="me", dry_run=True)
    assert [name for name, answer in answers.items() if "error" in answer] == []


async def test_what_no_longer_fits_when_its_lock_comes_free_is_left_alone(suite: Suite, desk: Desk) -> None:
    some = [await desk.ticket(labels=["fitting"], customer_id="C-000042") for _ in range(3)]
    answers: dict[str, Any] = {}
    where = {"customer_id": "C-000042", "label": "fitting"}
    async with anyio.create_task_group() as tasks:
        moved = "UPDATE tickets.tickets SET customer_id = NULL WHERE id = $1"
        async with held(suite, moved, some[1]["id"]) as waiting:
            call = desk.call("bulk_update_tickets", where=where, changes={"priority": "low"}, dry_run=True)
            tasks.start_soon(into, answers, "bulk", call)
            await waiting(1)
    assert [each["ticket_ids"] for each in answers["bulk"]["groups"]] == [sorted([some[0]["id"], some[2]["id"]])]
    await suite.sql("UPDATE tickets.tickets SET customer_id = 'C-000042' WHERE id = $1", some[1]["id"])


async def test_a_comment_is_taken_back_while_its_ticket_is_merged(suite: Suite, desk: Desk) -> None:
    """One holds the comment and the other its ticket; neither waits for what the other holds."""
    keep, gone = [(await desk.ticket())["id"] for _ in range(2)]
    said = await desk.told("comment_on_ticket", ticket_id=gone, text="Seen.")
    answers: dict[str, Any] = {}
    undo = desk.call("undo_change", change_id=said["change_id"])
    merge = desk.call("merge_tickets", keep_id=keep, keep_version=1, duplicate_id=gone, duplicate_version=1)
    async with anyio.create_task_group() as tasks:
        written = "SELECT FROM tickets.comments WHERE id = $1 FOR UPDATE"
        async with held(suite, written, said["comment"]["id"]) as waiting:
            tasks.start_soon(into, answers, "undo", undo)
            await waiting(1)
            tasks.start_soon(into, answers, "merge", merge)
            await waiting(2)
    assert [name for name, answer in answers.items() if "error" in answer] == [], answers
    assert answers["merge"]["moved_comments"] == 0
    assert (await desk.whole(keep))["comment_count"] == (await desk.whole(gone))["comment_count"] == 0
