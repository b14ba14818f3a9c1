"""Nobody sees another tenant's row, whatever the statement says: row-level security alone, with no help of ours."""

from typing import Any, cast

import asyncpg
import pytest

from servers.customers.tools import tools
from shared.core.errors import SuiteError
from shared.core.tool import Effect
from shared.state.roles import Urls
from tests.servers.customers.desk import Desk

pytestmark = pytest.mark.anyio

TABLES = ("tenants", "customers", "search_terms", "orders", "order_lines")
FOREIGN, MISSING = "C-0F0RE1GN", "C-0M1SS1NG"


@pytest.fixture(scope="module")
async def foreign(desk: Desk, urls: Urls) -> str:
    """An id that only the other tenant has."""
    owner = await connect(urls.owner)
    try:
        async with owner.transaction():
            await owner.execute("SELECT set_config('app.tenant', 'globex', true)")
            await owner.execute(
                "INSERT INTO customers.customers (id, name, country, locale, status, segment) "
                "VALUES ($1, 'Foreign Person', 'DE', 'en', 'active', 'consumer')",
                FOREIGN,
            )
    finally:
        await owner.close()
    return FOREIGN


async def connect(url: str) -> Any:
    return cast("Any", await asyncpg.connect(url))  # pyright: ignore[reportUnknownMemberType]


async def outcome(desk: Desk, name: str, arguments: dict[str, Any]) -> Any:
    try:
        return await desk.shown(name, **arguments)
    except SuiteError as failure:
        return type(failure).__name__, str(failure), vars(failure)


ARGUMENTS: dict[str, dict[str, Any]] = {
    "get_customer": {"customer_id": ...},
    "get_customers": {"customer_ids": [...]},
    "search_customers": {"query": ...},
    "list_customer_orders": {"customer_id": ...},
    "update_customer": {"customer_id": ..., "version": 1, "changes": {"city": "Here"}},
}


@pytest.mark.parametrize("name", sorted(ARGUMENTS))
async def test_another_tenants_id_answers_exactly_like_a_missing_one(desk: Desk, foreign: str, name: str) -> None:
    seen: list[Any] = []
    for customer_id in (foreign, MISSING):
        arguments = {
            field: [customer_id] if value == [...] else customer_id if value is ... else value
            for field, value in ARGUMENTS[name].items()
        }
        seen.append(repr(await outcome(desk, name, arguments)).replace(customer_id, "ID"))
    assert seen[0] == seen[1]


def test_the_matrix_names_every_tool_that_takes_a_handle() -> None:
    assert set(ARGUMENTS) == set(tools.tools) - {"create_customer"}
    assert tools.tools["create_customer"].effect is Effect.WRITE


async def test_the_same_id_is_another_customer_for_another_tenant(desk: Desk) -> None:
    here = await desk.ask("get_customer", customer_id="C-000001")
    there = await desk.ask("get_customer", tenant="globex", customer_id="C-000001")
    assert here.id == there.id
    assert here.email != there.email


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("role", ["owner", "app"])
async def test_without_a_tenant_no_row_is_seen_even_by_the_owner(urls: Urls, table: str, role: str) -> None:
    connection = await connect(getattr(urls, role))
    try:
        assert await connection.fetchval(f"SELECT count(*) FROM customers.{table}") == 0
    finally:
        await connection.close()


@pytest.mark.parametrize("table", TABLES)
async def test_with_a_tenant_its_rows_alone_are_seen(urls: Urls, table: str) -> None:
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


async def test_the_application_may_not_do_more_than_its_tools_need(urls: Urls) -> None:
    connection = await connect(urls.app)
    allowed = {
        ("tenants", "SELECT"), ("orders", "SELECT"), ("order_lines", "SELECT"),
        ("customers", "SELECT"), ("customers", "INSERT"), ("customers", "UPDATE"),
        ("search_terms", "SELECT"), ("search_terms", "INSERT"), ("search_terms", "DELETE"),
    }  # fmt: skip
    try:
        rows = await connection.fetch(
            "SELECT name, privilege FROM unnest($1::text[]) name, "
            "unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) privilege "
            "WHERE has_table_privilege('customers.' || name, privilege)",
            list(TABLES),
        )
    finally:
        await connection.close()
    assert {tuple(row) for row in rows} == allowed
