"""For every tool, operation and handle: what belongs to another tenant answers exactly as what does not exist."""

import re
from dataclasses import asdict
from typing import Any
from uuid import uuid4

import anyio
import httpx
import pytest

from servers.customers.server import server
from tests.harness import Suite
from tests.servers.customers.handles import CASES, MISSING, PROMPTS, Handles, fill, hide, token_for

pytestmark = pytest.mark.anyio

OPERATIONS: dict[str, dict[str, Any]] = {
    "call": {},
    "dry run": {"dry_run": True},
    "with a key": {"idempotency_key": "matrix-key-0001"},
}

LEFT = re.compile(r'"enterprise-mcp-suite/left":\{[^}]*\},?')
"""What is left of the caller's own allowances is another number after every call."""


def cases() -> list[Any]:
    found: list[Any] = []
    for name, tool in server.tools.tools.items():
        for number, arguments in enumerate(CASES[name]):
            for operation, extra in OPERATIONS.items():
                if extra.keys() <= tool.arguments.model_fields.keys():
                    found.append(pytest.param(name, arguments, extra, id=f"{name}-{number}-{operation}"))
    return found


def seen(answer: httpx.Response, handles: Handles) -> tuple[Any, ...]:
    """Everything a caller can see, but for what differs by chance or because we sent it."""
    text = hide(re.sub(r"req_[0-9a-f]{16}", "REFERENCE", LEFT.sub("", answer.text)), handles)
    headers = sorted((name, value) for name, value in answer.headers.items() if name != "date")
    return answer.status_code, text, headers


async def ask(suite: Suite, who: str, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    answer = await suite.call(who, tool, arguments)
    assert "error" not in answer, answer
    return answer


NEW = {"name": "Elsewhere", "segment": "consumer", "country": "US"}


@pytest.fixture(scope="module")
async def foreign(suite: Suite) -> Handles:
    """Handles of the other tenant, as long as the missing ones."""
    customer = (await ask(suite, "outsider", "create_customer", NEW))["customer"]["id"]
    order = "O-0F0RE1GN00"
    await suite.sql(
        "INSERT INTO customers.orders (tenant_id, id, customer_id, status, ordered_at, currency, total, line_count) "
        "VALUES ('globex', $1, $2, 'paid', now(), 'EUR', 1, 0)",
        order,
        customer,
    )
    note = await ask(suite, "outsider", "add_customer_note", {"customer_id": customer, "text": "Theirs"})
    job = (await ask(suite, "outsider", "export_customers", {}))["job_id"]
    with anyio.fail_after(30):
        while (await ask(suite, "outsider", "get_job", {"job_id": job}))["state"] != "done":
            await anyio.sleep(0.1)
    handles = Handles(customer, order, note["change_id"], job)
    lengths = [[len(handle) for handle in asdict(each).values()] for each in (handles, MISSING)]
    assert lengths[0] == lengths[1]
    return handles


@pytest.fixture(scope="module")
async def own(suite: Suite) -> str:
    return (await ask(suite, "admin", "create_customer", NEW))["customer"]["id"]


def test_every_tool_prompt_and_completion_is_in_the_matrix() -> None:
    assert CASES.keys() == server.tools.tools.keys()
    assert PROMPTS.keys() == server.tools.prompts.keys()
    assert server.tools.completions.keys() == {"customer_id"}


@pytest.mark.parametrize(("tool", "arguments", "extra"), cases())
async def test_a_foreign_handle_answers_like_a_missing_one(
    suite: Suite, foreign: Handles, own: str, tool: str, arguments: dict[str, Any], extra: dict[str, Any]
) -> None:
    answers: list[Any] = []
    for number, handles in enumerate((foreign, MISSING)):
        given = fill(arguments, handles, own) | extra
        if "idempotency_key" in extra:
            given["idempotency_key"] += f"-{uuid4().hex}-{number}"
        response = await suite.post(token_for(suite, tool), "tools/call", {"name": tool, "arguments": given})
        answers.append(seen(response, handles))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("template", server.tools.resources)
async def test_a_foreign_resource_answers_like_a_missing_one(suite: Suite, foreign: Handles, template: str) -> None:
    answers: list[Any] = []
    for handles in (foreign, MISSING):
        uri = template.format(customer_id=handles.customer, job_id=handles.job, part=1)
        answers.append(seen(await suite.post(suite.token("admin"), "resources/read", {"uri": uri}), handles))
    assert answers[0] == answers[1]
    assert answers[0][0] == 400


@pytest.mark.parametrize("prompt", PROMPTS)
async def test_a_prompt_about_a_foreign_customer_answers_like_one_about_nobody(
    suite: Suite, foreign: Handles, prompt: str
) -> None:
    answers: list[Any] = []
    for handles in (foreign, MISSING):
        params = {"name": prompt, "arguments": fill(PROMPTS[prompt], handles)}
        answers.append(seen(await suite.post(suite.token("admin"), "prompts/get", params), handles))
    assert answers[0] == answers[1]
    assert '"error"' in answers[0][1]


async def test_a_foreign_id_is_not_completed(suite: Suite, foreign: Handles) -> None:
    answers: list[Any] = []
    for who in ("admin", "outsider"):
        params = {
            "ref": {"type": "ref/resource", "uri": "customer://{customer_id}"},
            "argument": {"name": "customer_id", "value": foreign.customer[:-1]},
        }
        answer = await suite.post(suite.token(who), "completion/complete", params)
        answers.append(answer.json()["result"]["completion"]["values"])
    assert answers == [[], [foreign.customer]]


async def test_the_other_tenant_itself_is_given_addresses_of_its_own(suite: Suite, foreign: Handles) -> None:
    await suite.sql("UPDATE customers.customers SET email = 'elsewhere@globex.example' WHERE id = $1", foreign.customer)
    params: dict[str, Any] = {"name": "resolve_contacts", "arguments": {"customer_ids": [foreign.customer]}}
    for who, found in (("outsider", ["elsewhere@globex.example"]), ("admin", [])):
        answer = await suite.post(token_for(suite, "resolve_contacts", who), "tools/call", params)
        contacts = answer.json()["result"]["structuredContent"]["contacts"]
        assert [contact["email"] for contact in contacts] == found


async def test_the_other_tenant_itself_does_see_it(suite: Suite, foreign: Handles) -> None:
    names = ["get_customer", "list_customer_orders", "list_customer_notes", "get_order", "get_job", "undo_change"]
    for tool in (*names, "update_customer"):
        await ask(suite, "outsider", tool, fill(CASES[tool][0], foreign))
    uri = f"customers-export://{foreign.job}/1"
    assert (await suite.post(suite.token("outsider"), "resources/read", {"uri": uri})).status_code == 200


@pytest.mark.parametrize("tool", ["search_customers", "list_customer_orders", "list_customer_notes"])
async def test_a_foreign_cursor_answers_like_a_made_up_one(suite: Suite, tool: str) -> None:
    arguments = await _paged(suite, tool)
    page = await suite.call("outsider", tool, {**arguments, "limit": 1})
    cursor = page["next_cursor"]
    assert cursor
    made_up = cursor[:-8] + ("A" * 8 if cursor[-8:] != "A" * 8 else "B" * 8)
    answers: list[Any] = []
    for given in (cursor, made_up):
        params = {"name": tool, "arguments": {**arguments, "limit": 1, "cursor": given}}
        response = await suite.post(suite.token("admin"), "tools/call", params)
        answers.append(tuple(str(part).replace(given, "HANDLE") for part in seen(response, MISSING)))
    assert answers[0] == answers[1]
    assert '"code":-32602' in answers[0][1]
    again = await suite.call("outsider", tool, {**arguments, "limit": 1, "cursor": cursor})
    assert "error" not in again


async def _paged(suite: Suite, tool: str) -> dict[str, Any]:
    if tool == "search_customers":
        return {"query": "an"}
    table = tool.removeprefix("list_customer_")
    busiest = (
        f"SELECT customer_id FROM customers.{table} WHERE tenant_id = 'globex' "
        "GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"
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
        text = re.sub(r"\d{4}-\d\d-\d\dT[^\"\\]+", "TIME", LEFT.sub("", response.text))
        answers.append(text.replace(made["id"], "ID"))
    assert answers[0] == answers[1]


async def test_ids_do_not_tell_how_many_customers_another_tenant_has(suite: Suite) -> None:
    """Ids made one after the other, by two tenants in turn, share no counter."""
    new = {"name": "Counted", "segment": "consumer", "country": "US"}
    ids = [(await suite.call(who, "create_customer", new))["customer"]["id"] for who in ("admin", "outsider") * 3]
    assert len({made[:7] for made in ids}) == len(ids)
