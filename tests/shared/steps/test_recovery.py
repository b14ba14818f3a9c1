"""What became of writes whose process died, and what happens to those that were only thought dead."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from shared import parts
from shared.core.caller import Caller
from shared.core.errors import OutcomeUnknown, Unavailable
from shared.core.request import Request
from shared.core.settings import Settings
from shared.state import database as databases_of
from shared.state.database import Database
from shared.steps.audit import Sink
from shared.steps.audit.entry import Entry
from shared.steps.audit.recovery import recover
from shared.steps.audit.writer import lock_key
from tests.harness import Suite

pytestmark = pytest.mark.anyio

Make = Callable[..., Awaitable[Suite]]
CALLER = Caller("sam", "https://issuer.example", "client", "acme", frozenset({"customers:write"}))
REQUEST = Request("customers", "tool", "create_customer", {}, request_id="req_1")
NEW = {"name": "Recovered", "segment": "consumer", "country": "DE"}


async def let_go(suite: Suite) -> None:
    """Make the process look dead: its writer no longer holds its chain's lock."""
    connection = await suite.parts.writer._ready()  # pyright: ignore[reportPrivateUsage]
    assert suite.parts.writer.head is not None
    assert await connection.fetchval("SELECT pg_advisory_unlock($1)", lock_key(suite.parts.writer.head.chain))


async def run_recovery(suite: Suite) -> int:
    return await recover(suite.parts.database, suite.parts.writer, suite.settings)


async def test_an_intent_without_its_transaction_never_happened(own_suite: Make) -> None:
    suite = await own_suite()
    intent = await Entry(suite.parts.writer, REQUEST, CALLER).begin()
    await let_go(suite)
    assert await run_recovery(suite) == 1
    (found,) = [record for record in await suite.records() if record["kind"] == "recovered"]
    assert (found["intent"], found["outcome"], found["subject"]) == (str(intent), "never_happened", "sam")


async def test_an_intent_whose_transaction_committed_was_done(own_suite: Make) -> None:
    suite = await own_suite()
    await suite.call("manager", "create_customer", {**NEW, "idempotency_key": "recover-me-1"})
    await suite.sql("DELETE FROM suite.audit WHERE kind = 'outcome'")
    await let_go(suite)
    assert await run_recovery(suite) == 1
    (found,) = [record for record in await suite.records() if record["kind"] == "recovered"]
    assert (found["outcome"], found["target"], found["tenant"]) == ("ok", "create_customer", "acme")


async def test_intents_of_a_living_process_are_left_alone(own_suite: Make) -> None:
    suite = await own_suite()
    await Entry(suite.parts.writer, REQUEST, CALLER).begin()
    assert await run_recovery(suite) == 0


async def test_a_refused_write_that_went_through_the_spool_is_settled(own_suite: Make) -> None:
    """Its intent came back under another id, since the first may have been stored after all."""
    suite = await own_suite()
    await suite.allow_connections(allowed=False)
    entry = Entry(suite.parts.writer, REQUEST, CALLER)
    with pytest.raises(Unavailable):
        await entry.begin()
    with pytest.raises(Unavailable):
        await entry.end("unavailable")
    await suite.allow_connections(allowed=True)
    await suite.parts.writer.check()
    spooled = [record for record in await suite.records(request_id="req_1") if record["kind"] == "intent"]
    assert [record["id"] == record["intent"] for record in spooled] == [False]
    await let_go(suite)
    assert await run_recovery(suite) == 0


async def test_recovering_twice_says_it_once(own_suite: Make) -> None:
    suite = await own_suite()
    await Entry(suite.parts.writer, REQUEST, CALLER).begin()
    await let_go(suite)
    assert [await run_recovery(suite), await run_recovery(suite)] == [1, 0]


async def test_a_write_that_was_declared_undone_can_no_longer_be_done(
    own_suite: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = await own_suite()
    begin = Entry.begin

    async def begin_and_be_given_up(entry: Entry) -> Any:
        intent = await begin(entry)
        await let_go(suite)
        assert await run_recovery(suite) == 1
        return intent

    monkeypatch.setattr(Entry, "begin", begin_and_be_given_up)
    answer = await suite.call("manager", "create_customer", {**NEW, "name": "Too Late"})
    assert (answer["error"]["code"], answer["error"]["retryable"]) == ("unavailable", True)
    assert await suite.sql("SELECT FROM customers.customers WHERE name = 'Too Late'") == []


async def test_recovery_waits_for_a_transaction_that_is_still_running(
    own_suite: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = await own_suite()
    from servers.customers.tools import tools  # noqa: PLC0415 - patched here

    tool = tools.tools["create_customer"]
    run = tool.run
    started, go_on = anyio.Event(), anyio.Event()

    async def slow(call: Any, query: Any) -> Any:
        answer = await run(call, query)
        started.set()
        await go_on.wait()
        return answer

    monkeypatch.setitem(tool.__dict__, "run", slow)
    outcomes: list[str] = []
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(suite.call, "manager", "create_customer", {**NEW, "name": "Still Running"})
            await started.wait()
            await let_go(suite)
            tasks.start_soon(run_recovery, suite)
            waiting = "wait_event = 'transactionid' AND query LIKE '%INSERT INTO suite.ledger%'"
            while not await suite.sql(f"SELECT FROM pg_stat_activity WHERE {waiting}"):
                await anyio.sleep(0.01)
            go_on.set()
    outcomes = [found["outcome"] for found in await suite.records() if found["kind"] in {"outcome", "recovered"}]
    assert set(outcomes) == {"ok"}
    assert len(await suite.sql("SELECT FROM customers.customers WHERE name = 'Still Running'")) == 1


async def test_a_change_whose_record_could_not_be_stored_is_outcome_unknown_and_settled_by_its_key(
    own_suite: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = await own_suite()
    write = suite.parts.writer.write

    async def refuse_outcomes(record: dict[str, Any]) -> None:
        if record["kind"] == "outcome":
            raise Unavailable("away")
        await write(record)

    call = {**NEW, "name": "Unrecorded", "idempotency_key": "unrecorded-1"}
    monkeypatch.setattr(suite.parts.writer, "write", refuse_outcomes)
    answer = await suite.call("manager", "create_customer", call)
    assert (answer["error"]["code"], answer["error"]["retryable"]) == ("outcome_unknown", True)
    monkeypatch.undo()
    assert "customer" in await suite.call("manager", "create_customer", call)
    assert len(await suite.sql("SELECT FROM customers.customers WHERE name = 'Unrecorded'")) == 1


async def test_a_recovery_that_died_before_its_record_is_repeated_and_says_the_same(own_suite: Make) -> None:
    suite = await own_suite()
    await Entry(suite.parts.writer, REQUEST, CALLER).begin()
    await let_go(suite)

    class Away:
        async def write(self, record: dict[str, Any]) -> None:
            raise Unavailable("away")

    with pytest.raises(Unavailable):
        await recover(suite.parts.database, Away(), suite.settings)
    assert await run_recovery(suite) == 1
    assert [found["outcome"] for found in await suite.records() if found["kind"] == "recovered"] == ["never_happened"]


async def test_an_unknown_outcome_is_settled_by_recovery(own_suite: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = await own_suite()
    commit = databases_of._commit  # pyright: ignore[reportPrivateUsage]

    async def commit_and_lose_the_reply(connection: Any) -> None:
        await commit(connection)
        raise OutcomeUnknown("lost")

    monkeypatch.setattr(databases_of, "_commit", commit_and_lose_the_reply)
    answer = await suite.call("manager", "create_customer", {**NEW, "name": "Unheard"})
    assert answer["error"]["code"] == "outcome_unknown"
    monkeypatch.undo()
    await let_go(suite)
    assert [await run_recovery(suite), await run_recovery(suite)] == [1, 0]
    kinds = {found["kind"]: found["outcome"] for found in await suite.records(target="create_customer", outcome="ok")}
    assert kinds == {"recovered": "ok"}


async def look_after_until(suite: Suite, wanted: int) -> list[str]:
    """The outcomes of recovery, from the task that every process runs."""
    found: list[str] = []
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(parts._look_after, suite.parts.database, suite.parts.writer, suite.settings)  # pyright: ignore[reportPrivateUsage]
            while (
                len(found := [one["outcome"] for one in await suite.records() if one["kind"] == "recovered"]) < wanted
            ):
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
    return found


async def test_a_key_past_its_time_is_not_forgotten_before_it_told_what_it_knows(
    own_suite: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = await own_suite()
    await suite.call("manager", "create_customer", {**NEW, "idempotency_key": "past-its-time-1"})
    await suite.sql("DELETE FROM suite.audit WHERE kind = 'outcome'")
    await suite.sql("UPDATE suite.ledger SET expires_at = now() - interval '1 second'")
    await let_go(suite)
    monkeypatch.setattr(parts, "_LOOK_AFTER_S", 0.05)
    assert await look_after_until(suite, 1) == ["ok"]


async def test_a_recovery_that_failed_is_tried_again(own_suite: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = await own_suite()
    await Entry(suite.parts.writer, REQUEST, CALLER).begin()
    await let_go(suite)
    tries: list[int] = []

    async def fail_once(database: Database, sink: Sink, settings: Settings) -> int:
        tries.append(len(tries))
        if len(tries) == 1:
            raise Unavailable("away")
        return await recover(database, sink, settings)

    monkeypatch.setattr(parts, "recover", fail_once)
    monkeypatch.setattr(parts, "_LOOK_AFTER_S", 0.05)
    assert await look_after_until(suite, 1) == ["never_happened"]


async def test_what_a_dead_process_left_behind_is_settled_before_the_next_one_serves(own_suite: Make) -> None:
    dead = await own_suite()
    await Entry(dead.parts.writer, REQUEST, CALLER).begin()
    await let_go(dead)
    suite = await own_suite(dead.urls)
    assert [found["outcome"] for found in await suite.records() if found["kind"] == "recovered"] == ["never_happened"]
