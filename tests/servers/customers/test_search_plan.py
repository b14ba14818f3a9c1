"""The plans PostgreSQL makes for the tools' own statements, under row-level security, over 2 × 500,000 customers."""

import os
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import asyncpg
import orjson
import pytest

from servers.customers import demo
from servers.customers.server import server
from shared.core.settings import Settings
from shared.state.database import Database, Reads, Statement, open_database
from shared.state.embedded import EmbeddedPostgres
from shared.state.migrate import upgrade
from shared.state.roles import Passwords, Urls, ensure_roles
from tests.pgbouncer import pooled, straight
from tests.servers.customers.desk import call_of, caller, tools

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif("SUITE_LONG" not in os.environ, reason="a minute long: `make drills` runs it"),
]

DATABASE = "suite_search_plan"
LIMIT = 20
COPIES = 100

# Demo data, a hundred times over. Built like any bulk load: the indexes afterwards, from their own definitions.
# Row-level security is lifted from the owner for as long as this transaction takes.
GROW = f"""
SET LOCAL maintenance_work_mem = '256MB';
ALTER TABLE customers.customers NO FORCE ROW LEVEL SECURITY;
ALTER TABLE customers.search_terms NO FORCE ROW LEVEL SECURITY;
CREATE TEMP TABLE definitions ON COMMIT DROP AS
    SELECT pg_get_indexdef('customers.search_walk'::regclass) AS walk;
DROP INDEX customers.search_walk;
ALTER TABLE customers.search_terms DROP CONSTRAINT search_terms_pkey;
INSERT INTO customers.customers
    SELECT tenant_id, id || lpad(copy::text, 2, '0'), name, company, email, phone, street, postal_code, city, country,
           locale, status, segment, tags, version, created_at, updated_at
    FROM customers.customers, generate_series(1, {COPIES - 1}) AS copy;
INSERT INTO customers.search_terms
    SELECT tenant_id, customer_id || lpad(copy::text, 2, '0'),
           CASE WHEN term = lower(customer_id) THEN term || lpad(copy::text, 2, '0') ELSE term END,
           name, status, segment, country
    FROM customers.search_terms, generate_series(1, {COPIES - 1}) AS copy;
DO $$ BEGIN EXECUTE (SELECT walk FROM definitions); END $$;
ALTER TABLE customers.search_terms ADD PRIMARY KEY (tenant_id, customer_id, term);
ALTER TABLE customers.customers FORCE ROW LEVEL SECURITY;
ALTER TABLE customers.search_terms FORCE ROW LEVEL SECURITY;
"""


@dataclass
class Explaining(Reads):
    """Reads that also ask for the plan of each statement, with the values the tool gave it."""

    database: Database
    tenant: str
    mode: str
    plans: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def __post_init__(self) -> None:
        super().__init__(self.database, self.tenant)

    async def rows(self, statement: Statement, /, **values: Any) -> list[Mapping[str, Any]]:
        compiled = statement.scoped
        given = ", ".join(map(literal, compiled.values({**values, "tenant_": self.tenant})))
        async with self.database.connection() as connection, connection.transaction():
            await connection.execute(f"SET LOCAL plan_cache_mode = {self.mode}; SET LOCAL jit = off")
            await connection.execute(f"PREPARE asked AS {compiled.sql}")
            explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE asked({given})"
            [plan] = orjson.loads(await connection.fetchval(explain))
            await connection.execute("DEALLOCATE asked")
        self.plans.append(plan["Plan"])
        return await super().rows(statement, **values)


def literal(value: Any) -> str:
    if isinstance(value, int):
        return str(value)
    if isinstance(value, datetime):
        return f"'{value.isoformat()}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return f"ARRAY[{', '.join(map(literal, cast('Sequence[Any]', value)))}]"


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from nodes(inner)


def sequential(plan: dict[str, Any]) -> list[str]:
    return [node["Relation Name"] for node in nodes(plan) if node["Node Type"] == "Seq Scan"]


def removed(plan: dict[str, Any]) -> int:
    kinds = ("Filter", "Join Filter", "Index Recheck")
    return sum(node.get(f"Rows Removed by {kind}", 0) * node["Actual Loops"] for node in nodes(plan) for kind in kinds)


def blocks(plan: dict[str, Any]) -> int:
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


@pytest.fixture(scope="module")
async def urls(postgres: EmbeddedPostgres, role_passwords: Passwords) -> AsyncGenerator[Urls]:
    urls = await ensure_roles(postgres.admin_url, role_passwords, DATABASE)
    assert server.migrations is not None
    await upgrade(urls.owner, server.name, server.migrations)
    await demo.seed(urls.owner, customers=1_000_000 // COPIES, orders=20_000)
    owner = await connect(urls.owner)
    try:
        async with owner.transaction():
            await owner.execute(GROW)
        await owner.execute("ANALYZE customers.customers, customers.search_terms")
    finally:
        await owner.close()
    yield urls
    admin = await connect(postgres.admin_url)
    try:
        await admin.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")
    finally:
        await admin.close()


async def connect(url: str) -> Any:
    return cast("Any", await asyncpg.connect(straight(url)))  # pyright: ignore[reportUnknownMemberType]


@pytest.fixture(scope="module")
async def database(urls: Urls, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Database]:
    settings = Settings(**pooled(urls), data_dir=Path(tmp_path_factory.mktemp("data")), pool_min=1, pool_max=2)
    async with open_database(urls.app, settings) as database:
        yield database


@pytest.fixture(params=["force_custom_plan", "force_generic_plan"])
def explaining(database: Database, request: pytest.FixtureRequest) -> Explaining:
    """PostgreSQL plans a statement for its values at first and once for all later; both must hold."""
    return Explaining(database, "acme", request.param)


async def ask(explaining: Explaining, name: str, **arguments: Any) -> Any:
    tool = tools.tools.get(name) or tools.completions["customer_id"]
    return await tool.run(call_of(tool, caller("acme"), explaining), tool.parse(arguments))


def assert_indexed(explaining: Explaining) -> None:
    assert explaining.plans
    for plan in explaining.plans:
        assert sequential(plan) == []
        assert removed(plan) < 100 * LIMIT


async def test_there_are_500_000_customers_of_each_tenant(database: Database, postgres: EmbeddedPostgres) -> None:
    for tenant in demo.TENANTS:
        async with database.transaction(tenant) as transaction:
            assert await transaction.connection.fetchval("SELECT current_user") == "suite_app"
            assert await transaction.connection.fetchval("SELECT count(*) FROM customers.customers") == 500_000


async def test_the_walker_notices_a_search_that_reads_everything(database: Database) -> None:
    async with database.transaction("acme") as transaction:
        plan = await transaction.connection.fetchval(
            "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM customers.customers WHERE name ILIKE '%zzz%'"
        )
    [found] = orjson.loads(plan)
    assert "customers" in sequential(found["Plan"]) or removed(found["Plan"]) > 100 * LIMIT


@pytest.mark.parametrize(
    "search",
    [
        {"query": "mary"},
        {"query": "an"},
        {"query": "C-000042"},
        {"query": "mary smith"},
        {"query": "smith mary"},
        {"query": "mary.smith@"},
        {"query": "+1212555010"},
        {"query": "nobody-has-this-name"},
        {"query": "newsletter"},
    ],
    ids=str,
)
async def test_a_search_reads_about_as_much_as_it_answers_and_so_does_its_next_page(
    explaining: Explaining, search: dict[str, Any]
) -> None:
    first = await ask(explaining, "search_customers", limit=LIMIT, **search)
    if first.next_cursor:
        second = await ask(explaining, "search_customers", limit=LIMIT, cursor=first.next_cursor, **search)
        assert len(second.customers) == LIMIT
    assert_indexed(explaining)
    assert all(blocks(plan) < 50 * LIMIT for plan in explaining.plans)


@pytest.mark.parametrize(
    "search",
    [
        {"query": "mary linda"},
        {"query": "mary berlin newsletter"},
        {"query": "mary smith new york"},
        {"query": "newsletter", "tag": "late-payer"},
        {"query": "mary", "status": "archived", "country": "US", "segment": "enterprise"},
        {"query": "mary", "country": "JP"},
        {"query": "new", "tag": "vip", "status": "inactive"},
    ],
    ids=str,
)
async def test_common_words_and_filters_that_hardly_meet_are_compared_inside_the_indexes(
    explaining: Explaining, search: dict[str, Any]
) -> None:
    first = await ask(explaining, "search_customers", limit=LIMIT, **search)
    if first.next_cursor:
        await ask(explaining, "search_customers", limit=LIMIT, cursor=first.next_cursor, **search)
    assert_indexed(explaining)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("get_customer", {"customer_id": "C-000042"}),
        ("get_order", {"order_id": "O-000042"}),
        ("list_customer_notes", {"customer_id": "C-000001"}),
        ("list_customer_notes", {"customer_id": "C-00500001"}),
        ("complete_customer_id", {"value": ""}),
        ("complete_customer_id", {"value": "C-0000"}),
        ("complete_customer_id", {"value": "C-00500001"}),
        ("get_customers", {"customer_ids": [f"C-{number:06}" for number in range(1, 51)]}),
        ("list_customer_orders", {"customer_id": "C-000001"}),
        ("list_customer_orders", {"customer_id": "C-000001", "status": "refunded"}),
        ("list_customer_orders", {"customer_id": "C-00500001"}),
    ],
)
async def test_reads_by_id_go_through_their_index(explaining: Explaining, name: str, arguments: dict[str, Any]) -> None:
    await ask(explaining, name, **arguments)
    assert_indexed(explaining)
    assert all(removed(plan) == 0 for plan in explaining.plans)


async def test_the_page_after_a_cursor_of_orders_goes_through_its_index(explaining: Explaining) -> None:
    first = await ask(explaining, "list_customer_orders", customer_id="C-000001", limit=2)
    await ask(explaining, "list_customer_orders", customer_id="C-000001", limit=2, cursor=first.next_cursor)
    assert_indexed(explaining)
