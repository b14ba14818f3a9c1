"""Looks into the audit as the console makes them: one tenant's records alone, by an index, page by page."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest

from shared.core.errors import NotFound
from shared.state.roles import Urls
from shared.steps import audit
from shared.steps.audit.checking import Walk, check, fits
from shared.steps.audit.exploring import Position, Wanted, one, page, related, statement
from shared.steps.audit.measuring import measure
from tests.harness import Databases, _connect  # pyright: ignore[reportPrivateUsage]
from tests.shared.steps.test_audit import CALLER, REQUEST, RING, writer

pytestmark = pytest.mark.anyio

MANY = 200_000
MOST_READ = 400
"""Pages of the database, of 8 kB: a page of 50 records lies on 50 of them at worst, below a few of an index."""
END = datetime(2026, 6, 30, tzinfo=UTC)
_INDEXES = """
SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition FROM pg_index AS i
WHERE indrelid = 'suite.audit'::regclass AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid)
"""
_EAGER = ("jit=on", "jit_above_cost=0", "max_parallel_workers_per_gather=2", "parallel_setup_cost=0")
"""PostgreSQL compiles and begins workers wherever it may, as it does for itself in a table of a million records."""
_FILL = """
INSERT INTO suite.audit (chain, seq, id, at, kind, tenant, subject, actor, server, target_kind, target, outcome,
                         duration_us, request_id, trace_id, body, key_id, prev_hash, hash)
SELECT $1, n, gen_random_uuid(), $2::timestamptz - n * interval '40 seconds', 'call',
       CASE WHEN n % 4 = 0 THEN 'globex' ELSE 'acme' END, 'user-' || n % 499, CASE WHEN n % 500 = 1 THEN 'bot' END,
       'customers', 'tool', 'get_customer', CASE WHEN n % 1000 = 5 THEN 'denied' ELSE 'ok' END, n % 9000,
       'req_' || n, md5(n::text),
       convert_to(format('{"arguments":{"customer_id":"C-%s"},"n":%s}', lpad((n % 20011)::text, 6, '0'), n), 'UTF8'),
       'key', '', '' FROM generate_series(1, $3) AS n
"""


@asynccontextmanager
async def looking(urls: Urls) -> AsyncGenerator[Any]:
    """A transaction of the console's role."""
    connection = await _connect(urls.console)
    try:
        async with connection.transaction():
            await connection.execute("SET LOCAL jit = off")
            yield connection
    finally:
        await connection.close()


async def administer(databases: Databases, urls: Urls, sql: str, *values: Any) -> Any:
    connection = await _connect(urlsplit(databases.admin_url)._replace(path=urlsplit(urls.app).path).geturl())
    try:
        return await connection.fetch(sql, *values)
    finally:
        await connection.close()


@pytest.fixture(scope="module")
async def many(databases: Databases) -> Urls:
    """200,000 records of two tenants, over a quarter."""
    urls = await databases.fresh()
    connection = await _connect(urls.owner)
    await connection.execute("SET maintenance_work_mem = '256MB'")
    indexes = await connection.fetch(_INDEXES)  # made anew below, in a tenth of the time
    for name, _ in indexes:
        await connection.execute(f"DROP INDEX {name}")
    await connection.execute(_FILL, uuid4(), END, MANY)
    for _, definition in indexes:
        await connection.execute(definition)
    await connection.execute("VACUUM ANALYZE suite.audit")
    await connection.close()
    return urls


@pytest.fixture
async def few(databases: Databases, tmp_path: Path) -> Urls:
    """Calls of two tenants in one real chain."""
    urls = await databases.fresh()
    async with writer(urls, tmp_path) as sink:
        for number in range(3):
            for caller in (CALLER, replace(CALLER, subject="olga", tenant="globex")):
                request = replace(REQUEST, request_id=f"req_{number}", arguments={"customer_id": f"C-00004{number}"})
                async with audit.record(sink, request, caller):
                    pass
        with pytest.raises(NotFound):
            async with audit.record(sink, replace(REQUEST, request_id="req_0", name="customer://C-000040"), CALLER):
                raise NotFound("gone")
    return urls


def plan_of(node: dict[str, Any]) -> tuple[set[str], set[str]]:
    """The indexes a plan uses, and the tables it reads from one end to the other."""
    indexes = {node["Index Name"]} if "Index Name" in node else set[str]()
    scanned = {node["Relation Name"]} if node["Node Type"] == "Seq Scan" else set[str]()
    for inner in node.get("Plans", ()):
        more, whole = plan_of(inner)
        indexes, scanned = indexes | more, scanned | whole
    return indexes, scanned


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (Wanted(), "audit_at or audit_tenant"),
        (Wanted(since=END - timedelta(days=91), until=END - timedelta(days=30)), "audit_at or audit_tenant"),
        (Wanted(person="user-42"), "audit_subject"),
        (Wanted(person="bot"), "audit_actor"),
        (Wanted(outcome="denied"), "audit_refused"),
        (Wanted(request_id="req_7"), "audit_request"),
        (Wanted(trace_id="c4ca4238a0b923820dcc509a6f75849b"), "audit_trace"),
    ],
    ids=lambda given: given if isinstance(given, str) else None,
)
async def test_what_is_asked_for_is_found_by_an_index(many: Urls, wanted: Wanted, index: str) -> None:
    async with looking(many) as connection:
        assert len(await page(connection, "acme", wanted)) > 0
        sql, values = statement("acme", wanted, Position(END, UUID(int=0), 0), 50)
        found = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", *values)
    (explained,) = json.loads(found)
    indexes, scanned = plan_of(explained["Plan"])
    assert indexes & set(index.split())
    assert scanned == set()
    assert explained["Plan"]["Shared Hit Blocks"] + explained["Plan"]["Shared Read Blocks"] < MOST_READ


async def test_an_id_is_found_by_the_index_of_what_records_name(many: Urls) -> None:
    connection = await _connect(many.owner)
    try:
        await connection.execute("SELECT set_config('app.tenant', 'acme', false)")
        body, own = await connection.fetchrow("SELECT prosrc, proconfig FROM pg_proc WHERE proname = 'audit_naming'")
        for setting in (*_EAGER, *own):
            await connection.execute("SELECT set_config($1, $2, false)", *setting.split("="))
        for name, value in (("named", "'C-000042'"), ("since", "'-infinity'"), ("until", "'infinity'")):
            body = body.replace(f" {name}", f" {value}")
        (explained,) = json.loads(await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {body}"))
    finally:
        await connection.close()
    assert plan_of(explained["Plan"]) == ({"audit_named"}, set())
    assert "JIT" not in explained
    assert "Workers Planned" not in json.dumps(explained)
    assert explained["Plan"]["Shared Hit Blocks"] + explained["Plan"]["Shared Read Blocks"] < MOST_READ


async def test_whoever_touched_a_customer_is_found_wherever_records_name_it(many: Urls) -> None:
    async with looking(many) as connection:
        found = await page(connection, "acme", Wanted(naming="C-000042"))
        others = await page(connection, "globex", Wanted(naming="C-000042"))
    named = {each.record["n"] for each in (*found, *others)}
    assert named == {42 + 20011 * turn for turn in range(10)}
    assert {each.record["n"] % 4 == 0 for each in found} == {False}
    assert {each.record["n"] % 4 == 0 for each in others} == {True}


async def test_pages_join_without_gap_or_repetition(many: Urls) -> None:
    seen: list[Position] = []
    async with looking(many) as connection:
        for _ in range(5):
            before = seen[-1] if seen else None
            found = await page(connection, "acme", Wanted(person="user-7"), before, limit=20)
            seen += [each.position for each in found]
        whole = [each.position for each in await page(connection, "acme", Wanted(person="user-7"), limit=100)]
    assert seen == whole
    assert sorted(set(seen), reverse=True) == seen


async def test_nobody_sees_another_tenants_records_whatever_they_ask(few: Urls) -> None:
    async with looking(few) as connection:
        for wanted in (Wanted(), Wanted(person="sam"), Wanted(naming="C-000040"), Wanted(request_id="req_0")):
            found = await page(connection, "globex", wanted)
            assert {each.record["subject"] for each in found} <= {"olga"}
        (theirs,) = await page(connection, "acme", Wanted(person="sam", request_id="req_1"))
        record_id = UUID(theirs.record["id"])
        assert await one(connection, "acme", record_id) is not None
        assert await one(connection, "globex", record_id) is None
        assert {each.record["tenant"] for each in await related(connection, "globex", theirs.record)} == {"globex"}


async def test_the_role_of_the_console_cannot_read_beyond_the_tenant(few: Urls) -> None:
    async with looking(few) as connection:
        await connection.execute("SELECT set_config('app.tenant', 'globex', true)")
        assert {row["tenant"] for row in await connection.fetch("SELECT tenant FROM suite.audit")} == {"globex", None}
        assert {row["kind"] for row in await connection.fetch("SELECT kind FROM suite.audit WHERE tenant IS NULL")} == {
            "chain"
        }
        await connection.execute("SELECT set_config('app.tenant', '', true)")
        assert await connection.fetch("SELECT FROM suite.audit WHERE kind <> 'chain'") == []
        assert await connection.fetch("SELECT * FROM suite.audit_naming('C-000040', '-infinity', 'infinity')") == []


async def test_the_reader_finds_what_names_an_id_as_well(few: Urls) -> None:
    """As `mcp-suite audit query --tenant acme --names C-000041` does."""
    connection = await _connect(few.reader)
    try:
        async with connection.transaction(readonly=True):
            (found,) = await page(connection, "acme", Wanted(naming="C-000041", intents=True))
    finally:
        await connection.close()
    assert found.record["arguments"] == {"customer_id": "C-000041"}


async def test_what_belongs_to_one_request_is_found_together(few: Urls) -> None:
    async with looking(few) as connection:
        (refused,) = await page(connection, "acme", Wanted(outcome="not_found"))
        found = await related(connection, "acme", refused.record)
    assert [each.record["outcome"] for each in found] == ["ok", "not_found"]


async def test_a_sound_chain_is_checked_in_steps(few: Urls) -> None:
    async with looking(few) as connection:
        begun = await check(connection, RING, "acme", Walk(), 0)
        assert (begun.done, begun.links) == (False, 0)
        walk = await check(connection, RING, "acme", begun, 60)
    assert (walk.done, walk.found, walk.links, walk.own, walk.chains) == (True, 0, 8, 4, (1, 1))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE suite.audit SET body = body || ' ' WHERE seq = 3", ["hash: body, prev_hash or hash was changed"]),
        ("UPDATE suite.audit SET subject = 'eve' WHERE seq = 3", ["subject: the column differs from the signed body"]),
        ("DELETE FROM suite.audit WHERE seq = 4", ["records 4 to 4 before it are gone"]),
        ("DELETE FROM suite.audit", ["the whole chain is gone"]),
        (
            "UPDATE suite.audit SET prev_hash = sha256(hash) WHERE seq = 4",
            ["prev_hash: it does not follow the record before it"],
        ),
    ],
)
async def test_what_was_changed_is_named_be_it_between_the_tenants_records(
    databases: Databases, few: Urls, change: str, said: list[str]
) -> None:
    """Records with an odd number are of acme; what is around them is not its to see, but must be there."""
    await administer(databases, few, change)
    async with looking(few) as connection:
        walk = await check(connection, RING, "acme", Walk(), 60)
    assert [what for _, what in walk.problems] == said


async def test_a_truncated_chain_is_missed_by_the_next(databases: Databases, few: Urls, tmp_path: Path) -> None:
    async with writer(few, tmp_path):
        pass
    await administer(databases, few, "DELETE FROM suite.audit WHERE seq = 7")
    async with looking(few) as connection:
        walk = await check(connection, RING, "acme", Walk(), 60)
    assert walk.problems[0][1].startswith("gone or changed")


async def test_one_record_is_checked_with_its_neighbours(databases: Databases, few: Urls) -> None:
    async with looking(few) as connection:
        (found,) = await page(connection, "acme", Wanted(request_id="req_1"))
        record_id = UUID(found.record["id"])
        assert await fits(connection, RING, "acme", record_id) == []
    await administer(databases, few, "DELETE FROM suite.audit WHERE seq = $1", found.position.seq - 1)
    async with looking(few) as connection:
        (problem,) = await fits(connection, RING, "acme", record_id)
    assert problem.what == "prev_hash: the record before it is gone"


async def test_calls_refusals_and_latency_are_counted_by_the_index_alone(many: Urls) -> None:
    since = END - timedelta(hours=1)
    async with looking(many) as connection:
        spans = await measure(connection, "acme", since, timedelta(minutes=1), 60)
        none = await measure(connection, "initech", since, timedelta(minutes=1), 60)
    assert sum(each.calls for each in spans) == sum(n % 4 != 0 for n in range(1, 91))
    assert sum(each.refused for each in spans) == 1
    assert {each.server for each in spans} == {"customers"}
    assert all(each.p50_s is not None and each.p95_s is not None and each.p50_s <= each.p95_s for each in spans)
    assert none == []
