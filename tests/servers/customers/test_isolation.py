"""Nobody sees another tenant's row, whatever the statement says: row-level security alone, with no help of ours."""

from dataclasses import replace
from typing import Any, cast

import asyncpg
import pytest

from shared.core.errors import SuiteError
from shared.state.roles import Urls
from tests.pgbouncer import straight
from tests.servers.customers.desk import Desk, tools
from tests.servers.customers.handles import CASES, MISSING, Handles, fill, hide

pytestmark = pytest.mark.anyio

TABLES = (
    "tenants", "customers", "search_terms", "orders", "order_lines",
    "notes", "changes",
)  # fmt: skip


@pytest.fixture(scope="module")
async def foreign(desk: Desk, urls: Urls) -> Handles:
    """Handles that only the other tenant has."""
    theirs = Handles("C-0F0RE1GN00", "O-0F0RE1GN00")
    owner = await connect(urls.owner)
    try:
        async with owner.transaction():
            await owner.execute("SELECT set_config('app.tenant', 'globex', true)")
            await owner.execute(
                "INSERT INTO customers.customers (id, name, country, locale, status, segment) "
                "VALUES ($1, 'Foreign Person', 'DE', 'en', 'active', 'consumer')",
                theirs.customer,
            )
            await owner.execute(
                "INSERT INTO customers.orders (id, customer_id, status, ordered_at, currency, total, line_count) "
                "VALUES ($1, $2, 'paid', now(), 'EUR', 1, 0)",
                theirs.order,
                theirs.customer,
            )
    finally:
        await owner.close()
    handles: dict[str, Handles] = {}
    for tenant in ("acme", "globex"):  # every table has rows of both
        done = await desk.made(tenant=tenant)
        note = await desk.ask("add_customer_note", tenant=tenant, customer_id=done.id, text="Called.")
        job = await desk.ask("export_customers", tenant=tenant, scopes="customers:export")
        handles[tenant] = replace(theirs, change=note.change_id, job=job.job_id)
        await desk.work()
    return handles["globex"]


async def connect(url: str) -> Any:
    return cast("Any", await asyncpg.connect(straight(url)))  # pyright: ignore[reportUnknownMemberType]


async def outcome(desk: Desk, name: str, arguments: dict[str, Any]) -> Any:
    try:
        return await desk.shown(name, scopes="customers:admin", **arguments)
    except SuiteError as failure:
        return type(failure).__name__, str(failure), vars(failure)


@pytest.mark.parametrize(("name", "arguments"), [(name, case) for name, cases in CASES.items() for case in cases])
async def test_another_tenants_handle_answers_exactly_like_a_missing_one(
    desk: Desk, foreign: Handles, name: str, arguments: dict[str, Any]
) -> None:
    own = await desk.made()
    seen = [
        hide(repr(await outcome(desk, name, fill(arguments, handles, own.id))), handles)
        for handles in (foreign, MISSING)
    ]
    assert seen[0] == seen[1]


def test_the_matrix_names_every_tool() -> None:
    assert CASES.keys() == tools.tools.keys()


async def test_the_same_id_is_another_customer_for_another_tenant(desk: Desk) -> None:
    here = await desk.ask("get_customer", customer_id="C-000001")
    there = await desk.ask("get_customer", tenant="globex", customer_id="C-000001")
    assert here.id == there.id
    assert here.email != there.email


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("role", ["owner", "app"])
async def test_without_a_tenant_no_row_is_seen_even_by_the_owner(
    urls: Urls, foreign: Handles, table: str, role: str
) -> None:
    connection = await connect(getattr(urls, role))
    try:
        assert await connection.fetchval(f"SELECT count(*) FROM customers.{table}") == 0
    finally:
        await connection.close()


@pytest.mark.parametrize("table", TABLES)
async def test_with_a_tenant_its_rows_alone_are_seen(urls: Urls, foreign: Handles, table: str) -> None:
    key = "id" if table == "tenants" else "tenant_id"
    connection = await connect(urls.app)
    try:
        await connection.execute("SELECT set_config('app.tenant', 'acme', false)")
        rows = await connection.fetch(f"SELECT DISTINCT {key} FROM customers.{table}")
        assert [row[0] for row in rows] == ["acme"]
    finally:
        await connection.close()


@pytest.mark.parametrize("role", ["owner", "app"])
async def test_no_row_can_be_written_for_another_tenant_or_for_none(urls: Urls, role: str) -> None:
    connection = await connect(getattr(urls, role))
    insert = (
        "INSERT INTO customers.customers (tenant_id, id, name, country, locale, status, segment) "
        "VALUES ($1, 'C-000XYZ', 'n', 'DE', 'en', 'active', 'consumer')"
    )
    try:
        for setting, tenant in (("acme", "globex"), ("", "acme"), ("", "")):
            await connection.execute("SELECT set_config('app.tenant', $1, false)", setting)
            with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.CheckViolationError)):
                await connection.execute(insert, tenant)
    finally:
        await connection.close()


async def test_there_is_no_table_these_tests_do_not_know(urls: Urls) -> None:
    connection = await connect(urls.owner)
    try:
        rows = await connection.fetch(
            "SELECT relname::text, relrowsecurity AND relforcerowsecurity AS forced FROM pg_class "
            "WHERE relnamespace = 'customers'::regnamespace AND relkind IN ('r', 'p') AND relname <> 'revision'"
        )
    finally:
        await connection.close()
    assert {row["relname"]: row["forced"] for row in rows} == dict.fromkeys(TABLES, True)


async def test_the_application_may_not_do_more_than_its_tools_need(urls: Urls) -> None:
    connection = await connect(urls.app)
    allowed = {
        ("tenants", "SELECT"), ("orders", "SELECT"), ("order_lines", "SELECT"),
        ("customers", "SELECT"), ("customers", "INSERT"), ("customers", "UPDATE"),
        ("search_terms", "SELECT"), ("search_terms", "INSERT"), ("search_terms", "DELETE"),
        ("notes", "SELECT"), ("notes", "INSERT"), ("notes", "DELETE"),
        ("changes", "SELECT"), ("changes", "INSERT"), ("changes", "DELETE"),
    }  # fmt: skip
    changed = {
        ("orders", "customer_id"), ("notes", "customer_id"), ("changes", "undone_at"),
    }  # fmt: skip
    try:
        rows = await connection.fetch(
            "SELECT name, privilege FROM unnest($1::text[]) name, "
            "unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) privilege "
            "WHERE has_table_privilege('customers.' || name, privilege)",
            [*TABLES],
        )
        columns = await connection.fetch(
            "SELECT attrelid::regclass::text AS name, attname::text FROM pg_attribute "
            "WHERE attrelid = ANY ($1::regclass[]) AND attnum > 0 AND NOT attisdropped "
            "AND has_column_privilege(attrelid, attnum, 'UPDATE') AND NOT has_table_privilege(attrelid, 'UPDATE')",
            [f"customers.{name}" for name in TABLES],
        )
    finally:
        await connection.close()
    assert {tuple(row) for row in rows} == allowed
    assert {(row["name"].removeprefix("customers."), row["attname"]) for row in columns} == changed
