"""Comments for colleagues are there for holders of tickets:internal alone, whatever is asked and by whichever call."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import anyio
import pytest

from tests.harness import ERAS, Suite
from tests.servers.tickets.desk import Desk
from tests.servers.tickets.reading import reads, texts, tool

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class World:
    """A ticket with a comment of each kind, and one that lacks the one for colleagues."""

    ticket: str
    twin: str
    queue: str
    canary: str
    change: str


def sales(suite: Suite) -> Desk:
    """Somebody who may write, and is no colleague."""
    return Desk(suite, "manager", {"roles": ["sales"], "scopes": ["tickets:write"], "sub": "acme-sales"})


@pytest.fixture(scope="module")
async def world(suite: Suite) -> World:
    desk, queue, canary = Desk(suite), f"q-{uuid4().hex[:12]}", f"canary{uuid4().hex[:12]}"
    await Desk(suite, "admin").told("create_queue", name=queue, title="Of a test")
    made, twin = [(await sales(suite).ticket(queue=queue, body="It hums."))["id"] for _ in range(2)]
    for each in (made, twin):
        await desk.told("comment_on_ticket", ticket_id=each, text="We are looking.", internal=False)
    said = await desk.told(
        "comment_on_ticket",
        ticket_id=made,
        text=f"{canary} pays late.",
        attachments=[{"name": f"{canary}.pdf", "mime_type": "application/pdf", "size": 7}],
    )
    return World(made, twin, queue, canary, said["change_id"])


async def exported(suite: Suite, world: World, token: str) -> str:
    """What an export holds, and says of itself."""
    began = await suite.post(token, *tool("export_tickets", where={"queue": world.queue}), server="tickets")
    job: dict[str, Any] = began.json()["result"]["structuredContent"]
    with anyio.fail_after(30):
        while job["state"] not in {"done", "failed"}:
            asked = tool("get_job", job_id=job["job_id"], wait_s=5)
            job = (await suite.post(token, *asked, server="tickets")).json()["result"]["structuredContent"]
    assert job["state"] == "done", job
    parts = [(await suite.post(token, "resources/read", {"uri": uri}, server="tickets")).text for uri in job["parts"]]
    return f"{job}{parts}"


async def test_nobody_else_finds_a_word_of_it_anywhere(suite: Suite, world: World) -> None:
    asked = reads(world.ticket, world.queue, world.canary)
    readers = {
        "approver": suite.token("approver", "tickets"),
        "sales": suite.token("manager", "tickets", **sales(suite).claims),
        "exporter": suite.token("manager", "tickets", scopes=["tickets:export", "tickets:pii", "tickets:bulk"]),
        "outsider": suite.token("outsider", "tickets"),
    }
    for name, token in readers.items():
        found = await texts(suite, token, asked)
        assert ["It hums." in text for text in found.values()].count(True) == (0 if name == "outsider" else 5)
        # What was searched for comes back in no answer.
        assert [what for what, text in found.items() if world.canary in text] == [], name
    assert world.canary not in await exported(suite, world, readers["exporter"])


async def test_colleagues_see_it_where_comments_are_shown(suite: Suite, world: World) -> None:
    for persona in ("support", "auditor"):
        found = await texts(suite, suite.token(persona, "tickets"), reads(world.ticket, world.queue, world.canary))
        assert {what for what, text in found.items() if world.canary in text} == {"get", "resource"}, persona


async def test_it_is_not_counted_for_others_nor_does_the_history_tell(suite: Suite, world: World) -> None:
    one, twin = [await sales(suite).whole(each, history=True) for each in (world.ticket, world.twin)]
    assert one["comment_count"] == twin["comment_count"] == len(one["comments"]) == 1
    assert (
        (one["ticket"]["version"], len(one["history"])) == (twin["ticket"]["version"], len(twin["history"])) == (1, 1)
    )
    assert one["ticket"]["updated_at"] == one["ticket"]["created_at"]
    none = await sales(suite).whole(world.ticket, comments=0)
    assert (none["comments"], none["comment_count"]) == ([], 1)
    assert (await Desk(suite).whole(world.ticket, comments=1))["comment_count"] == 2


async def test_what_others_write_tells_nothing_of_it(suite: Suite, world: World) -> None:
    desk = sales(suite)
    refused = await desk.failure("comment_on_ticket", ticket_id=world.ticket, text="Me too.", internal=True)
    assert (refused["code"], refused["details"]["required_scopes"]) == (
        "forbidden",
        ["tickets:write", "tickets:internal"],
    )
    assert await desk.code("comment_on_ticket", ticket_id=world.ticket, text="Me too.") == "forbidden", "the default"
    undo = await desk.failure("undo_change", change_id=world.change)
    assert (undo["code"], world.canary in str(undo)) == ("forbidden", False)
    merge = {"keep_id": world.twin, "keep_version": 1, "duplicate_id": world.ticket, "duplicate_version": 1}
    # It would move what they do not see. A role that is not for it has no such tool; a token may ask for more.
    for claims, status in ((desk.claims, 400), ({"scopes": ["tickets:write"]}, 403)):
        token = suite.token("manager", "tickets", **claims)
        assert (await suite.post(token, *tool("merge_tickets", **merge), server="tickets")).status_code == status
    for answer in (
        await desk.told("assign_ticket", ticket_id=world.ticket, version=1, assignee="me", dry_run=True),
        await desk.told("comment_on_ticket", ticket_id=world.ticket, text="Soon.", internal=False, dry_run=True),
        await desk.told(
            "link_tickets", ticket_id=world.ticket, version=1, kind="blocks", other_id=world.twin, dry_run=True
        ),
    ):
        assert world.canary not in str(answer)


@pytest.mark.parametrize("era", ERAS)
async def test_merging_takes_it_along_and_it_stays_hidden(suite: Suite, era: str) -> None:
    desk, canary = Desk(suite), f"canary{uuid4().hex[:12]}"
    keep, gone = await desk.ticket(), await desk.ticket()
    await desk.told("comment_on_ticket", ticket_id=gone["id"], text=canary)
    versions = {"keep_version": 1, "duplicate_version": 1}
    merged = await desk.told("merge_tickets", keep_id=keep["id"], duplicate_id=gone["id"], **versions)
    assert merged["moved_comments"] == 1
    async with suite.connect("approver", era, "tickets") as client:
        shown: Any = (
            await client.call_tool("get_ticket", {"ticket_id": keep["id"], "history": True})
        ).structured_content
        read = str(await client.read_resource(f"ticket://{keep['id']}"))
    assert (shown["comments"], shown["comment_count"]) == ([], 0)
    assert canary not in f"{shown}{read}"
    assert canary in str(await desk.whole(keep["id"]))


async def test_the_database_itself_keeps_it_back(suite: Suite, world: World) -> None:
    """Whatever statement a tool would send: the rule is the table's."""
    database = suite.parts.database
    for rights, seen in (([], 1), (["internal"], 2), (["internal2"], 1), (None, 1)):
        async with database.transaction("acme", rights) as transaction:
            rows = await transaction.connection.fetch(
                "SELECT text FROM tickets.comments WHERE ticket_id = $1", world.ticket
            )
        assert len(rows) == seen, rights
    async with database.transaction("globex", ["internal"]) as transaction:
        assert (
            await transaction.connection.fetchval("SELECT count(*) FROM tickets.comments WHERE id LIKE 'TC-0000120%'")
            == 0
        )
