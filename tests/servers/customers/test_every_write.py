"""What holds for every tool that writes: a dry run changes nothing, a key acts once, and both say so."""

from secrets import choice
from typing import Any
from uuid import uuid4

import pytest

from servers.customers.server import server
from shared.core.tool import Effect
from tests.harness import Suite

pytestmark = pytest.mark.anyio

WRITES = [name for name, tool in server.tools.tools.items() if tool.effect is Effect.WRITE]
NEW: dict[str, Any] = {"name": "Written", "segment": "consumer", "country": "DE"}


async def ask(suite: Suite, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    answer = await suite.call("admin", tool, arguments)
    assert "error" not in answer, answer
    return answer


async def made(suite: Suite) -> str:
    return (await ask(suite, "create_customer", NEW))["customer"]["id"]


async def arguments_of(suite: Suite, tool: str) -> dict[str, Any]:
    """Arguments that succeed once."""
    one = await made(suite)
    at = {"customer_id": one, "version": 1}
    match tool:
        case "update_customer":
            return {**at, "changes": {"city": "Ulm"}}
        case "restore_customer":
            await ask(suite, "archive_customer", at)
            return {**at, "version": 2}
        case "undo_change":
            note = await ask(suite, "add_customer_note", {"customer_id": one, "text": "Called."})
            return {"change_id": note["change_id"]}
        case "cancel_job":
            return {"job_id": await begun(suite)}
        case "merge_customers":
            other = await made(suite)
            return {"keep_id": one, "keep_version": 1, "duplicate_id": other, "duplicate_version": 1}
        case _:
            return {
                "create_customer": NEW,
                "archive_customer": at,
                "add_customer_note": {"customer_id": one, "text": "Called."},
                "export_customers": {"tag": "nobody-has-it"},
            }[tool]


async def begun(suite: Suite) -> str:
    """A job that runs, and that no worker will end."""
    job_id = f"J-{''.join(choice('0123456789') for _ in range(26))}"
    await suite.sql(
        "INSERT INTO suite.jobs (tenant_id, id, server, tool, issuer, subject, client, rights, arguments, state) "
        "VALUES ('acme', $1, 'customers', 'export_customers', $2, 'acme-admin', 'test', '{}', '{}', 'running')",
        job_id,
        suite.provider.issuer,
    )
    return job_id


async def state(suite: Suite) -> list[str]:
    """Everything the tools keep, but for what the worker moves on by itself."""
    kept: list[str] = []
    for table in ("customers", "search_terms", "orders", "notes", "changes"):
        digest = "md5(string_agg(t::text, ' ' ORDER BY t::text))"
        [row] = await suite.sql(f"SELECT {digest} AS found FROM customers.{table} t")
        kept.append(row["found"])
    [row] = await suite.sql(
        "SELECT string_agg(id || (state = 'cancelled')::text, ' ' ORDER BY id) AS found FROM suite.jobs"
    )
    return [*kept, row["found"]]


@pytest.mark.parametrize("tool", WRITES)
async def test_a_dry_run_shows_what_would_be_and_changes_nothing(suite: Suite, tool: str) -> None:
    arguments = await arguments_of(suite, tool)
    before = await state(suite)
    dry = await ask(suite, tool, {**arguments, "dry_run": True})
    assert await state(suite) == before
    real = await ask(suite, tool, arguments)
    assert await state(suite) != before
    assert dry.keys() == real.keys()


@pytest.mark.parametrize("tool", WRITES)
async def test_a_key_acts_once_and_only_for_its_arguments(suite: Suite, tool: str) -> None:
    arguments = await arguments_of(suite, tool) | {"idempotency_key": f"once-{uuid4().hex}"}
    first = await ask(suite, tool, arguments)
    after = await state(suite)
    assert await ask(suite, tool, arguments) == first
    assert await state(suite) == after
    other = await arguments_of(suite, tool) | {"idempotency_key": arguments["idempotency_key"]}
    if tool in {"create_customer", "export_customers"}:
        other |= {"name": "Another"} if tool == "create_customer" else {"tag": "other"}
    refused = await suite.call("admin", tool, other)
    assert refused["error"]["code"] == "key_reused"


@pytest.mark.parametrize("tool", WRITES)
async def test_it_leaves_an_intent_and_an_outcome(suite: Suite, tool: str) -> None:
    await ask(suite, tool, await arguments_of(suite, tool))
    records = await suite.records(target=tool, limit=2)
    assert [record["kind"] for record in records] == ["outcome", "intent"]
    assert {record["subject"] for record in records} == {"acme-admin"}
