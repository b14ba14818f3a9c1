"""Every way to read something of a ticket, as requests."""

from collections.abc import Mapping
from typing import Any

from tests.harness import Suite

Asked = tuple[str, dict[str, Any]]


def tool(name: str, **arguments: Any) -> Asked:
    return "tools/call", {"name": name, "arguments": arguments}


def completed(uri: str, argument: str, value: str) -> Asked:
    return "completion/complete", {
        "ref": {"type": "ref/resource", "uri": uri},
        "argument": {"name": argument, "value": value},
    }


def reads(ticket_id: str, queue: str, word: str) -> dict[str, Asked]:
    """What shows something of the ticket, or finds it by the word, by what it is called here."""
    return {
        "get": tool("get_ticket", ticket_id=ticket_id, comments=50, history=True),
        "get without comments": tool("get_ticket", ticket_id=ticket_id, comments=0),
        "get many": tool("get_tickets", ticket_ids=[ticket_id]),
        "search words": tool("search_tickets", query=word),
        "search filters": tool("search_tickets", queue=queue),
        "search its id": tool("search_tickets", query=ticket_id),
        "mine": tool("list_my_tickets", role="created", finished=True),
        "similar words": tool("suggest_similar", text=word),
        "similar ticket": tool("suggest_similar", ticket_id=ticket_id),
        "resource": ("resources/read", {"uri": f"ticket://{ticket_id}"}),
        "queue": ("resources/read", {"uri": f"queue://{queue}"}),
        "triage": ("prompts/get", {"name": "triage_queue", "arguments": {"name": queue}}),
        "listing": ("resources/list", {}),
        "complete a ticket": completed("ticket://{id}", "id", ticket_id[:6]),
        "complete a queue": completed("queue://{name}", "name", queue[:6]),
    }


async def texts(suite: Suite, token: str, asked: Mapping[str, Asked]) -> dict[str, str]:
    """Each answer as it came."""
    return {name: (await suite.post(token, *each, server="tickets")).text for name, each in asked.items()}
