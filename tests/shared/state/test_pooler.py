"""A real PgBouncer by transaction: who sees what, what is done once, what happens when it dies."""

import signal
from collections.abc import Generator
from pathlib import Path
from typing import Any

import anyio
import asyncpg
import pytest

from shared.core.errors import Misconfigured, Timeout
from shared.core.settings import Settings
from shared.state.database import connect, open_database
from shared.state.lending import session_url
from shared.state.pooler import found_at, pooler
from shared.state.roles import Urls
from tests.harness import Databases, Suite
from tests.pgbouncer import PgBouncer, pgbouncer, pooled, straight

pytestmark = pytest.mark.anyio

TENANTS = ("acme", "globex")
CALLERS = 12


@pytest.fixture(scope="module")
def bouncer(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Generator[PgBouncer]:
    """With fewer connections to PostgreSQL than there are callers, so that they are lent on and on."""
    if databases.pooler is not None:
        pytest.skip("all tests go through a PgBouncer already")
    with pgbouncer(tmp_path_factory.mktemp("pgbouncer"), databases.template, default_pool_size="3") as running:
        yield running


@pytest.fixture
async def urls(databases: Databases, bouncer: PgBouncer) -> Urls:
    return bouncer.in_front_of(await databases.fresh())


def settings_for(urls: Urls, folder: Path, **more: Any) -> Settings:
    values: dict[str, Any] = {**pooled(urls), "data_dir": folder, "pool_min": 1, "pool_max": 8, **more}
    return Settings(**values)


async def test_no_caller_sees_anothers_tenant_however_connections_are_lent(urls: Urls, tmp_path: Path) -> None:
    """Reads in one statement and transactions, mixed, over three connections."""
    wrong: list[Any] = []
    async with open_database(urls.app, settings_for(urls, tmp_path)) as database:

        async def call(tenant: str) -> None:
            for _ in range(20):
                async with database.transaction(tenant) as transaction:
                    await transaction.connection.execute("SELECT pg_sleep(0.001)")
                    seen = await transaction.connection.fetch("SELECT DISTINCT tenant_id FROM customers.customers")
                async with database.connection() as connection:
                    nobody = await connection.fetchval("SELECT count(*) FROM customers.customers")
                wrong.extend([row for row in seen if row["tenant_id"] != tenant] + ([nobody] if nobody else []))

        async with anyio.create_task_group() as tasks:
            for number in range(CALLERS):
                tasks.start_soon(call, TENANTS[number % 2])
    assert wrong == []


async def test_what_takes_too_long_is_ended_in_a_transaction_and_out_of_one(urls: Urls, tmp_path: Path) -> None:
    async with open_database(urls.app, settings_for(urls, tmp_path, statement_timeout_s=0.2)) as database:
        with pytest.raises(Timeout):
            async with database.connection() as connection:
                await connection.fetchval("SELECT pg_sleep(5)")
        with pytest.raises(Timeout):
            async with database.transaction("acme") as transaction:
                await transaction.connection.execute("SELECT pg_sleep(5)")
        await database.check()


async def test_a_pool_that_may_only_read_cannot_write(urls: Urls, tmp_path: Path) -> None:
    """Said in the settings, or in the DSN of a company's own database."""
    read_only = f"{urls.app}?default_transaction_read_only=on"
    for url, more in ((urls.app, {"read_only": True}), (read_only, {})):
        async with open_database(url, settings_for(urls, tmp_path, **more)) as database:
            async with database.connection() as connection:
                assert await connection.fetchval("SELECT current_setting('transaction_read_only')") == "on"
            async with database.transaction("acme") as transaction:
                with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                    await transaction.connection.execute("DELETE FROM suite.ledger")
                transaction.discard()


async def test_rows_come_by_and_by_through_a_cursor_that_leaves_nothing_behind(urls: Urls, tmp_path: Path) -> None:
    async with open_database(urls.app, settings_for(urls, tmp_path)) as database:
        async with database.snapshot("acme") as reading:
            cursor = await reading.connection.cursor("SELECT n FROM generate_series(1, $1::int) AS n", 5)
            parts = [[row["n"] for row in await cursor.fetch(2)] for _ in range(4)]
        async with database.connection() as connection:
            left = await connection.fetchval("SELECT count(*) FROM pg_prepared_statements")
    assert (parts, left) == ([[1, 2], [3, 4], [5], []], 0)


async def test_the_wrong_setting_is_refused_at_start_and_found_by_the_doctor(urls: Urls, tmp_path: Path) -> None:
    unsaid = Settings(data_dir=tmp_path, pool_min=1)
    with pytest.raises(Misconfigured, match="SUITE_DATABASE_POOLER=transaction"):
        async with open_database(urls.app, unsaid):
            pass
    [found] = await pooler(urls.app, unsaid)
    assert found.level == "problem"
    assert "SUITE_DATABASE_POOLER=transaction" in found.fix
    astray = settings_for(urls, tmp_path, database_session_url=urls.app)
    assert (await pooler(urls.app, astray))[0].text.startswith("SUITE_DATABASE_SESSION_URL leads through a pooler")
    [right] = await pooler(urls.app, settings_for(urls, tmp_path))
    assert right.level == "ok"
    assert await found_at(straight(urls.app)) == "none"
    assert session_url(settings_for(urls, tmp_path), urls.app) == straight(urls.app)


@pytest.mark.usefixtures("bouncer")
@pytest.mark.parametrize("said", [False, True])
async def test_a_process_does_not_start_over_a_pooler_that_hides_itself(
    databases: Databases, tmp_path: Path, said: bool
) -> None:
    """One that takes our words for a session and forgets them; and a session URL that leads through one."""
    hidden = {"ignore_startup_parameters": "statement_timeout,jit,idle_in_transaction_session_timeout"}
    behind = await databases.fresh()
    with pgbouncer(tmp_path / "hidden", behind, **hidden) as quiet:
        through = quiet.in_front_of(behind)
        told = {"database_pooler": "transaction", "database_session_url": through.app}
        other = {"database_pooler": "none", "database_session_url": None}
        async with Suite.maker(databases, tmp_path) as make:
            with pytest.raises(Misconfigured, match="by the transaction"):
                await make(through, **(told if said else other))


async def test_a_write_is_done_once_and_a_lost_pooler_is_a_retryable_refusal_until_it_is_back(
    databases: Databases, urls: Urls, bouncer: PgBouncer, tmp_path: Path
) -> None:
    async with Suite.maker(databases, tmp_path) as make:
        suite = await make(urls)
        found = "C-000001"
        note = {"customer_id": found, "text": "Called back.", "idempotency_key": "only-once-1"}
        answers = [await suite.call("admin", "add_customer_note", note) for _ in range(2)]
        assert answers[0] == answers[1]
        listed = await suite.call("admin", "list_customer_notes", {"customer_id": found})
        assert sum(each["text"] == "Called back." for each in listed["notes"]) == 1
        bouncer.end(signal.SIGKILL)
        refused = await suite.call("admin", "get_customer", {"customer_id": found})
        assert refused["error"]["code"] == "unavailable"
        assert refused["error"]["retryable"] is True
        bouncer.start()
        with anyio.fail_after(10):
            while "error" in await suite.call("admin", "get_customer", {"customer_id": found}):
                await anyio.sleep(0.02)
        assert await suite.call("admin", "add_customer_note", note) == answers[0]


async def test_single_connections_leave_no_statement_behind_when_lent(urls: Urls) -> None:
    connection = await connect(urls.app, "test", lent=True)
    await connection.fetchval("SELECT $1::int", 1)
    left = await connection.fetchval("SELECT count(*) FROM pg_prepared_statements")
    await connection.close()
    assert left == 0
