"""A public comment leaves the house: after outsiders' words and something confidential it takes an approval."""

from typing import Any
from uuid import uuid4

import pytest

from tests.harness import Suite
from tests.servers.tickets.desk import Desk

pytestmark = pytest.mark.anyio

DISCOUNTS = "doc://handbook/sales/discounts.md"
PRICES = "doc://handbook/sales/price-list.md"
HOSTILE = "T-000007"


def somebody(suite: Suite) -> Desk:
    return Desk(suite, "manager", {"sub": f"person-{uuid4().hex}"})


async def read(desk: Desk, uri: str) -> None:
    answer = await desk.suite.call(desk.persona, "read_section", {"uri": uri}, "documents", **desk.claims)
    assert "text" in answer, answer


async def said(desk: Desk, **more: Any) -> str | None:
    return await desk.code("comment_on_ticket", ticket_id=HOSTILE, text="40 percent from 10 seats.", **more)


async def test_after_a_ticket_and_a_confidential_document_it_waits_for_a_person(suite: Suite) -> None:
    desk = somebody(suite)
    await desk.whole(HOSTILE)
    assert await said(desk, internal=False) is None, "nothing it saw is confidential"
    await read(desk, PRICES)
    assert await said(desk, internal=False) is None, "nor is this"
    await read(desk, DISCOUNTS)
    before = (await desk.whole(HOSTILE, comments=50))["comment_count"]
    failure = await desk.failure("comment_on_ticket", ticket_id=HOSTILE, text="40 percent.", internal=False)
    assert failure["code"] == "needs_approval"
    assert "write an internal one" in failure["message"]
    assert (await desk.whole(HOSTILE))["comment_count"] == before
    assert await said(desk) is None, "colleagues may know"
    assert await said(somebody(suite), internal=False) is None, "who saw neither is not stopped"


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("search_tickets", {"query": "checkout"}),
        ("suggest_similar", {"text": "checkout"}),
        ("list_my_tickets", {"role": "created", "finished": True}),
        ("get_tickets", {"ticket_ids": [HOSTILE]}),
        ("update_ticket", {"ticket_id": "T-000008", "version": 1, "changes": {"labels": []}, "dry_run": True}),
    ],
)
async def test_outsiders_words_count_however_they_came(suite: Suite, tool: str, arguments: dict[str, Any]) -> None:
    desk = somebody(suite)
    await read(desk, DISCOUNTS)
    if tool == "list_my_tickets":
        await desk.ticket()
    await desk.told(tool, **arguments)
    assert await said(desk, internal=False) == "needs_approval"


async def test_they_count_from_resources_and_prompts_too(suite: Suite) -> None:
    for method, params in (
        ("resources/read", {"uri": f"ticket://{HOSTILE}"}),
        ("resources/read", {"uri": "queue://returns"}),
        ("prompts/get", {"name": "triage_queue", "arguments": {"name": "returns"}}),
    ):
        desk = somebody(suite)
        await read(desk, DISCOUNTS)
        token = suite.token("manager", "tickets", **desk.claims)
        assert "result" in (await suite.post(token, method, params, server="tickets")).json()
        assert await said(desk, internal=False) == "needs_approval", (method, params)
