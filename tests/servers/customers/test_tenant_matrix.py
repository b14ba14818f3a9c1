"""For every tool, operation and handle: what belongs to another tenant answers exactly as what does not exist."""

import re
from typing import Any

import httpx
import pytest

from servers.customers.server import server
from tests.harness import Suite

pytestmark = pytest.mark.anyio

MISSING = "C-9999999999"
FOREIGN = "foreign id"
REQUIRED: dict[str, dict[str, Any]] = {
    "get_customer": {"customer_id": FOREIGN},
    "get_customers": {"customer_ids": [FOREIGN]},
    "list_customer_orders": {"customer_id": FOREIGN},
    "update_customer": {"customer_id": FOREIGN, "version": 1, "changes": {"city": "Ulm"}},
    "create_customer": {},
    "search_customers": {"query": FOREIGN},
}
"""For every tool, arguments with the handle in its place; `create_customer` takes none."""

OPERATIONS: dict[str, dict[str, Any]] = {
    "call": {},
    "dry run": {"dry_run": True},
    "with a key": {"idempotency_key": "matrix-key-0001"},
}


def cases() -> list[Any]:
    found: list[Any] = []
    for name, tool in server.tools.tools.items():
        for operation, extra in OPERATIONS.items():
            if REQUIRED[name] and extra.keys() <= tool.arguments.model_fields.keys():
                found.append(pytest.param(name, extra, id=f"{name}-{operation}"))
    return found


def put(value: Any, handle: str) -> Any:
    if isinstance(value, dict):
        return {key: put(item, handle) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [put(item, handle) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return handle if value == FOREIGN else value


def seen(answer: httpx.Response, handle: str) -> tuple[Any, ...]:
    """Everything a caller can see, but for what differs by chance or because we sent it."""
    text = re.sub(r"req_[0-9a-f]{16}", "REFERENCE", answer.text).replace(handle, "HANDLE")
    headers = sorted((name, value) for name, value in answer.headers.items() if name != "date")
    return answer.status_code, text, headers


@pytest.fixture(scope="module")
async def foreign(suite: Suite) -> str:
    """The id of a customer of the other tenant, with orders, as long as the missing one."""
    made = await suite.call(
        "outsider", "create_customer", {"name": "Elsewhere", "segment": "consumer", "country": "US"}
    )
    assert len(made["customer"]["id"]) == len(MISSING)
    return made["customer"]["id"]


def test_every_tool_is_in_the_matrix() -> None:
    assert REQUIRED.keys() == server.tools.tools.keys()


@pytest.mark.parametrize(("tool", "extra"), cases())
async def test_a_foreign_id_answers_like_a_missing_one(
    suite: Suite, foreign: str, tool: str, extra: dict[str, Any]
) -> None:
    answers: list[Any] = []
    for handle in (foreign, MISSING):
        arguments = put(REQUIRED[tool], handle) | extra
        if "idempotency_key" in extra:
            arguments["idempotency_key"] += handle
        response = await suite.post(suite.token("admin"), "tools/call", {"name": tool, "arguments": arguments})
        answers.append(seen(response, handle))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("template", server.tools.resources)
async def test_a_foreign_resource_answers_like_a_missing_one(suite: Suite, foreign: str, template: str) -> None:
    answers: list[Any] = []
    for handle in (foreign, MISSING):
        uri = re.sub(r"\{[^}]+\}", handle, template)
        answers.append(seen(await suite.post(suite.token("admin"), "resources/read", {"uri": uri}), handle))
    assert answers[0] == answers[1]
    assert answers[0][0] == 400


async def test_the_other_tenant_itself_does_see_it(suite: Suite, foreign: str) -> None:
    for tool in ("get_customer", "update_customer", "list_customer_orders"):
        answer = await suite.call("outsider", tool, put(REQUIRED[tool], foreign))
        assert "error" not in answer, tool


@pytest.mark.parametrize("tool", ["search_customers", "list_customer_orders"])
async def test_a_foreign_cursor_answers_like_a_made_up_one(suite: Suite, tool: str) -> None:
    arguments = await _paged(suite, tool)
    page = await suite.call("outsider", tool, {**arguments, "limit": 1})
    cursor = page["next_cursor"]
    assert cursor
    made_up = cursor[:-8] + ("A" * 8 if cursor[-8:] != "A" * 8 else "B" * 8)
    answers: list[Any] = []
    for given in (cursor, made_up):
        params = {"name": tool, "arguments": {**arguments, "limit": 1, "cursor": given}}
        answers.append(seen(await suite.post(suite.token("admin"), "tools/call", params), given))
    assert answers[0] == answers[1]
    assert '"code":-32602' in answers[0][1]
    again = await suite.call("outsider", tool, {**arguments, "limit": 1, "cursor": cursor})
    assert "error" not in again


async def _paged(suite: Suite, tool: str) -> dict[str, Any]:
    if tool == "search_customers":
        return {"query": "an"}
    busiest = (
        "SELECT customer_id FROM customers.orders WHERE tenant_id = 'globex' GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"
    )
    (row,) = await suite.sql(busiest)
    return {"customer_id": row["customer_id"]}


async def test_a_cursor_of_a_colleague_is_refused_too(suite: Suite) -> None:
    page = await suite.call("admin", "search_customers", {"query": "an", "limit": 1})
    params = {"name": "search_customers", "arguments": {"query": "an", "limit": 1, "cursor": page["next_cursor"]}}
    answer = await suite.post(suite.token("manager"), "tools/call", params)
    assert answer.json()["error"]["code"] == -32602


async def test_a_key_another_tenant_used_is_a_fresh_key(suite: Suite) -> None:
    theirs = {"name": "Theirs", "segment": "consumer", "country": "US", "idempotency_key": "tenant-key-0001"}
    await suite.call("outsider", "create_customer", theirs)
    fresh = {**theirs, "idempotency_key": "tenant-key-0002"}
    answers: list[Any] = []
    for arguments in ({**theirs, "name": "Ours"}, {**fresh, "name": "Ours"}):
        params = {"name": "create_customer", "arguments": arguments}
        response = await suite.post(suite.token("admin"), "tools/call", params)
        made = response.json()["result"]["structuredContent"]["customer"]
        answers.append(re.sub(r"\d{4}-\d\d-\d\dT[^\"\\]+", "TIME", response.text).replace(made["id"], "ID"))
    assert answers[0] == answers[1]


async def test_ids_do_not_tell_how_many_customers_another_tenant_has(suite: Suite) -> None:
    """Ids made one after the other, by two tenants in turn, share no counter."""
    new = {"name": "Counted", "segment": "consumer", "country": "US"}
    ids = [(await suite.call(who, "create_customer", new))["customer"]["id"] for who in ("admin", "outsider") * 3]
    assert len({made[:7] for made in ids}) == len(ids)
