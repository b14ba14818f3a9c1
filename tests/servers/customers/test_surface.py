from typing import Any, cast

import jsonschema
import orjson
import pytest

from servers.customers.server import server
from servers.customers.tools import tools
from shared.core.tool import Effect
from tests.servers.customers.desk import Desk

pytestmark = pytest.mark.anyio

PERSON = {"name": "Shape Test", "country": "DE", "segment": "consumer", "email": "shape@example.com"}
CALLS: dict[str, dict[str, Any]] = {
    "get_customer": {"customer_id": "C-000001"},
    "get_customers": {"customer_ids": ["C-000001", "C-999999"]},
    "search_customers": {"query": "ma", "limit": 3},
    "list_customer_orders": {"customer_id": "C-000001"},
    "create_customer": PERSON,
    "update_customer": {"customer_id": "C-000002", "version": 1, "changes": {"city": "Elsewhere", "tags": ["vip"]}},
}


def test_the_surface_is_small() -> None:
    assert list(tools.tools) == list(CALLS)
    assert list(tools.resources) == ["customer://{customer_id}"]
    told = sum(len(tool.description) + len(orjson.dumps(tool.input_schema)) for tool in tools.tools.values())
    assert told / 4 < 3_000, "tokens, roughly: every model pays them in every conversation"


def test_every_scope_is_of_this_server_and_writes_ask_for_more() -> None:
    for tool in tools.tools.values():
        assert tool.scopes == (("customers:write",) if tool.effect is Effect.WRITE else server.baseline)


@pytest.mark.parametrize("scopes", ["customers:write customers:pii", "customers:write"])
@pytest.mark.parametrize("name", CALLS)
async def test_answers_keep_to_their_schema_masked_or_not(desk: Desk, name: str, scopes: str) -> None:
    arguments = CALLS[name]
    if name == "update_customer":
        now = await desk.ask("get_customer", customer_id=arguments["customer_id"])
        arguments = {**arguments, "version": now.version}
    answer = await desk.shown(name, scopes=scopes, **arguments)
    jsonschema.validate(answer, tools.tools[name].output_schema)


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
