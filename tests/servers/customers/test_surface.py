from typing import Any, cast

import jsonschema
import orjson
import pytest

from servers.customers.server import server
from shared.core.tool import Effect
from shared.steps.redaction import redact
from tests.servers.customers.desk import Desk, caller, tools

pytestmark = pytest.mark.anyio

PERSON = {"name": "Shape Test", "country": "DE", "segment": "consumer", "email": "shape@example.com"}
CALLS: dict[str, dict[str, Any]] = {
    "get_customer": {"customer_id": "C-000001"},
    "get_customers": {"customer_ids": ["C-000001", "C-999999"]},
    "search_customers": {"query": "ma", "limit": 3},
    "list_customer_orders": {"customer_id": "C-000001"},
    "get_order": {"order_id": "O-000001"},
    "create_customer": PERSON,
    "update_customer": {"customer_id": "C-000002", "version": 1, "changes": {"city": "Elsewhere", "tags": ["vip"]}},
    "archive_customer": {"customer_id": "C-000002", "version": 1},
    "restore_customer": {"customer_id": "C-000002", "version": 1},
    "export_customers": {"status": "active"},
    "get_job": {},
    "cancel_job": {},
    "merge_customers": {},
    "list_customer_notes": {"customer_id": "C-000001"},
    "add_customer_note": {"customer_id": "C-000001", "text": "Called.\nWill call again."},
    "undo_change": {},
    "resolve_contacts": {"customer_ids": ["C-000001", "C-999999"]},
}
MORE = {
    "export_customers": {"customers:export"},
    "get_job": {"customers:export"},
    "cancel_job": {"customers:export"},
    "merge_customers": {"customers:write", "customers:pii"},
    "resolve_contacts": {"customers:contact"},
}
"""Tools that need other scopes than reading, or writing."""


def test_the_surface_is_small() -> None:
    assert tools.tools.keys() == CALLS.keys()
    assert list(tools.resources) == [
        "customer://{customer_id}",
        "customer://{customer_id}/orders",
        "customers-export://{job_id}/{part}",
    ]
    assert tools.prompts.keys() == {"prepare_account_review", "draft_customer_reply"}
    told = sum(len(tool.description) + len(orjson.dumps(tool.input_schema)) for tool in tools.tools.values())
    assert told / 4 < 5_000, "tokens, roughly: every model pays them in every conversation"


def test_every_scope_is_of_this_server_and_writes_ask_for_more() -> None:
    for tool in tools.tools.values():
        usual = {"customers:write"} if tool.effect is Effect.WRITE else set(server.baseline)
        assert set(tool.scopes) == MORE.get(tool.name, usual)


def test_every_write_but_those_that_undo_names_what_takes_it_back() -> None:
    inverse = {tool.name: tool.inverse for tool in tools.tools.values() if tool.effect is Effect.WRITE}
    assert inverse == {
        "create_customer": "archive_customer",
        "update_customer": "undo_change",
        "archive_customer": "restore_customer",
        "restore_customer": "archive_customer",
        "export_customers": "cancel_job",
        "cancel_job": None,
        "merge_customers": "undo_change",
        "add_customer_note": "undo_change",
        "undo_change": None,
    }


async def arguments_for(desk: Desk, name: str) -> dict[str, Any]:
    """Arguments that succeed now, whatever ran before."""
    if name in {"get_job", "cancel_job"}:
        job = await desk.ask("export_customers", scopes="customers:export")
        await desk.work()
        return {"job_id": job.job_id}
    if name in {"merge_customers", "undo_change"}:
        keep, gone = await desk.made(), await desk.made(email="gone@example.com", tags=["vip"])
        change = await desk.ask("update_customer", customer_id=keep.id, version=1, changes={"city": "Ulm"})
        merge = {"keep_id": keep.id, "keep_version": 2, "duplicate_id": gone.id, "duplicate_version": 1}
        return merge if name == "merge_customers" else {"change_id": change.change_id}
    if "version" in CALLS[name]:
        now = await desk.ask("get_customer", customer_id=CALLS[name]["customer_id"])
        return {**CALLS[name], "version": now.version}
    return CALLS[name]


@pytest.mark.parametrize("seen", ["plain", "masked"])
@pytest.mark.parametrize("name", CALLS)
async def test_answers_keep_to_their_schema_masked_or_not(desk: Desk, name: str, seen: str) -> None:
    arguments = await arguments_for(desk, name)
    if name == "export_customers":
        arguments |= {"tag": f"only-{seen}"}
    answer = await desk.ask(name, scopes="customers:admin", **arguments)
    reader = caller(scopes="customers:pii" if seen == "plain" else "customers:read")
    jsonschema.validate(redact(answer, reader, "customers:pii").value, tools.tools[name].output_schema)


@pytest.mark.parametrize("name", ["search_customers", "list_customer_orders", "get_customers"])
async def test_the_largest_answer_stays_under_25_000_tokens(desk: Desk, name: str) -> None:
    largest: dict[str, dict[str, Any]] = {
        "search_customers": {"query": "ma", "limit": 100},
        "list_customer_orders": {"customer_id": "C-000001", "limit": 50},
        "get_customers": {"customer_ids": [f"C-{number:06}" for number in range(1, 51)]},
    }
    answer = await desk.shown(name, **largest[name])
    items = cast("list[Any]", answer.get("customers") or answer.get("orders"))
    most = largest[name].get("limit", 50)
    assert len(orjson.dumps(items)) / len(items) * most / 3 < 25_000
