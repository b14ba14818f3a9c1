"""A company's own database behind the statements of a server: read-only, one tenant at a time."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import pytest
from sqlalchemy import bindparam, func, select
from structlog.testing import capture_logs

from servers.customers import queries
from servers.customers.foreign import views
from servers.customers.schema import customers, search_terms
from shared.core.errors import Misconfigured, Timeout, Unavailable
from shared.core.settings import Settings
from shared.state.database import Statement
from shared.state.embedded import EmbeddedPostgres
from shared.state.foreign import Foreign, open_domain, read_only
from tests.data.chinook import Shop, shops_of, sql

pytestmark = pytest.mark.anyio

ALL = Statement(select(customers.c.id, customers.c.name).order_by(customers.c.id))
FIRST = "C-00000001"
Opener = Callable[..., Awaitable[Foreign]]


@pytest.fixture
async def shop(postgres: EmbeddedPostgres) -> Shop:
    return await shops_of(postgres.admin_url).fresh()


@pytest.fixture
async def opened() -> AsyncGenerator[Opener]:
    async with AsyncExitStack() as stack:

        async def opener(shop: Shop, pinned: str | None = "acme", **changes: Any) -> Foreign:
            pins = {} if pinned is None else {"customers": pinned}
            values: dict[str, Any] = {"pool_min": 1, "domain_url": {"customers": shop.url()}, **changes}
            settings = Settings(domain_tenant=pins, **values)
            return await stack.enter_async_context(open_domain("customers", shop.url(), views, settings))

        yield opener


async def test_a_statement_of_the_server_reads_the_companys_rows(shop: Shop, opened: Opener) -> None:
    domain = await opened(shop)
    row = await domain.reads("acme").row(queries.BY_ID, id=FIRST)
    assert row is not None
    assert (row["name"], row["country"], row["tags"]) == ("Luís Gonçalves", "BR", ["rep-3"])
    assert len(await domain.reads("acme").rows(ALL)) == 59


async def test_a_column_the_view_lacks_is_null(shop: Shop, opened: Opener) -> None:
    await shop.run(
        "DROP VIEW mcp.customers", sql("views").split(";")[1].replace("nullif(\"Company\", '')", "NULL::text")
    )
    await shop.run(sql("grants"))
    domain = await opened(shop)
    row = await domain.reads("acme").row(queries.BY_ID, id=FIRST)
    assert row is not None
    assert (row["company"], row["merged_into"]) == (None, None)


async def test_callers_of_another_tenant_than_the_pinned_one_see_nothing(shop: Shop, opened: Opener) -> None:
    domain = await opened(shop)
    assert await domain.reads("globex").rows(ALL) == []
    assert await domain.reads("").rows(ALL) == []
    assert await domain.reads("acme' OR true --").rows(ALL) == []


async def test_each_tenant_sees_its_own_rows_though_ids_are_the_same(shop: Shop, opened: Opener) -> None:
    await shop.run(sql("tenants"))
    domain = await opened(shop, pinned=None)
    for tenant in ("acme", "globex"):
        rows = await domain.reads(tenant).rows(ALL)
        assert len(rows) == 59
        assert {row["name"].rpartition(" of ")[2] for row in rows} == {tenant}
    assert await domain.reads("initech").rows(ALL) == []


async def test_a_tenant_that_is_pinned_and_in_the_rows_must_fit_both(shop: Shop, opened: Opener) -> None:
    await shop.run(sql("tenants"))
    domain = await opened(shop, pinned="globex")
    assert {row["name"][-6:] for row in await domain.reads("globex").rows(ALL)} == {"globex"}
    assert await domain.reads("acme").rows(ALL) == []


async def test_the_companys_own_row_level_security_follows_the_caller(shop: Shop, opened: Opener) -> None:
    await shop.run(
        'ALTER TABLE "Customer" ENABLE ROW LEVEL SECURITY',
        """CREATE POLICY reps ON "Customer" TO mcp_reader
           USING ("SupportRepId" = CASE current_setting('app.tenant', true) WHEN 'acme' THEN 3 ELSE 0 END)""",
    )
    domain = await opened(shop)
    assert len(await domain.reads("acme").rows(ALL)) == 21


async def test_nothing_of_the_tenant_is_left_on_the_connection(shop: Shop, opened: Opener) -> None:
    domain = await opened(shop, pool_max=1)
    await domain.reads("acme").rows(ALL)
    async with domain.connection() as connection:
        assert not await connection.fetchval("SELECT current_setting('app.tenant', true)")


async def test_sessions_refuse_to_write_even_where_the_role_may(shop: Shop, opened: Opener) -> None:
    domain = await opened(shop)
    await shop.run('GRANT INSERT ON "Genre" TO mcp_reader')
    async with domain.connection() as connection:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await connection.execute("INSERT INTO \"Genre\" VALUES (99, 'x')")


def test_read_only_is_not_switched_off_by_the_url() -> None:
    given = "postgresql://u:p%40@h1:1,h2:2/db?host=%2Ftmp&default_transaction_read_only=off"
    assert read_only(given) == "postgresql://u:p%40@h1:1,h2:2/db?host=%2Ftmp&default_transaction_read_only=on"


async def test_a_table_no_view_stands_for_is_refused(shop: Shop, opened: Opener) -> None:
    domain = await opened(shop)
    with pytest.raises(TypeError, match="search_terms"):
        domain.compiled(Statement(select(search_terms)))


async def test_views_that_do_not_fit_keep_the_server_from_starting(shop: Shop, opened: Opener) -> None:
    await shop.run("DROP VIEW mcp.order_lines")
    with pytest.raises(Misconfigured) as refused:
        await opened(shop)
    assert "there is no view mcp.order_lines" in str(refused.value)
    assert "`mcp-suite doctor customers`" in str(refused.value)
    assert "SUITE_DOMAIN_URL__CUSTOMERS" in str(refused.value)


async def test_a_database_that_is_not_there_keeps_the_server_from_starting(shop: Shop, opened: Opener) -> None:
    gone = Shop(shop.admin_url, "shop_that_is_not_there")
    with pytest.raises(Misconfigured, match="cannot be reached"):
        await opened(gone)


async def test_too_few_connections_for_all_replicas_are_said_at_start(shop: Shop, opened: Opener) -> None:
    with capture_logs() as logs:
        await opened(shop, replicas=900, redis_url="redis://127.0.0.1")
    assert [log["event"] for log in logs] == ["PostgreSQL allows too few connections"]


async def test_views_that_are_taken_away_later_are_a_typed_failure_until_they_are_back(
    shop: Shop, opened: Opener
) -> None:
    domain = await opened(shop)
    assert len(await domain.reads("acme").rows(ALL)) == 59
    await shop.run("REVOKE SELECT ON mcp.customers FROM mcp_reader")
    with pytest.raises(Unavailable, match="doctor"):
        await domain.reads("acme").rows(ALL)
    await shop.run("GRANT SELECT ON mcp.customers TO mcp_reader")
    assert len(await domain.reads("acme").rows(ALL)) == 59


async def test_a_slow_view_is_cut_off(shop: Shop, opened: Opener) -> None:
    domain = await opened(shop, statement_timeout_s=0.2)
    slow = Statement(select(func.pg_sleep(bindparam("seconds"))))
    with pytest.raises(Timeout):
        await domain.reads("acme").rows(slow, seconds=30)


async def test_a_condition_on_the_id_reaches_the_companys_index(shop: Shop, opened: Opener) -> None:
    await shop.run(sql("indexes"))
    domain = await opened(shop)
    async with domain.connection() as connection:
        await connection.execute("SET enable_seqscan = off")
        compiled = domain.compiled(queries.BY_ID)
        values = compiled.values({"tenant_": "acme", "pinned_": "acme", "id": FIRST})
        plan = [row[0] for row in await connection.fetch(f"EXPLAIN {compiled.sql}", *values)]
        await connection.execute("RESET enable_seqscan")
    assert any("Index" in line for line in plan), plan
