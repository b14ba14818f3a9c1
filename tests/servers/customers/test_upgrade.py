"""A database of version 1.0.0, full of customers, is upgraded in place, quickly, and serves both old and new calls."""

import shutil
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from servers.customers import demo
from servers.customers.server import server
from shared.core.settings import Settings
from shared.state.database import connect, open_database
from shared.state.embedded import EmbeddedPostgres
from shared.state.migrate import upgrade
from shared.state.roles import Passwords, Urls, ensure_roles
from tests.pgbouncer import pooled
from tests.servers.customers.desk import Desk

pytestmark = pytest.mark.anyio

DATABASE = "suite_customers_upgrade"
CUSTOMERS = 20_000


@pytest.fixture(scope="module")
async def urls(postgres: EmbeddedPostgres, role_passwords: Passwords, tmp_path_factory: Any) -> AsyncGenerator[Urls]:
    urls = await ensure_roles(postgres.admin_url, role_passwords, DATABASE)
    folder: Path = tmp_path_factory.mktemp("first")
    assert server.migrations is not None
    shutil.copy(server.migrations / "0001_customers.py", folder)
    await upgrade(urls.owner, server.name, folder)
    await seed_as_before(urls)
    yield urls
    admin = await connect(postgres.admin_url, "test")
    try:
        await admin.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")
    finally:
        await admin.close()


async def seed_as_before(urls: Urls) -> None:
    owner = await connect(urls.owner, "test")
    try:
        for tenant in demo.TENANTS:
            async with owner.transaction():
                await owner.execute("SELECT set_config('app.tenant', $1, true)", tenant)
                await owner.execute(
                    "INSERT INTO customers.customers (id, name, country, locale, status, segment) "
                    "SELECT 'C-' || lpad(n::text, 6, '0'), 'Somebody', 'DE', 'en', "
                    "(ARRAY['active', 'archived'])[1 + n % 2], 'consumer' FROM generate_series(1, $1::int) n",
                    CUSTOMERS // 2,
                )
                await owner.execute(
                    "INSERT INTO customers.orders (id, customer_id, status, ordered_at, currency, total, line_count) "
                    "VALUES ('O-000001', 'C-000002', 'paid', now(), 'EUR', 1, 0)"
                )
    finally:
        await owner.close()


async def files(urls: Urls) -> list[Any]:
    owner = await connect(urls.owner, "test")
    try:
        return await owner.fetch(
            "SELECT relname, relfilenode FROM pg_class WHERE relnamespace = 'customers'::regnamespace "
            "AND relname IN ('customers', 'orders', 'order_lines', 'search_terms') ORDER BY 1"
        )
    finally:
        await owner.close()


async def test_it_rewrites_no_table_takes_little_time_and_may_be_repeated(urls: Urls) -> None:
    assert server.migrations is not None
    before, started = await files(urls), time.perf_counter()
    await upgrade(urls.owner, server.name, server.migrations)
    took_s = time.perf_counter() - started
    await upgrade(urls.owner, server.name, server.migrations)
    assert await files(urls) == before
    assert took_s < 10


async def test_afterwards_old_customers_are_read_changed_merged_and_restored(urls: Urls, tmp_path: Path) -> None:
    async with open_database(urls.app, Settings(**pooled(urls), data_dir=tmp_path, pool_min=1, pool_max=5)) as database:
        desk = Desk(database)
        archived = await desk.ask("get_customer", customer_id="C-000001")
        assert (archived.status, archived.merged_into) == ("archived", None)
        restored = await desk.ask("restore_customer", customer_id="C-000001", version=1)
        assert restored.customer.status == "inactive"
        pair: dict[str, Any] = {"keep_id": "C-000004", "duplicate_id": "C-000002"}
        merged = await desk.ask("merge_customers", **pair, keep_version=1, duplicate_version=1)
        assert merged.moved_orders == 1
        await desk.ask("undo_change", change_id=merged.change_id)
        orders = await desk.ask("list_customer_orders", customer_id="C-000002")
        assert [order.id for order in orders.orders] == ["O-000001"]
