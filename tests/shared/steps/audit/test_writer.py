"""The writer when its store is slow, silent, gone, or not what it was."""

import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from shared.core.errors import Unavailable
from shared.state.roles import Urls
from shared.steps import audit
from shared.steps.audit import writer as writing
from shared.steps.audit.entry import Entry
from shared.steps.audit.spool import Spool
from shared.steps.audit.writer import Writer
from tests.harness import Databases
from tests.shared.steps.test_audit import (
    CALLER,
    REQUEST,
    RING,
    admin,
    allow_connections,
    kill_connections,
    record,
    records,
    report,
    some_calls,
    writer,
)

pytestmark = pytest.mark.anyio

WAITING = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT INTO suite.audit %'"


@pytest.fixture
async def urls(databases: Databases) -> Urls:
    return await databases.fresh()


@asynccontextmanager
async def held_store(databases: Databases, urls: Urls) -> AsyncGenerator[Callable[[], Awaitable[None]]]:
    """The store takes nothing while this lasts; what it yields returns once a batch waits for it."""
    holder, watcher = await admin(databases, urls), await admin(databases, urls)

    async def somebody_waits() -> None:
        with anyio.fail_after(10):
            while not await watcher.fetch(WAITING):
                await anyio.sleep(0.005)

    try:
        async with holder.transaction():
            await holder.execute("LOCK TABLE suite.audit IN SHARE MODE")
            yield somebody_waits
    finally:
        await holder.close()
        await watcher.close()


async def until_stored(sink: Writer) -> None:
    """Repeat a call until the store is back."""
    with anyio.fail_after(10):
        while True:
            try:
                return await some_calls(sink, 1)
            except Unavailable:
                continue


@pytest.mark.parametrize("how", ["answered", "cancelled", "cancelled while it is recorded"])
async def test_no_call_is_over_before_its_record_is_durable(
    databases: Databases, urls: Urls, tmp_path: Path, how: str
) -> None:
    scope, begun, over = anyio.CancelScope(), anyio.Event(), anyio.Event()

    async def call(sink: Writer) -> None:
        with scope:
            async with audit.record(sink, REQUEST, CALLER):
                begun.set()
                if how == "cancelled":
                    await anyio.sleep_forever()
        over.set()

    async with writer(urls, tmp_path) as sink, anyio.create_task_group() as tasks:
        async with held_store(databases, urls) as somebody_waits:
            tasks.start_soon(call, sink)
            await begun.wait()
            if how == "cancelled":
                scope.cancel()
            await somebody_waits()
            if how == "cancelled while it is recorded":
                scope.cancel()
            await anyio.wait_all_tasks_blocked()
            assert not over.is_set()
        with anyio.fail_after(10):
            await over.wait()
        assert len(await records(urls, outcome="cancelled" if how == "cancelled" else "ok")) == 1


async def test_all_calls_of_a_refused_batch_are_refused_and_kept(
    databases: Databases, urls: Urls, tmp_path: Path
) -> None:
    refused: list[Unavailable] = []

    async def call(sink: Writer) -> None:
        try:
            await sink.write(record())
        except Unavailable as error:
            refused.append(error)

    async with writer(urls, tmp_path) as sink:
        await allow_connections(databases, urls, allowed=False)
        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                for _ in range(20):
                    tasks.start_soon(call, sink)
        await allow_connections(databases, urls, allowed=True)
        await until_stored(sink)
    assert len(refused) == 20
    assert len(await records(urls, outcome="unaudited")) == 20


async def test_a_commit_that_was_not_heard_of_leaves_both_records_and_one_chain(
    urls: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with writer(urls, tmp_path) as sink:
        append, before = sink._append, sink.head  # pyright: ignore[reportPrivateUsage]

        async def unheard(connection: Any, batch: list[dict[str, Any]]) -> None:
            await append(connection, batch)
            sink.head = before
            raise ConnectionResetError

        monkeypatch.setattr(sink, "_append", unheard)
        with pytest.raises(Unavailable):
            await some_calls(sink, 1)
        monkeypatch.undo()
        await some_calls(sink, 1)
    found = await report(urls)
    assert (found.chains, found.problems) == (1, [])
    assert sorted(found.get("outcome", "") for found in await records(urls)) == ["", "ok", "ok", "unaudited"]


async def test_a_batch_the_store_did_not_take_in_time_leaves_no_gap(
    databases: Databases, urls: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with writer(urls, tmp_path) as sink:
        await some_calls(sink, 2)
        monkeypatch.setattr(writing, "_STORE_S", 0.2)
        async with held_store(databases, urls):
            with anyio.fail_after(10), pytest.raises(Unavailable):
                await sink.write(record())
        monkeypatch.undo()
        await until_stored(sink)
    found = await report(urls)
    assert (found.chains, found.problems) == (1, [])


async def test_a_chain_whose_end_was_cut_off_is_not_continued(databases: Databases, urls: Urls, tmp_path: Path) -> None:
    async with writer(urls, tmp_path) as sink:
        await some_calls(sink)
        assert sink.head is not None
        chain = sink.head.chain
        connection = await admin(databases, urls)
        await connection.execute("DELETE FROM suite.audit WHERE seq >= 3")
        await connection.close()
        await kill_connections(databases, urls)
        await until_stored(sink)
        assert sink.head.chain != chain
    assert [problem.where for problem in (await report(urls)).problems] == [f"{chain}/4"]


async def test_a_chain_that_somebody_else_holds_is_not_continued(
    databases: Databases, urls: Urls, tmp_path: Path
) -> None:
    async with writer(urls, tmp_path) as sink:
        assert sink.head is not None
        chain = sink.head.chain
        somebody = await admin(databases, urls)
        (await sink._ready()).terminate()  # pyright: ignore[reportPrivateUsage]
        with anyio.fail_after(10):
            await somebody.execute("SELECT pg_advisory_lock($1)", writing.lock_key(chain))
        await until_stored(sink)
        assert sink.head.chain != chain
        await somebody.close()
    assert (await report(urls)).problems == []


async def test_a_backlog_without_end_is_refused_at_once(
    databases: Databases, urls: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "_WAITING_MAX", 3)
    async with (
        writer(urls, tmp_path) as sink,
        anyio.create_task_group() as tasks,
        held_store(databases, urls) as somebody_waits,
    ):
        tasks.start_soon(sink.write, record())
        await somebody_waits()
        for _ in range(3):
            tasks.start_soon(sink.write, record())
        await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(1), pytest.raises(Unavailable):
            await sink.write(record())
    assert (await report(urls)).records == 5


async def test_a_record_that_cannot_be_stored_refuses_its_batch_and_not_those_after(urls: Urls, tmp_path: Path) -> None:
    async with writer(urls, tmp_path) as sink:
        with anyio.fail_after(10), pytest.raises(Unavailable):
            await sink.write(record(server=object()))
        await some_calls(sink, 1)


@pytest.mark.parametrize("intents", [0, 1])
async def test_a_chain_is_settled_at_the_end_only_if_no_intent_is_open(
    databases: Databases, urls: Urls, tmp_path: Path, intents: int
) -> None:
    async with writer(urls, tmp_path) as sink:
        for _ in range(intents):
            await Entry(sink, REQUEST, CALLER).begin()
    connection = await admin(databases, urls)
    assert await connection.fetchval("SELECT settled FROM suite.audit_chain") is (intents == 0)
    await connection.close()


async def test_a_spool_is_kept_until_it_is_in_the_chain(
    urls: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spooled(tmp_path)
    append = Writer._append  # pyright: ignore[reportPrivateUsage]

    async def lose_refusals(sink: Writer, connection: Any, batch: list[dict[str, Any]]) -> None:
        if batch[0].get("outcome") == "unaudited":
            raise ConnectionResetError
        await append(sink, connection, batch)

    monkeypatch.setattr(Writer, "_append", lose_refusals)
    with pytest.raises(ConnectionResetError):
        async with writer(urls, tmp_path):
            pass
    monkeypatch.undo()
    async with writer(urls, tmp_path):
        pass
    assert len(await records(urls, outcome="unaudited")) == 1


async def test_a_spool_that_outlived_its_ingestion_is_not_in_the_chain_twice(urls: Urls, tmp_path: Path) -> None:
    path = spooled(tmp_path)
    shutil.copy(path, tmp_path / "kept")
    for _ in range(2):
        async with writer(urls, tmp_path):
            pass
        shutil.copy(tmp_path / "kept", path)
    assert len(await records(urls, outcome="unaudited")) == 1


def spooled(folder: Path) -> Path:
    spool = Spool(folder / "spool", RING, 2**20)
    spool.append([record(outcome="unaudited")])
    spool.close()
    (path,) = (folder / "spool").iterdir()
    return path


async def test_listeners_hear_of_a_record_once_it_is_durable(databases: Databases, urls: Urls, tmp_path: Path) -> None:
    heard: list[str] = []
    async with writer(urls, tmp_path) as sink, anyio.create_task_group() as tasks:
        sink.listen(lambda found: heard.append(found["kind"]))
        async with held_store(databases, urls) as somebody_waits:
            tasks.start_soon(some_calls, sink, 1)
            await somebody_waits()
            assert heard == []
        with anyio.fail_after(10):
            while not heard:
                await anyio.lowlevel.checkpoint()
    assert heard == ["call"]
