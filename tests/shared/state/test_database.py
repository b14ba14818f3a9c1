"""One tenant's view of a real PostgreSQL: nothing of another's, nothing left behind, nothing claimed that is not so."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import anyio
import asyncpg
import pytest
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    bindparam,
    exists,
    func,
    insert,
    literal_column,
    select,
    true,
    union_all,
)

from shared.core.errors import OutcomeUnknown, Timeout, Unavailable
from shared.core.settings import Settings
from shared.state import database as module
from shared.state.database import Database, Statement, Transaction, connect, open_database
from tests.harness import Databases

pytestmark = pytest.mark.anyio

SCHEMA = """
CREATE SCHEMA probe;
CREATE TABLE probe.things (
    tenant_id text NOT NULL DEFAULT current_setting('app.tenant', true),
    id int NOT NULL,
    name text NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
ALTER TABLE probe.things ENABLE ROW LEVEL SECURITY;
ALTER TABLE probe.things FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON probe.things USING (tenant_id = current_setting('app.tenant', true));
GRANT USAGE ON SCHEMA probe TO suite_app;
GRANT SELECT, INSERT ON probe.things TO suite_app;
CREATE FUNCTION probe.at_commit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.name = 'kill' THEN
        PERFORM pg_terminate_backend(pg_backend_pid());
        PERFORM pg_sleep(10);
    ELSIF NEW.name = 'refuse' THEN
        RAISE check_violation;
    ELSIF NEW.name LIKE 'sleep %' THEN
        PERFORM pg_sleep(substr(NEW.name, 7)::float8);
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON probe.things
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION probe.at_commit();
"""
FILL = "INSERT INTO probe.things SELECT t, n, t || n FROM unnest(ARRAY['acme', 'globex']) t, generate_series(1, 20) n"

things = Table(
    "things", MetaData(schema="probe"), Column("tenant_id", String), Column("id", Integer), Column("name", String)
)
_t, _other = things.c, things.alias("other")
EVERYTHING = Statement(select(things))
BY_ID = Statement(select(things).where(_t.id == bindparam("id")))
WITH_DEFAULT = Statement(select(things).where(_t.id == bindparam("id", 3)))
ADD = Statement(insert(things).values(id=bindparam("new_id"), name=bindparam("new_name")).returning(_t.tenant_id))
SLEEP = Statement(select(func.pg_sleep(bindparam("seconds", type_=Integer)).label("slept")))
LOCK = Statement(select(func.pg_advisory_xact_lock(bindparam("number", type_=Integer))))
DIE = Statement(select(func.pg_terminate_backend(func.pg_backend_pid()), func.pg_sleep(literal_column("10"))))
RESIDUE = "SELECT coalesce(current_setting('app.tenant', true), '') || (SELECT count(*) FROM probe.things)"


@dataclass
class Probe:
    """A database with one table under row-level security, and pools on it."""

    app_url: str
    admin_url: str
    pools: AsyncExitStack

    async def open(self, **settings: Any) -> Database:
        values: dict[str, Any] = {"pool_min": 1, "pool_max": 1, "pool_acquire_s": 5, **settings}
        return await self.pools.enter_async_context(open_database(self.app_url, Settings(**values)))

    async def sql(self, statement: str, *values: Any) -> Any:
        """One value, as an administrator, who sees everything."""
        admin = await connect(self.admin_url, "test")
        try:
            return await admin.fetchval(statement, *values)
        finally:
            await admin.close()

    async def named(self, name: str) -> int:
        return await self.sql("SELECT count(*) FROM probe.things WHERE name = $1", name)


@pytest.fixture(scope="module")
async def urls(databases: Databases, anyio_backend: str) -> tuple[str, str]:
    made = await databases.fresh()
    admin_url = urlsplit(databases.admin_url)._replace(path=urlsplit(made.app).path).geturl()
    admin = await connect(admin_url, "test")
    await admin.execute(SCHEMA)
    await admin.execute(FILL)
    await admin.close()
    return made.app, admin_url


@pytest.fixture
async def probe(urls: tuple[str, str]) -> AsyncGenerator[Probe]:
    async with AsyncExitStack() as pools:
        yield Probe(*urls, pools)


async def residue(database: Database) -> str:
    """What a statement that sets no tenant finds on the pool's only connection: nothing, and 0 rows."""
    async with database.connection() as connection:
        assert not connection.is_in_transaction()
        return await connection.fetchval(RESIDUE)


async def add(database: Database, name: str, number: int, *then: Callable[[Transaction], Awaitable[Any]]) -> None:
    """Add a row for acme and do `then` in the same transaction."""
    async with database.transaction("acme") as transaction:
        await transaction.rows(ADD, new_id=number, new_name=name)
        for step in then:
            await step(transaction)


async def test_a_statement_that_names_no_tenant_sees_the_rows_of_its_own_alone(probe: Probe) -> None:
    database = await probe.open()
    for tenant in ("acme", "globex", "acme"):
        rows = await database.reads(tenant).rows(EVERYTHING)
        assert len(rows) >= 20
        assert {row["tenant_id"] for row in rows} == {tenant}
    assert await database.reads("nobody").rows(EVERYTHING) == []


@pytest.mark.parametrize("tenant", ["", "acme' OR true --", "ACME", "acme ", "%"])
async def test_a_tenant_is_a_value_and_never_a_pattern_or_sql(probe: Probe, tenant: str) -> None:
    assert await (await probe.open()).reads(tenant).rows(EVERYTHING) == []


async def test_a_read_leaves_nothing_of_its_tenant_on_the_connection(probe: Probe) -> None:
    database = await probe.open()
    await database.reads("acme").rows(EVERYTHING)
    assert await residue(database) == "0"
    with pytest.raises(asyncpg.DivisionByZeroError):
        await database.reads("acme").rows(Statement(select(_t.id / literal_column("0", Integer))))
    assert await residue(database) == "0"


async def test_a_value_cannot_name_another_tenant(probe: Probe) -> None:
    reads = (await probe.open()).reads("acme")
    rows = await reads.rows(EVERYTHING, tenant_="globex")
    assert {row["tenant_id"] for row in rows} == {"acme"}


async def test_a_transaction_commits_and_its_tenant_is_gone(probe: Probe) -> None:
    database = await probe.open()
    async with database.transaction("acme") as transaction:
        assert await transaction.row(ADD, new_id=101, new_name="committed") == ("acme",)
        rows = await transaction.rows(EVERYTHING)
        assert {row["tenant_id"] for row in rows} == {"acme"}
    assert (await probe.named("committed"), await residue(database)) == (1, "0")


async def test_a_transaction_that_raises_is_rolled_back_and_its_tenant_is_gone(probe: Probe) -> None:
    database = await probe.open()

    async def fail(_transaction: Transaction) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await add(database, "raised", 102, fail)
    assert (await probe.named("raised"), await residue(database)) == (0, "0")


async def test_a_transaction_whose_statement_fails_is_rolled_back_and_its_connection_goes_on(probe: Probe) -> None:
    database = await probe.open()
    with pytest.raises(asyncpg.UniqueViolationError):
        await add(database, "failed", 103, lambda transaction: transaction.rows(ADD, new_id=103, new_name="failed"))
    assert (await probe.named("failed"), await residue(database)) == (0, "0")


async def test_a_discarded_transaction_leaves_no_row_and_no_tenant(probe: Probe) -> None:
    database = await probe.open()
    async with database.transaction("acme") as transaction:
        await transaction.rows(ADD, new_id=104, new_name="rehearsed")
        transaction.discard()
    assert (await probe.named("rehearsed"), await residue(database)) == (0, "0")


async def test_a_row_cannot_be_written_for_another_tenant(probe: Probe) -> None:
    smuggle = Statement(insert(things).values(tenant_id="globex", id=105, name="smuggled"))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with (await probe.open()).transaction("acme") as transaction:
            await transaction.rows(smuggle)
    assert await probe.named("smuggled") == 0


async def test_a_call_cancelled_at_any_moment_leaves_no_transaction_and_no_tenant(probe: Probe) -> None:
    database = await probe.open()
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    for steps in range(40):
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_cancel_after, steps, scope)
                await add(database, "cancelled", 200 + steps)
                await database.reads("acme").rows(EVERYTHING)
        assert await residue(database) == "0"
    assert complaints == []


async def _cancel_after(steps: int, scope: anyio.CancelScope) -> None:
    for _ in range(steps):
        await anyio.lowlevel.checkpoint()
    scope.cancel()


async def test_a_commit_under_way_cannot_be_cancelled(probe: Probe) -> None:
    database = await probe.open()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(add, database, "sleep 0.3", 300)
        with anyio.fail_after(5):
            while not await probe.sql(
                "SELECT count(*) FROM pg_stat_activity WHERE query = 'COMMIT' AND state = 'active'"
            ):
                await anyio.sleep(0.005)
        tasks.cancel_scope.cancel()
    assert (await probe.named("sleep 0.3"), await residue(database)) == (1, "0")


async def test_an_exhausted_pool_is_told_within_its_time_and_recovers(probe: Probe) -> None:
    database = await probe.open(pool_acquire_s=0.2)
    async with database.connection():
        started = time.monotonic()
        with pytest.raises(Unavailable, match="busy"):
            await database.reads("acme").rows(EVERYTHING)
        assert 0.15 < time.monotonic() - started < 2
    assert await database.reads("acme").rows(EVERYTHING)


async def test_a_statement_that_takes_too_long_is_a_timeout_and_the_connection_goes_on(probe: Probe) -> None:
    database = await probe.open(statement_timeout_s=0.2)
    with anyio.fail_after(5), pytest.raises(Timeout):
        await database.reads("acme").rows(SLEEP, seconds=9)
    with anyio.fail_after(5), pytest.raises(Timeout):
        await add(database, "too slow", 106, lambda transaction: transaction.rows(SLEEP, seconds=9))
    assert (await probe.named("too slow"), await residue(database)) == (0, "0")


async def test_of_two_that_wait_for_each_other_one_is_told_to_repeat_and_the_other_goes_on(probe: Probe) -> None:
    database = await probe.open(pool_max=2)
    ended: list[str] = []
    holding = [anyio.Event(), anyio.Event()]

    async def both(first: int, second: int) -> None:
        try:
            async with database.transaction("acme") as transaction:
                await transaction.rows(LOCK, number=first)
                holding[first].set()
                await holding[second].wait()
                await transaction.rows(LOCK, number=second)
            ended.append("done")
        except Unavailable as failure:
            ended.append(failure.message)

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(both, 0, 1)
            tasks.start_soon(both, 1, 0)
    assert sorted(ended) == ["Another call was changing the same. Nothing was done; repeat this one.", "done"]


async def test_a_backend_killed_under_a_read_is_unavailable_and_the_next_call_is_served(probe: Probe) -> None:
    database = await probe.open()
    with pytest.raises(Unavailable):
        await database.reads("acme").rows(DIE)
    assert await database.reads("acme").rows(EVERYTHING)


async def test_a_backend_killed_before_the_commit_is_unavailable(probe: Probe) -> None:
    database = await probe.open()
    with pytest.raises(Unavailable):
        await add(database, "lost", 107, lambda transaction: transaction.rows(DIE))
    assert await probe.named("lost") == 0
    assert await database.reads("acme").rows(EVERYTHING)


async def test_a_backend_killed_in_the_commit_leaves_the_outcome_unknown(probe: Probe) -> None:
    database = await probe.open()
    with anyio.fail_after(5), pytest.raises(OutcomeUnknown, match="idempotency_key"):
        await add(database, "kill", 108)
    assert await database.reads("acme").rows(EVERYTHING)


async def test_a_commit_that_never_answers_leaves_the_outcome_unknown(
    probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_COMMIT_S", 0.2)
    database = await probe.open()
    with anyio.fail_after(5), pytest.raises(OutcomeUnknown):
        await add(database, "sleep 3", 109)
    assert await residue(database) == "0"


async def test_a_commit_the_database_refuses_is_no_unknown_outcome(probe: Probe) -> None:
    database = await probe.open()
    with pytest.raises(asyncpg.CheckViolationError):
        await add(database, "refuse", 110)
    assert (await probe.named("refuse"), await residue(database)) == (0, "0")


@pytest.mark.parametrize(
    ("values", "said"),
    [({}, "needs id"), ({"id": 1, "name": "x"}, "takes no name"), ({"ID": 1}, "takes no ID")],
    ids=["missing", "unknown", "other case"],
)
async def test_a_value_too_few_or_too_many_is_a_mistake_told_at_once(
    probe: Probe, values: dict[str, Any], said: str
) -> None:
    database = await probe.open()
    with pytest.raises(TypeError, match=said):
        await database.reads("acme").row(BY_ID, **values)
    with pytest.raises(TypeError, match=said):
        async with database.transaction("acme") as transaction:
            await transaction.row(BY_ID, **values)


async def test_a_value_with_a_default_may_be_left_out(probe: Probe) -> None:
    reads = (await probe.open()).reads("acme")
    found = [await reads.row(WITH_DEFAULT), await reads.row(WITH_DEFAULT, id=4), await reads.row(BY_ID, id=-1)]
    assert [row and row["name"] for row in found] == ["acme3", "acme4", None]


async def test_two_hundred_interleaved_reads_of_two_tenants_never_mix(probe: Probe) -> None:
    database = await probe.open(pool_min=5, pool_max=5)
    seen: list[tuple[str, set[str], int]] = []

    async def read(tenant: str) -> None:
        rows = await database.reads(tenant).rows(EVERYTHING)
        seen.append((tenant, {row["tenant_id"] for row in rows}, len(rows)))

    async def rehearse(tenant: str, number: int) -> None:
        async with database.transaction(tenant) as transaction:
            await transaction.rows(ADD, new_id=number, new_name="rehearsed")
            rows = await transaction.rows(EVERYTHING)
            transaction.discard()
        seen.append((tenant, {row["tenant_id"] for row in rows}, len(rows)))

    async with anyio.create_task_group() as tasks:
        for number in range(200):
            tenant = ("acme", "globex")[number % 2]
            tasks.start_soon(read, tenant)
            if number % 5 == 0:
                tasks.start_soon(rehearse, tenant, 10_000 + number)
    assert len(seen) == 240
    assert all(found == {tenant} and count >= 20 for tenant, found, count in seen)


_named = select(_t.name).where(_t.id <= 3)
_cte = select(things).cte("kept")
SHAPES: dict[str, Select[*tuple[Any, ...]]] = {
    "everything": select(things),
    "one row": select(things).where(_t.tenant_id.is_not(None), _t.id == 1),
    "count": select(func.count().label("n"), func.min(_t.tenant_id).label("tenant_id")).select_from(things),
    "groups": select(_t.tenant_id, func.count().label("n")).group_by(_t.tenant_id),
    "first three": select(things).order_by(_t.id).limit(3),
    "after three": select(things).order_by(_t.id).offset(3),
    "distinct": select(_t.tenant_id).distinct(),
    "join": select(_t.tenant_id, _other.c.name.label("name")).join(_other, _other.c.id == _t.id),
    "subquery": select(_t.tenant_id, select(func.count()).select_from(_other).scalar_subquery().label("n")),
    "exists": select(things).where(exists().where(_other.c.id == _t.id)),
    "in": select(things).where(_t.name.in_(_named)),
    "with": select(_cte),
    "union": select(union_all(select(things), select(_other)).subquery()),
    "lateral": select(things)
    .select_from(things)
    .join(select(_other.c.id).where(_other.c.id == _t.id).lateral(), true()),
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_the_tenant_is_set_before_any_row_is_looked_at_whatever_the_statement(probe: Probe, shape: str) -> None:
    statement = Statement(SHAPES[shape])
    compiled = statement.scoped
    values = compiled.values({"tenant_": "acme"})
    database = await probe.open()
    async with database.connection() as connection:
        await connection.execute(
            "SET enable_nestloop = off; SET enable_seqscan = off"
        )  # the order is no accident of cost
        plan = json.loads(await connection.fetchval(f"EXPLAIN (VERBOSE, FORMAT JSON) {compiled.sql}", *values))
    join = plan[0]["Plan"]
    outer, inner = join["Plans"][-2:]
    assert join["Node Type"] == "Nested Loop"
    assert "set_config" in str(outer["Output"])
    assert "Relation Name" not in json.dumps(outer)
    assert "things" in json.dumps(inner)
    assert "set_config" in json.dumps(inner)  # it waits for the tenant, so no cost turns the order round
    rows = await database.reads("acme").rows(statement)
    assert rows
    assert {row["tenant_id"] for row in rows} == {"acme"}
    in_transaction: list[Any] = []
    async with database.transaction("acme") as transaction:
        in_transaction = await transaction.rows(statement)
    assert sorted(str(row) for row in rows) == sorted(str(row) for row in in_transaction)


@pytest.mark.parametrize("url", ["postgresql://nobody:x@127.0.0.1:9/suite", "postgresql://nobody:x@{where}"])
async def test_a_database_that_cannot_be_had_is_unavailable_without_its_password(probe: Probe, url: str) -> None:
    url = url.format(where=probe.app_url.rpartition("@")[2]).replace(":x@", ":hunter2@")
    opening: list[Callable[[], Awaitable[Any]]] = [
        lambda: connect(url, "test"),
        lambda: probe.pools.enter_async_context(open_database(url, Settings(pool_min=1))),
    ]
    for attempt in opening:
        with pytest.raises(Unavailable) as told:
            await attempt()
        assert "hunter2" not in str(told.value)


async def test_a_connection_is_kept_at_hand_unless_its_user_failed(probe: Probe) -> None:
    database = await probe.open()
    async with database.connection() as connection:
        await connection.fetchval("SELECT 1")
    kept = database.ready.idle
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with database.connection() as connection:
            await connection.fetchval("SELECT 1 / 0")
    assert (kept, database.ready.idle) == (1, 0)


async def test_readiness_asks_the_database(probe: Probe) -> None:
    database = await probe.open(pool_acquire_s=0.2)
    await database.check()
    async with database.connection():
        with pytest.raises(Unavailable):
            await database.check()
