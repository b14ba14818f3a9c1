"""The story of a ticket, with whatever client: reported, worked on, closed, found again, and taken back."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any
from uuid import uuid4

from mcp import Client
from mcp_types import PromptReference, ResourceTemplateReference, TextContent, TextResourceContents

from servers.tickets.server import server

TEMPLATES = {"ticket://{id}", "queue://{name}", "tickets-export://{job_id}/{part}"}


@dataclass
class Teller:
    """Somebody whose clients are asked in turn.

    Attributes:
        clients: Of one person, each of another replica; or one alone.
        word: In every text of this story and in no other.
        label: The same, as a label.
    """

    clients: Sequence[Client]
    word: str = field(default_factory=lambda: f"wobble{uuid4().hex[:12]}")

    def __post_init__(self) -> None:
        self._turn = cycle(self.clients)
        self.label = self.word

    @property
    def client(self) -> Client:
        """The next one."""
        return next(self._turn)

    async def ask(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The answer, or `{"error": …}`."""
        result: Any = await self.client.call_tool(tool, arguments)
        assert isinstance(result.content[0], TextContent)
        assert json.loads(result.content[0].text) == result.structured_content
        assert result.is_error == ("error" in result.structured_content)
        return result.structured_content

    async def told(self, tool: str, **arguments: Any) -> dict[str, Any]:
        answer = await self.ask(tool, **arguments)
        assert "error" not in answer, answer
        return answer

    async def refused(self, tool: str, **arguments: Any) -> dict[str, Any]:
        return (await self.ask(tool, **arguments))["error"]

    async def read(self, uri: str) -> dict[str, Any]:
        (held,) = (await self.client.read_resource(uri)).contents
        assert isinstance(held, TextResourceContents)
        return json.loads(held.text)

    async def ticket(self, title: str, **more: Any) -> dict[str, Any]:
        """A new ticket of this story."""
        wished = {"type": "incident", "queue": "outages", "labels": [self.label], **more}
        return (await self.told("create_ticket", title=f"{title} {self.word}", **wished))["ticket"]


async def story(clients: Sequence[Client], subject: str) -> None:
    """All of it; afterwards there are three more tickets.

    Args:
        clients: Of somebody who may do everything but set the house up.
        subject: Who that is.
    """
    teller = Teller(clients)
    await _surface(teller)
    ticket = await _reported(teller)
    await _read(teller, ticket, subject)
    await _worked_on(teller, ticket, subject)
    await _moved(teller, ticket["id"])
    await _updated(teller, ticket["id"])
    await _brought_together(teller, ticket["id"])
    await _many(teller)
    await _exported(teller)
    await _queue(teller, ticket["id"])


async def _surface(teller: Teller) -> None:
    shown = (await teller.client.list_tools()).tools
    assert {tool.name for tool in shown} >= server.tools.tools.keys() - {"create_queue"}
    templates = (await teller.client.list_resource_templates()).resource_templates
    assert {template.uri_template for template in templates} == TEMPLATES
    listed = (await teller.client.list_resources()).resources
    assert {str(resource.uri) for resource in listed} >= {"queue://billing", "queue://outages", "queue://support"}


async def _reported(teller: Teller) -> dict[str, Any]:
    """Nothing like it is there, so it is made: once, though the call is repeated."""
    known = await teller.told("suggest_similar", text="The checkout page answers with error 502", limit=3)
    assert [("502" in each["ticket"]["title"]) for each in known["similar"]] == [True, True, True]
    assert (await teller.told("suggest_similar", text=teller.word))["similar"] == []
    new = {
        **{"type": "incident", "title": f"Sirens {teller.word}", "body": "They wail.", "queue": "outages"},
        **{"priority": "high", "requester_name": "Ada Brandt", "requester_email": "ada@brandt.example"},
        **{"labels": [teller.label]},
    }
    planned = await teller.told("create_ticket", **new, dry_run=True)
    assert (await teller.refused("get_ticket", ticket_id=planned["ticket"]["id"]))["code"] == "not_found"
    key = f"{teller.word}-create"
    first, again = [await teller.told("create_ticket", **new, idempotency_key=key) for _ in range(2)]
    assert first == again
    other = await teller.refused("create_ticket", **{**new, "priority": "low"}, idempotency_key=key)
    assert other["code"] == "key_reused"
    found = await teller.told("search_tickets", query=f"sirens {teller.word}")
    assert [each["id"] for each in found["tickets"]] == [first["ticket"]["id"]]
    return first["ticket"]


async def _read(teller: Teller, ticket: dict[str, Any], subject: str) -> None:
    whole = await teller.told("get_ticket", ticket_id=ticket["id"], history=True)
    assert whole["ticket"] == ticket
    assert (ticket["status"], ticket["version"], ticket["created_by"]) == ("new", 1, subject)
    assert (whole["comments"], [entry["act"] for entry in whole["history"]]) == ([], ["create"])
    assert [(move["status"], bool(move["needs"])) for move in whole["next_moves"]] == [("open", True), ("closed", True)]
    assert (await teller.read(f"ticket://{ticket['id']}"))["ticket"] == ticket
    many = await teller.told("get_tickets", ticket_ids=["T-000001", ticket["id"], "T-999999"])
    assert ([each["id"] for each in many["tickets"]], many["missing"]) == (["T-000001", ticket["id"]], ["T-999999"])


async def _worked_on(teller: Teller, ticket: dict[str, Any], subject: str) -> None:
    given = await teller.told("assign_ticket", ticket_id=ticket["id"], version=1, assignee="me")
    assert given["diff"] == {"assignee": {"before": None, "after": subject}}
    inside = await teller.told("comment_on_ticket", ticket_id=ticket["id"], text="The same fuse again.")
    outside = await teller.told("comment_on_ticket", ticket_id=ticket["id"], text="We are on it.", internal=False)
    whole = await teller.told("get_ticket", ticket_id=ticket["id"])
    assert whole["comments"] == [inside["comment"], outside["comment"]]
    assert [said["internal"] for said in whole["comments"]] == [True, False]
    assert (whole["comment_count"], whole["ticket"]["version"]) == (2, 2)


async def _moved(teller: Teller, ticket_id: str) -> None:
    """Refused with what is allowed, and then allowed."""
    refused = await teller.refused("transition_ticket", ticket_id=ticket_id, version=2, status="waiting")
    assert refused["code"] == "conflict"
    assert refused["details"]["allowed_moves"] == [
        {"status": "open", "needs": []},
        {"status": "closed", "needs": ["explained"]},
    ]
    opened = await teller.told("transition_ticket", ticket_id=ticket_id, version=2, status="open")
    assert opened["diff"] == {"status": {"before": "new", "after": "open"}}
    refused = await teller.refused("transition_ticket", ticket_id=ticket_id, version=3, status="resolved")
    assert (refused["details"]["missing"], "resolution" in refused["message"]) == (["explained"], True)
    done = {"status": "resolved", "resolution": "The fuse was changed."}
    moved = await teller.told("transition_ticket", ticket_id=ticket_id, version=3, **done)
    assert set(moved["diff"]) == {"status", "resolution", "resolved_at"}


async def _updated(teller: Teller, ticket_id: str) -> None:
    """Who did not see the last version changes nothing, and is told to look."""
    changes = {"priority": "urgent", "title": f"Sirens and horns {teller.word}"}
    stale = await teller.refused("update_ticket", ticket_id=ticket_id, version=3, changes=changes)
    assert (stale["code"], stale["details"]["current_version"]) == ("conflict", 4)
    changed = await teller.told("update_ticket", ticket_id=ticket_id, version=4, changes=changes)
    assert changed["diff"]["priority"] == {"before": "high", "after": "urgent"}
    assert set(changed["diff"]) == {"priority", "title", "due_at"}
    history = (await teller.told("get_ticket", ticket_id=ticket_id, history=True))["history"]
    assert [(entry["version"], entry["act"]) for entry in history] == [
        (5, "update"), (4, "transition"), (3, "transition"), (2, "assign"), (1, "create"),
    ]  # fmt: skip
    assert history[0]["change_id"] == changed["change_id"]


async def _brought_together(teller: Teller, ticket_id: str) -> None:
    cause, twin = await teller.ticket("Fuse box"), await teller.ticket("The same sirens")
    ends = {"ticket_id": cause["id"], "other_id": ticket_id, "kind": "blocks"}
    linked = await teller.told("link_tickets", version=1, **ends)
    assert linked["other"]["links"] == [{"kind": "blocked_by", "ticket_id": cause["id"]}]
    similar = await teller.told("suggest_similar", ticket_id=twin["id"], limit=2)
    assert similar["similar"][0]["ticket"]["id"] == ticket_id
    assert similar["similar"][0]["resolution"] == "The fuse was changed."
    versions = {"keep_version": 6, "duplicate_version": 1}
    merged = await teller.told("merge_tickets", keep_id=ticket_id, duplicate_id=twin["id"], **versions)
    assert (merged["duplicate"]["status"], merged["duplicate"]["merged_into"]) == ("merged", ticket_id)
    gone = await teller.refused("comment_on_ticket", ticket_id=twin["id"], text="And here?")
    assert (gone["code"], gone["details"]["merged_into"]) == ("conflict", ticket_id)


async def _many(teller: Teller) -> None:
    """Planned, done as planned, and taken back as a whole."""
    asked: dict[str, Any] = {"where": {"label": teller.label}, "changes": {"priority": "low", "add_labels": ["swept"]}}
    plan = await teller.told("bulk_update_tickets", **asked, dry_run=True)
    assert (plan["count"], plan["change_id"]) == (2, None)
    wrong = await teller.refused("bulk_update_tickets", **asked, count=3)
    assert (wrong["code"], wrong["details"]["count"]) == ("conflict", 2)
    key = {"count": 2, "plan": plan["plan"], "idempotency_key": f"{teller.word}-bulk"}
    done, again = [await teller.told("bulk_update_tickets", **asked, **key) for _ in range(2)]
    assert done == again
    assert done["groups"] == plan["groups"]
    assert await _priorities(teller) == ["low", "low"]
    undone = await teller.told("undo_change", change_id=done["change_id"])
    assert (undone["act"], undone["count"]) == ("bulk_update", 2)
    assert sorted(await _priorities(teller)) == ["normal", "urgent"]
    twice = await teller.refused("undo_change", change_id=done["change_id"])
    assert (twice["code"], "undone_at" in twice["details"]) == ("conflict", True)


async def _exported(teller: Teller) -> None:
    """Begun once, though the call is repeated; made in the background, and read as a file of two."""
    asked = {
        "where": {"label": teller.label, "status": ["new", "resolved"]},
        "idempotency_key": f"{teller.word}-export",
    }
    job, again = [await teller.told("export_tickets", **asked) for _ in range(2)]
    assert job["job_id"] == again["job_id"]
    done = await teller.told("get_job", job_id=job["job_id"], wait_s=20)
    assert (done["state"], done["done"], done["expected"], done["progress"]) == ("done", 2, 2, 1)
    part = await teller.read(done["parts"][0])
    assert sorted(each["priority"] for each in part["tickets"]) == ["normal", "urgent"]
    ended = await teller.told("cancel_job", job_id=job["job_id"])
    assert ended["state"] == "done", "what has ended stays as it is"
    unknown = await teller.refused("get_job", job_id="J-" + "0" * 26)
    assert unknown["code"] == "not_found"


async def _priorities(teller: Teller) -> list[str]:
    found = await teller.told("search_tickets", label=teller.label, status=["new", "resolved"])
    return [each["priority"] for each in found["tickets"]]


async def _queue(teller: Teller, ticket_id: str) -> None:
    mine = await teller.told("list_my_tickets", finished=True)
    assert ticket_id in {each["id"] for each in mine["tickets"]}
    queue = await teller.read("queue://outages")
    assert queue["by_status"]["merged"] >= 1
    assert [each["due_at"] for each in queue["next_due"]] == sorted(each["due_at"] for each in queue["next_due"])
    template = ResourceTemplateReference(uri="ticket://{id}")
    completed = await teller.client.complete(template, {"name": "id", "value": ticket_id[:-1].lower()})
    assert ticket_id in completed.completion.values
    prompt = PromptReference(name="triage_queue")
    assert (await teller.client.complete(prompt, {"name": "name", "value": "out"})).completion.values == ["outages"]
    triage: Any = await teller.client.get_prompt("triage_queue", {"name": "outages"})
    words, first, *data = [message.content for message in triage.messages]
    assert "resolved → closed" in words.text
    assert json.loads(first.resource.text)["next_due"] == queue["next_due"]
    assert len(data) == 10 + 1, "its next tickets, and the notice that all of this is data"
