"""Whose tickets, which scopes, whose personal data: for every tool."""

import json
import re
from typing import Any
from uuid import uuid4

import pytest

from servers.tickets.server import server
from shared.core.tool import Effect
from tests.harness import Suite
from tests.servers.tickets.desk import Desk
from tests.servers.tickets.reading import Asked, reads, texts, tool

pytestmark = pytest.mark.anyio

_REFERENCE = re.compile(r"req_[0-9a-f]{16}")
_LEFT = re.compile(r'"enterprise-mcp-suite/left":\{[^}]*\},?')
_PLAN = re.compile(r'"plan\\?":\\?"[0-9a-f]{64}')
MISSING, NO_CHANGE, NO_QUEUE = "T-M1SS1NG000", "CH-M1SS1NG000", "q-missing0000"


def everything(ticket_id: str, own: str, change_id: str, queue: str) -> dict[str, Asked]:
    """Every way to name a ticket, a change or a queue."""
    one = {"ticket_id": ticket_id, "version": 1}
    changes = {"changes": {"priority": "low"}}
    return {
        **{
            f"read: {name}": asked
            for name, asked in reads(ticket_id, queue, "unheardofword").items()
            if name not in {"listing", "mine"}
        },
        "comment": tool("comment_on_ticket", ticket_id=ticket_id, text="Mine?"),
        "update": tool("update_ticket", **one, changes={"title": "Mine"}),
        "assign": tool("assign_ticket", **one, assignee="me"),
        "move": tool("transition_ticket", **one, status="closed", resolution="Mine."),
        "link": tool("link_tickets", **one, kind="blocks", other_id=own),
        "link to it": tool("link_tickets", ticket_id=own, version=1, kind="blocks", other_id=ticket_id),
        "merge": tool("merge_tickets", keep_id=ticket_id, keep_version=1, duplicate_id=own, duplicate_version=1),
        "merge it": tool("merge_tickets", keep_id=own, keep_version=1, duplicate_id=ticket_id, duplicate_version=1),
        "bulk": tool("bulk_update_tickets", ticket_ids=[ticket_id], **changes, dry_run=True),
        "bulk by queue": tool("bulk_update_tickets", where={"queue": queue}, **changes, dry_run=True),
        "into the queue": tool("update_ticket", ticket_id=own, version=1, changes={"queue": queue}),
        "new in the queue": tool("create_ticket", type="request", title="Mine", queue=queue),
        "undo": tool("undo_change", change_id=change_id),
    }


async def test_what_belongs_to_another_tenant_answers_as_what_is_not_there(suite: Suite) -> None:
    theirs, queue = Desk(suite, "outsider"), f"q-{uuid4().hex[:11]}"
    await theirs.told("create_queue", name=queue, title="Theirs")
    made = await theirs.ticket(queue=queue)
    changed = await theirs.told("assign_ticket", ticket_id=made["id"], version=1, assignee="me")
    own = (await Desk(suite).ticket())["id"]
    handles = {made["id"]: MISSING, changed["change_id"]: NO_CHANGE, queue: NO_QUEUE}
    assert all(len(one) == len(other) for one, other in handles.items())
    token = suite.token("manager", "tickets")
    foreign = await texts(suite, token, everything(made["id"], own, changed["change_id"], queue))
    missing = await texts(suite, token, everything(MISSING, own, NO_CHANGE, NO_QUEUE))

    def hidden(text: str) -> str:
        for handle, other in handles.items():
            text = text.replace(handle, other)
        return _PLAN.sub("", _REFERENCE.sub("", _LEFT.sub("", text)))

    assert {name: hidden(text) for name, text in foreign.items()} == {
        name: hidden(text) for name, text in missing.items()
    }
    assert (await Desk(suite).whole(own))["ticket"]["version"] == 1
    assert (await theirs.whole(made["id"]))["ticket"]["version"] == 2


MORE = {
    "merge_tickets": ("tickets:write", "tickets:internal"),
    "bulk_update_tickets": ("tickets:write", "tickets:bulk"),
    "export_tickets": ("tickets:read", "tickets:export"),
    "get_job": ("tickets:export",),
    "cancel_job": ("tickets:export",),
    "create_queue": ("tickets:admin",),
}


def test_every_scope_is_of_this_server_and_writes_ask_for_more() -> None:
    for each in server.tools.tools.values():
        usual = ("tickets:write",) if each.effect is Effect.WRITE else server.baseline
        assert each.scopes == MORE.get(each.name, usual)
    parts = [*server.tools.resources.values(), *server.tools.prompts.values()]
    assert {part.tool.scopes for part in parts} == {server.baseline, ("tickets:export",)}


@pytest.mark.parametrize("name", [each.name for each in server.tools.tools.values()])
async def test_a_token_that_lacks_the_scope_does_nothing_and_is_told_which(suite: Suite, name: str) -> None:
    lacking = {"tickets:read": ["customers:read"], "tickets:write": ["tickets:read"]}
    wanted = server.tools.tools[name].scopes[-1]
    scopes = lacking.get(wanted, ["tickets:write"])
    if scopes == ["customers:read"]:
        return  # a token without any scope of this server is not for it (tests/e2e/hostile_tokens.py)
    token = suite.token("admin", "tickets", scopes=scopes)
    answer = await suite.post(token, *tool(name), server="tickets")
    assert answer.status_code == 403
    assert wanted in answer.headers["www-authenticate"]


EMAIL, OTHER, PERSON = "ada.brandt@brandt.example", "mira@novak.example", "jonas.keller@acme.example"
MASKED = "a***@brandt.example"


@pytest.fixture(scope="module")
async def personal(suite: Suite) -> dict[str, str]:
    """A ticket whose requester, assignee, watchers and authors are e-mail addresses."""
    desk = Desk(suite, "manager", {"sub": PERSON})
    queue = f"q-{uuid4().hex[:12]}"
    await Desk(suite, "admin").told("create_queue", name=queue, title="Of a test")
    people = {"requester_name": "Ada Brandt", "watchers": [PERSON], "queue": queue}
    made = await desk.ticket(requester_email=EMAIL, **people, body=f"Write to {EMAIL}.", title=f"For {EMAIL}")
    await desk.told("update_ticket", ticket_id=made["id"], version=1, changes={"requester_email": OTHER})
    await desk.told("assign_ticket", ticket_id=made["id"], version=2, assignee="me")
    await desk.told("comment_on_ticket", ticket_id=made["id"], text=f"I wrote to {EMAIL}.", internal=False)
    last = await desk.told("update_ticket", ticket_id=made["id"], version=3, changes={"requester_email": EMAIL})
    return {"id": made["id"], "queue": queue, "change": last["change_id"]}


async def test_personal_data_is_masked_in_every_answer(suite: Suite, personal: dict[str, str]) -> None:
    asked = reads(personal["id"], personal["queue"], "for")
    asked |= {
        "assign": tool("assign_ticket", ticket_id=personal["id"], version=4, assignee=None, dry_run=True),
        "move": tool("transition_ticket", ticket_id=personal["id"], version=4, status="open", dry_run=True),
        "update": tool(
            "update_ticket", ticket_id=personal["id"], version=4, changes={"watchers": [], "title": "B"}, dry_run=True
        ),
        "comment": tool("comment_on_ticket", ticket_id=personal["id"], text=f"To {OTHER}", dry_run=True),
        "link": tool(
            "link_tickets", ticket_id=personal["id"], version=4, kind="blocks", other_id="T-000001", dry_run=True
        ),
        "bulk": tool(
            "bulk_update_tickets", ticket_ids=[personal["id"]], changes={"assignee": "x@y.example"}, dry_run=True
        ),
        "merge": tool(
            "merge_tickets",
            keep_id=personal["id"], keep_version=4, duplicate_id="T-000002", duplicate_version=1, dry_run=True,
        ),
    }  # fmt: skip
    without = suite.token("manager", "tickets", scopes=["tickets:bulk", "tickets:internal"])
    found = {
        may: await texts(suite, token, asked)
        for may, token in ((False, without), (True, suite.token("manager", "tickets")))
    }
    plain = re.compile(f"{EMAIL}|{OTHER}|{PERSON}")
    shown = {may: {name for name, text in answers.items() if plain.search(text)} for may, answers in found.items()}
    assert shown[False] == set()
    assert shown[True] == {
        *("get", "get without comments", "get many", "search filters", "search its id", "resource", "queue", "triage"),
        *("assign", "move", "update", "comment", "link", "bulk", "merge"),
    }
    assert [name for name, text in found[False].items() if '"isError":true' in text] == []


async def test_the_history_shows_an_address_as_masked_as_the_ticket_does(
    suite: Suite, personal: dict[str, str]
) -> None:
    found = [
        (await Desk(suite, claims={"scopes": scopes}).whole(personal["id"], history=True))
        for scopes in (["tickets:internal"], ["tickets:internal", "tickets:pii"])
    ]
    diffs = [whole["history"][0]["diff"]["requester_email"] for whole in found]
    assert diffs[0] == {"before": "m***@novak.example", "after": MASKED}
    assert diffs[1] == {"before": OTHER, "after": EMAIL}
    assert [entry["by"] for entry in found[1]["history"]] == [PERSON] * 4
    assert {entry["by"] for entry in found[0]["history"]} == {"j***@acme.example"}
    assert [entry["act"] for entry in found[0]["history"]] == ["update", "assign", "update", "create"]


async def test_who_does_not_see_an_address_cannot_change_it_nor_guess_it(
    suite: Suite, personal: dict[str, str]
) -> None:
    desk = Desk(suite, claims={"scopes": ["tickets:write", "tickets:internal"]})
    for guess in (EMAIL, OTHER, None):
        for version in (4, 3):
            failure = await desk.failure(
                "update_ticket", ticket_id=personal["id"], version=version, changes={"requester_email": guess}
            )
            assert (failure["code"], failure["details"]["required_scopes"]) == (
                "forbidden",
                ["tickets:write", "tickets:pii"],
            )
    failure = await desk.failure("undo_change", change_id=personal["change"])
    assert failure["code"] == "forbidden"
    assert "example" not in json.dumps(failure)


async def test_cards_and_secrets_are_shown_to_nobody(suite: Suite) -> None:
    desk = Desk(suite)
    card = "4111 1111 1111 1111"
    made = await desk.ticket(title=f"Card {card}", body=f"It is {card}.", requester_name=f"Ada {card}")
    await desk.told("comment_on_ticket", ticket_id=made["id"], text=f"She says {card}.")
    await desk.told("update_ticket", ticket_id=made["id"], version=1, changes={"body": f"No: {card}"})
    found: dict[str, Any] = await texts(suite, suite.token("manager", "tickets"), reads(made["id"], "support", "card"))
    assert [name for name, text in found.items() if "1111 1111" in text] == []
