"""The audit chain, on a real database: durable before the answer, and honest about what was done to it."""

import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import anyio
import asyncpg
import pytest

from shared.core.caller import Caller
from shared.core.errors import NotFound, Unavailable
from shared.core.request import Request
from shared.core.settings import Settings
from shared.state.keys import KeyRing
from shared.state.roles import Urls
from shared.steps import audit
from shared.steps.audit.chain import COLUMNS
from shared.steps.audit.query import Filter, query
from shared.steps.audit.spool import Spool
from shared.steps.audit.verify import Report, verify
from shared.steps.audit.writer import Writer, open_writer
from tests.harness import Databases, _connect  # pyright: ignore[reportPrivateUsage]
from tests.pgbouncer import straight

pytestmark = pytest.mark.anyio

RING = KeyRing([b"a" * 32])
CALLER = Caller("sam", "https://issuer.example", "client", "acme", frozenset({"customers:read"}))
REQUEST = Request("customers", "tool", "get_customer", {"customer_id": "C-1"}, request_id="req_1", era="2026-07-28")


@pytest.fixture
async def urls(databases: Databases) -> Urls:
    return await databases.fresh()


@asynccontextmanager
async def writer(urls: Urls, folder: Path, ring: KeyRing = RING, **settings: Any) -> AsyncGenerator[Writer]:
    values: dict[str, Any] = {"data_dir": folder, **settings}
    async with open_writer(straight(urls.app), ring, Settings(**values)) as opened:
        yield opened


async def report(urls: Urls, ring: KeyRing = RING) -> Report:
    connection = await _connect(urls.reader)
    try:
        return await verify(connection, ring)
    finally:
        await connection.close()


async def records(urls: Urls, **wanted: Any) -> list[dict[str, Any]]:
    connection = await _connect(urls.reader)
    try:
        return await query(connection, Filter(**wanted))
    finally:
        await connection.close()


async def admin(databases: Databases, urls: Urls) -> Any:
    database = urlsplit(urls.app).path
    return await _connect(urlsplit(databases.admin_url)._replace(path=database).geturl())


async def some_calls(sink: Writer, count: int = 4) -> None:
    for number in range(count):
        async with audit.record(sink, REQUEST, CALLER) as entry:
            entry.facts["number"] = number


def record(**facts: Any) -> dict[str, Any]:
    return {"v": 1, "id": str(uuid4()), "at": "2026-11-21T00:00:00.000000+00:00", "kind": "call", **facts}


async def test_a_record_is_in_the_database_when_the_call_returns(urls: Urls, tmp_path: Path) -> None:
    async with writer(urls, tmp_path) as sink:
        async with audit.record(sink, REQUEST, CALLER):
            pass
        (found, _opening) = await records(urls)
    assert (found["tenant"], found["subject"], found["target"], found["outcome"]) == (
        "acme",
        "sam",
        "get_customer",
        "ok",
    )
    assert found["arguments"] == {"customer_id": "C-1"}


async def test_a_failed_call_is_recorded_with_its_code(urls: Urls, tmp_path: Path) -> None:
    async with writer(urls, tmp_path) as sink:
        with pytest.raises(NotFound):
            async with audit.record(sink, REQUEST, CALLER):
                raise NotFound("no such customer")
        assert (await records(urls, outcome="not_found"))[0]["request_id"] == "req_1"


async def test_a_cancelled_call_is_recorded_as_cancelled(urls: Urls, tmp_path: Path) -> None:
    async with writer(urls, tmp_path) as sink:
        with anyio.move_on_after(0.01):
            async with audit.record(sink, REQUEST, CALLER):
                await anyio.sleep_forever()
        assert len(await records(urls, outcome="cancelled")) == 1


async def test_concurrent_records_make_one_gapless_chain(urls: Urls, tmp_path: Path) -> None:
    async with writer(urls, tmp_path, audit_batch=50) as sink, anyio.create_task_group() as tasks:
        for _ in range(500):
            tasks.start_soon(sink.write, record())
    found = await report(urls)
    assert (found.records, found.chains, found.problems) == (501, 1, [])


async def test_each_process_opens_its_own_chain_and_names_the_one_before(urls: Urls, tmp_path: Path) -> None:
    for _ in range(3):
        async with writer(urls, tmp_path) as sink:
            await some_calls(sink, 1)
    found = await report(urls)
    assert (found.chains, found.problems) == (3, [])
    openings = [found for found in await records(urls) if found["kind"] == "chain"]
    assert [bool(opening["previous"]) for opening in openings] == [True, True, False]


CHANGES = {
    "chain": "gen_random_uuid()",
    "seq": "seq + 1000",
    "id": "gen_random_uuid()",
    "at": "at + interval '1 second'",
    "intent": "gen_random_uuid()",
    "duration_us": "coalesce(duration_us, 0) + 1",
    "body": "body || '\\x20'::bytea",
    "prev_hash": "sha256(prev_hash)",
    "hash": "sha256(hash)",
    "key_id": "'00000000'",
}


@pytest.mark.parametrize("which", [0, 2, 4], ids=["first", "middle", "last"])
@pytest.mark.parametrize("column", COLUMNS)
async def test_verify_names_the_record_whose_column_was_changed(
    databases: Databases, changed: tuple[Urls, Any], column: str, which: int
) -> None:
    _urls, connection = changed
    change = CHANGES.get(column, f"coalesce({column}, '') || 'x'")
    row = await connection.fetchrow("SELECT ctid, id, chain, seq FROM suite.audit ORDER BY seq OFFSET $1", which)
    transaction = connection.transaction(isolation="repeatable_read")
    await transaction.start()
    await connection.execute(f"UPDATE suite.audit SET {column} = {change} WHERE id = $1", row["id"])
    found = await verify(connection, RING)
    await transaction.rollback()
    marks = (f"/{row['seq']} ", str(row["id"]))
    named = [problem for problem in found.problems if any(mark in problem.where for mark in marks)]
    assert named, f"{column} of record {which} was changed and verify said {found.problems}"
    assert any(column in problem.what for problem in found.problems)
    assert (await verify(connection, RING)).problems == []


@pytest.fixture(scope="module")
async def changed(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[tuple[Urls, Any]]:
    urls = await databases.fresh()
    async with writer(urls, tmp_path_factory.mktemp("data")) as sink:
        await some_calls(sink)
    connection = await admin(databases, urls)
    yield urls, connection
    await connection.close()


async def test_verify_sees_a_record_taken_out_of_the_middle(databases: Databases, urls: Urls, tmp_path: Path) -> None:
    async with writer(urls, tmp_path) as sink:
        await some_calls(sink)
    connection = await admin(databases, urls)
    await connection.execute("DELETE FROM suite.audit WHERE seq = 2")
    await connection.close()
    assert any("2 to 2 before it are gone" in problem.what for problem in (await report(urls)).problems)


@pytest.mark.parametrize("gone", ["seq >= 2", "true"], ids=["tail", "whole chain"])
async def test_verify_sees_what_is_missing_of_a_chain_that_a_later_one_names(
    databases: Databases, urls: Urls, tmp_path: Path, gone: str
) -> None:
    async with writer(urls, tmp_path) as sink:
        await some_calls(sink)
        chain = sink.head.chain if sink.head else None
    async with writer(urls, tmp_path):
        pass
    connection = await admin(databases, urls)
    await connection.execute(f"DELETE FROM suite.audit WHERE chain = $1 AND {gone}", chain)
    await connection.execute("DELETE FROM suite.audit_chain WHERE chain = $1 AND $2", chain, gone == "true")
    await connection.close()
    problems = (await report(urls)).problems
    assert [problem.where for problem in problems] == [f"{chain}/4"]


async def test_somebody_without_the_key_cannot_forge_a_record(databases: Databases, urls: Urls, tmp_path: Path) -> None:
    async with writer(urls, tmp_path) as sink:
        await some_calls(sink)
    forged = KeyRing([b"b" * 32])
    assert any("key_id" in problem.what for problem in (await report(urls, forged)).problems)


async def test_records_under_a_retired_key_still_verify(urls: Urls, tmp_path: Path) -> None:
    async with writer(urls, tmp_path) as sink:
        await some_calls(sink)
    rotated = KeyRing([b"b" * 32, b"a" * 32])
    async with writer(urls, tmp_path, rotated) as sink:
        await some_calls(sink)
    assert (await report(urls, rotated)).problems == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE suite.audit SET outcome = 'ok'",
        "DELETE FROM suite.audit",
        "TRUNCATE suite.audit",
        "SELECT body FROM suite.audit",
        "DROP TABLE suite.audit",
        "ALTER TABLE suite.audit DISABLE TRIGGER ALL",
    ],
)
async def test_the_application_role_can_only_add_records(urls: Urls, tmp_path: Path, statement: str) -> None:
    async with writer(urls, tmp_path) as sink:
        await some_calls(sink, 1)
    connection = await _connect(urls.app)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement)
    await connection.close()


async def test_text_no_database_can_hold_is_recorded_all_the_same(urls: Urls, tmp_path: Path) -> None:
    odd = Request("customers", "tool", "x\0y\ud800", {"a\0": "\udfff", "n": 2**70, "deep": [{"k": "\0"}]})
    async with writer(urls, tmp_path) as sink, audit.record(sink, odd, CALLER):
        pass
    assert (await records(urls, outcome="ok"))[0]["target"] == "x\ufffdy?"
    assert (await report(urls)).problems == []


async def kill_connections(databases: Databases, urls: Urls) -> None:
    connection = await admin(databases, urls)
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    await connection.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
    await connection.close()


async def allow_connections(databases: Databases, urls: Urls, *, allowed: bool) -> None:
    connection = await _connect(databases.admin_url)
    name = urlsplit(urls.app).path[1:]
    await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {str(allowed).lower()}")
    await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
    await connection.close()


async def test_the_chain_goes_on_after_its_connection_was_lost(
    databases: Databases, urls: Urls, tmp_path: Path
) -> None:
    async with writer(urls, tmp_path) as sink:
        await some_calls(sink)
        await kill_connections(databases, urls)
        with anyio.fail_after(10):
            while True:
                try:
                    await some_calls(sink)
                    break
                except Unavailable:
                    continue
    found = await report(urls)
    assert (found.chains, found.problems) == (1, [])


async def test_refusals_while_the_store_is_away_are_in_the_chain_once_it_is_back(
    databases: Databases, urls: Urls, tmp_path: Path
) -> None:
    async with writer(urls, tmp_path) as sink:
        await some_calls(sink, 2)
        await allow_connections(databases, urls, allowed=False)
        for _ in range(3):
            with pytest.raises(Unavailable):
                await some_calls(sink, 1)
        spooled = list((tmp_path / "spool").glob("*.spool"))
        assert [path.stat().st_mode & 0o777 for path in spooled] == [0o600]
        await allow_connections(databases, urls, allowed=True)
        await some_calls(sink, 1)
    refused = await records(urls, outcome="unaudited")
    assert [found["attempted"] for found in refused] == ["ok"] * 3
    assert (await report(urls)).problems == []
    assert list((tmp_path / "spool").glob("*.spool")) == []


async def test_a_spool_that_was_edited_is_ingested_as_damaged(urls: Urls, tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", RING, 2**20)
    spool.append([record(outcome="unaudited", subject="sam")])
    spool.close()
    (path,) = (tmp_path / "spool").glob("*.spool")
    path.write_bytes(path.read_bytes().replace(b"sam", b"eve"))
    async with writer(urls, tmp_path):
        pass
    assert len(await records(urls, outcome="damaged")) == 1
    assert await records(urls, subject="eve") == []


async def test_a_full_spool_still_refuses(databases: Databases, urls: Urls, tmp_path: Path) -> None:
    async with writer(urls, tmp_path, audit_spool_bytes=2**20) as sink:
        await allow_connections(databases, urls, allowed=False)
        for _ in range(4):
            with pytest.raises(Unavailable):
                await sink.write(record(padding="x" * 400_000))
        assert sum(path.stat().st_size for path in (tmp_path / "spool").glob("*")) <= 2**20
        await allow_connections(databases, urls, allowed=True)


async def test_a_store_that_hangs_refuses_within_its_time(databases: Databases, urls: Urls, tmp_path: Path) -> None:
    async with writer(urls, tmp_path) as sink:
        await some_calls(sink, 1)
        pid = (await sink._ready()).get_server_pid()  # pyright: ignore[reportPrivateUsage]
        if not os.access(f"/proc/{pid}", os.R_OK):
            pytest.skip("the database server runs elsewhere")
        os.kill(pid, signal.SIGSTOP)
        try:
            with anyio.fail_after(20), pytest.raises(Unavailable):
                await some_calls(sink, 1)
        finally:
            os.kill(pid, signal.SIGCONT)
