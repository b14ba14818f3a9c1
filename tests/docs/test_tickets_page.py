"""The page on tickets: its conversations are played, and its tables hold."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from servers.tickets import finding, models
from servers.tickets.arguments import AddComment, CreateTicket, ManyTickets, Search, TransitionTicket
from servers.tickets.bulk_arguments import BULK_MAX
from servers.tickets.due import DUE_IN
from servers.tickets.exporting import ROWS_MAX
from tests.docs.fences import claimed
from tests.docs.talks import SAID, asked, differs, rows
from tests.harness import Suite, modern, modern_headers
from tests.servers.tickets.desk import Desk

pytestmark = pytest.mark.anyio

PAGE = (Path(__file__).parents[2] / "docs" / "tickets.md").read_text("utf-8")
TALKS = claimed("docs/tickets.md", 10)


async def said(suite: Suite, what: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The answer to a call, or to a method of MCP; only administrators make queues."""
    if "/" not in what:
        return await Desk(suite, "admin" if what == "create_queue" else "manager").call(what, **arguments)
    headers = modern_headers(what, arguments) | {"Authorization": f"Bearer {suite.token('manager', 'tickets')}"}
    if "taskId" in arguments:
        headers["Mcp-Name"] = arguments["taskId"]
    async with suite.http() as client:
        answer = await client.post(suite.url("tickets"), json=modern(what, arguments), headers=headers)
    body = answer.json()
    assert "result" in body, body
    return body["result"]


@pytest.mark.parametrize("talk", TALKS, ids=lambda talk: str(talk).splitlines()[0][2:40])
async def test_every_conversation_goes_as_the_page_shows(suite: Suite, talk: str) -> None:
    known: dict[str, str] = {}
    pairs = SAID.findall(talk)
    assert "".join(f"→ {what} {told}\n← {shown}\n" for what, told, shown in pairs) == talk
    for what, told, shown in pairs:
        answer = await said(suite, what, asked(told, known))
        wrong = differs(json.loads(shown), answer, known)
        assert wrong is None, f"{what}: {wrong}"


def test_there_are_as_many_conversations_as_are_played() -> None:
    assert len(TALKS) == 10
    assert PAGE.count("\n→ ") == sum(len(SAID.findall(talk)) for talk in TALKS) > 40


def some(arguments: Any) -> dict[str, Any]:
    return {"dry_run": True, **arguments}


async def test_every_persona_sees_and_does_what_the_page_says(suite: Suite) -> None:
    table = [*rows(PAGE, "## Who sees what")]
    assert len(table) == 5
    await Desk(suite).told("update_ticket", ticket_id="T-000005", version=1, changes={"requester_email": "a@b.example"})
    new = {"type": "question", "title": "A", "queue": "support"}
    calls: list[tuple[str, dict[str, Any]]] = [
        ("create_ticket", some(new)),
        (
            "merge_tickets",
            some({"keep_id": "T-000005", "keep_version": 2, "duplicate_id": "T-000006", "duplicate_version": 1}),
        ),
        ("bulk_update_tickets", some({"ticket_ids": ["T-000005"], "changes": {"priority": "low"}})),
        ("get_job", {"job_id": f"J-{'0' * 26}"}),
        ("create_queue", some({"name": "new-one", "title": "A"})),
    ]
    for persona, *told in table:
        desk = Desk(suite, persona.strip("`"))
        whole = await desk.whole("T-000005")
        seen = ["yes" if any(comment["internal"] for comment in whole["comments"]) else "no"]
        seen.append("yes" if whole["ticket"]["requester_email"] == "a@b.example" else "masked")
        token = suite.token(desk.persona, "tickets")
        for tool, arguments in calls:
            answer = await suite.post(token, "tools/call", {"name": tool, "arguments": arguments}, server="tickets")
            seen.append("yes" if answer.status_code == 200 else "no")
        assert seen == told, persona


def longest(model: Any, field: str) -> int:
    """The most of something that a field takes."""
    schema = model.model_json_schema()["properties"][field]
    [most, *_] = re.findall(r'"(?:maxLength|maxItems|maximum)": (\d+)', json.dumps(schema))
    return int(most)


def test_the_limits_are_those_of_the_code() -> None:
    told = [[int(n.replace(",", "")) for n in re.findall(r"[\d,]*\d", row[1])] for row in rows(PAGE, "## Limits")]
    texts = [(CreateTicket, "title"), (CreateTicket, "body"), (AddComment, "text"), (TransitionTicket, "resolution")]
    assert told == [
        [longest(model, field) for model, field in texts],
        [models.LABELS_MAX, models.WATCHERS_MAX, models.LINKS_MAX, models.ATTACHMENTS_MAX],
        [100, longest(Search, "limit"), BULK_MAX],
        [finding.RANKED_MAX],
        [ROWS_MAX],
    ]
    assert ManyTickets.model_json_schema()["properties"]["ticket_ids"]["maxItems"] == 100
    hours = {priority: int(time.total_seconds() // 3600) for priority, time in DUE_IN.items()}
    for priority, each in hours.items():
        shown = f"{each} hours" if each < 24 else f"{each // 24} day"
        assert f"`{priority}` in {shown}" in PAGE
