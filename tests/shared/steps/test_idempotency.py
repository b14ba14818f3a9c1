"""Done once: the same key from the same caller, tool and arguments acts once, whatever happens in between."""

import base64
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import anyio
import pytest

from servers.customers import tools
from servers.customers.server import server
from shared.core.caller import Caller
from shared.core.request import Request
from shared.state.keys import KeyRing
from shared.steps.idempotency import Ledger
from tests.harness import Suite

pytestmark = pytest.mark.anyio

Make = Callable[..., Awaitable[Suite]]
SAM = Caller(
    "sam", "https://issuer.example", "client", "acme", Caller.granted("customers:write"), frozenset({"manager"})
)


def new_customer(key: str | None = None, **changes: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {"name": "Test Customer", "segment": "consumer", "country": "DE", **changes}
    return arguments | ({"idempotency_key": key} if key else {})


async def rows(suite: Suite, name: str) -> int:
    (row,) = await suite.sql("SELECT count(*) AS n FROM customers.customers WHERE name = $1", name)
    return row["n"]


async def test_a_repeated_call_returns_the_first_answer_and_adds_no_row(suite: Suite) -> None:
    call = new_customer("repeat-me-1", name="Once Only")
    first = await suite.call("manager", "create_customer", call)
    second = await suite.call("manager", "create_customer", call)
    assert (first, await rows(suite, "Once Only")) == (second, 1)
    replayed = [found["replayed"] for found in await suite.records(target="create_customer") if "replayed" in found]
    assert replayed[:2] == [True, False]


async def test_the_same_key_with_other_arguments_is_a_typed_conflict(suite: Suite) -> None:
    await suite.call("manager", "create_customer", new_customer("other-args-1", name="First"))
    answer = await suite.call("manager", "create_customer", new_customer("other-args-1", name="Second"))
    assert (answer["error"]["code"], await rows(suite, "Second")) == ("key_reused", 0)


async def test_fifty_concurrent_twins_make_one_row_and_get_one_answer(suite: Suite) -> None:
    answers: list[dict[str, Any]] = []

    async def call() -> None:
        answers.append(await suite.call("manager", "create_customer", new_customer("twins-key-1", name="Twin")))

    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(call)
    created = [answer for answer in answers if "error" not in answer]
    assert await rows(suite, "Twin") == 1
    assert created
    assert all(answer == created[0] for answer in created)
    assert {answer["error"]["code"] for answer in answers if "error" in answer} <= {"in_progress"}


async def test_a_twin_of_a_call_that_hangs_is_told_it_is_in_progress(
    own_suite: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = await own_suite(ledger_wait_s=0.2)
    started, go_on = anyio.Event(), anyio.Event()
    tool = tools.tools.tools["create_customer"]
    run = tool.run

    async def slow(call: Any, query: Any) -> Any:
        started.set()
        await go_on.wait()
        return await run(call, query)

    monkeypatch.setitem(tool.__dict__, "run", slow)
    call = new_customer("hanging-key-1", name="Slow")
    twin: dict[str, Any] = {}
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(suite.call, "manager", "create_customer", call)
            await started.wait()
            twin = await suite.call("manager", "create_customer", call)
            go_on.set()
    assert (twin["error"]["code"], twin["error"]["retryable"]) == ("in_progress", True)
    assert await rows(suite, "Slow") == 1


async def test_clearing_a_field_is_not_the_call_that_keeps_it(suite: Suite) -> None:
    made = await suite.call("manager", "create_customer", new_customer(name="Patched", email="patched@example.com"))
    patch: dict[str, Any] = {"customer_id": made["customer"]["id"], "version": 1, "idempotency_key": "merge-patch-1"}
    await suite.call("manager", "update_customer", {**patch, "changes": {"city": "Ulm"}})
    answer = await suite.call("manager", "update_customer", {**patch, "changes": {"city": "Ulm", "email": None}})
    assert answer["error"]["code"] == "key_reused"


async def test_a_failed_call_leaves_its_key_free(suite: Suite) -> None:
    stale = {"customer_id": "C-000001", "version": 999, "changes": {"city": "X"}, "idempotency_key": "free-again-1"}
    assert (await suite.call("manager", "update_customer", stale))["error"]["code"] in {"conflict", "not_found"}
    answer = await suite.call("manager", "create_customer", new_customer("free-again-1"))
    assert "error" not in answer


async def test_a_dry_run_changes_nothing_and_claims_nothing(suite: Suite) -> None:
    dry = new_customer("dry-run-key-1", name="Rehearsal", dry_run=True)
    shown = await suite.call("manager", "create_customer", dry)
    assert (shown["customer"]["name"], await rows(suite, "Rehearsal")) == ("Rehearsal", 0)
    await suite.call("manager", "create_customer", new_customer("dry-run-key-1", name="Rehearsal"))
    assert await rows(suite, "Rehearsal") == 1


@pytest.mark.parametrize(("other", "name"), [("admin", "Same Tenant"), ("outsider", "Other Tenant")])
async def test_a_key_belongs_to_its_caller(suite: Suite, other: str, name: str) -> None:
    call = new_customer(f"shared-key-{other}", name=name)
    await suite.call("manager", "create_customer", call)
    await suite.call(other, "create_customer", call)
    assert await rows(suite, name) == 2


async def test_an_expired_key_acts_anew(suite: Suite) -> None:
    call = new_customer("expiring-key-1", name="Yesterday")
    await suite.call("manager", "create_customer", call)
    await suite.sql("UPDATE suite.ledger SET expires_at = now() - interval '1 second'")
    await suite.call("manager", "create_customer", call)
    assert await rows(suite, "Yesterday") == 2


async def test_expired_keys_are_purged_and_live_ones_kept(suite: Suite) -> None:
    await suite.call("manager", "create_customer", new_customer("purge-key-1"))
    await suite.sql("UPDATE suite.ledger SET expires_at = now() - interval '1 second'")
    await suite.call("manager", "create_customer", new_customer("purge-key-2"))
    assert await suite.parts.database.purge_ledger() >= 1
    (left,) = await suite.sql("SELECT count(*) AS n FROM suite.ledger")
    assert left["n"] == 1


async def test_rights_that_shrank_are_respected_on_replay(suite: Suite) -> None:
    call = new_customer("shrinking-1", email="replayed@example.com")
    first = await suite.call("manager", "create_customer", call)
    weaker = suite.token("manager", scopes=["customers:write"])
    params = {"name": "create_customer", "arguments": call}
    second = (await suite.post(weaker, "tools/call", params)).json()["result"]["structuredContent"]
    assert first["customer"]["id"] == second["customer"]["id"]
    assert (first["customer"]["email"], "replayed@" in str(second)) == ("replayed@example.com", False)


async def test_no_table_of_the_suite_holds_an_answer_in_plain_text(suite: Suite) -> None:
    secret = {
        "name": "Zebulon Plaintext",
        "email": "zebulon@example.com",
        "phone": "+15550001234",
        "city": "Quietville",
    }
    await suite.call("manager", "create_customer", new_customer("secret-key-zz", **secret))
    dump = b""
    for table in ("ledger", "audit_chain"):
        for row in await suite.sql(f"SELECT * FROM suite.{table}"):
            for value in row.values():
                dump += value if isinstance(value, bytes) else str(value).encode()
    for word in (*secret.values(), "secret-key-zz", "acme-sales-manager"):
        assert word.encode() not in dump
        assert base64.b64encode(word.encode()).rstrip(b"=") not in dump
    assert len(dump) > 500
    audited = b"".join([row["body"] for row in await suite.sql("SELECT body FROM suite.audit")])
    assert b"zebulon@example.com" not in audited
    assert b"+15550001234" not in audited


async def test_a_stored_answer_moved_to_another_row_does_not_open(suite: Suite) -> None:
    one, two = new_customer("moved-key-one", name="One"), new_customer("moved-key-two", name="Two")
    await suite.call("manager", "create_customer", one)
    await suite.call("manager", "create_customer", two)
    await suite.sql(
        "UPDATE suite.ledger SET answer = (SELECT answer FROM suite.ledger ORDER BY created_at DESC LIMIT 1)"
    )
    answer = await suite.call("manager", "create_customer", one)
    assert answer["error"]["code"] == "unavailable"


async def test_a_failed_call_can_be_repeated_under_its_key_once_it_can_succeed(suite: Suite) -> None:
    made = await suite.call("manager", "create_customer", new_customer(name="Second Try"))
    update: dict[str, Any] = {"customer_id": made["customer"]["id"], "changes": {"city": "Ulm"}}
    early = {**update, "version": 2, "changes": {"city": "Bonn"}, "idempotency_key": "second-try-1"}
    assert (await suite.call("manager", "update_customer", early))["error"]["code"] == "conflict"
    await suite.call("manager", "update_customer", {**update, "version": 1})
    assert (await suite.call("manager", "update_customer", early))["customer"]["city"] == "Bonn"


@pytest.mark.parametrize("part", ["tenant", "issuer", "subject", "client", "server", "tool"])
async def test_a_key_counts_only_for_the_same_caller_program_server_and_tool(suite: Suite, part: str) -> None:
    tool, name = tools.tools.tools["create_customer"], f"Part {part}"
    other = {
        "server": (replace(server, name="other"), SAM, tool),
        "tool": (server, SAM, replace(tool, name="archive_customer")),
    }.get(part) or (server, replace(SAM, **{part: "globex"}), tool)
    suite.parts.policies["other"] = suite.parts.policies["customers"]
    known = {row["claim"] for row in await suite.sql("SELECT claim FROM suite.ledger")}
    for served, caller, called in ((server, SAM, tool), other, (server, SAM, tool)):
        request = Request(served.name, "tool", called.name, new_customer(f"part-key-{part}", name=name))
        await suite.parts.pipeline(served).call(request, caller, called)
    assert await rows(suite, name) == 2
    claims = {row["claim"] for row in await suite.sql("SELECT claim FROM suite.ledger")}
    assert len(claims - known) == 2


async def test_what_the_ledger_keeps_of_a_call_cannot_be_computed_without_its_key(suite: Suite) -> None:
    tool, parts = tools.tools.tools["create_customer"], suite.parts
    query = tool.parse(new_customer("guessable-1"))
    rings = (KeyRing([b"1" * 32]), KeyRing([b"2" * 32]))
    ledgers = [Ledger(parts.database, ring, suite.settings, "customers") for ring in rings]
    one, two = (ledger.claims(SAM, tool, "guessable-1") + ledger.digests(query) for ledger in ledgers)
    assert {*one}.isdisjoint(two)


async def test_a_write_may_wait_longer_for_a_row_than_for_a_twin(own_suite: Make) -> None:
    suite = await own_suite(ledger_wait_s=0.1)
    made = await suite.call("manager", "create_customer", new_customer(name="Contended"))
    update = {"customer_id": made["customer"]["id"], "version": 1, "changes": {"city": "Ulm"}}
    answers: list[Any] = []

    async def call() -> None:
        answers.append(await suite.call("manager", "update_customer", update))

    waits = "wait_event_type = 'Lock' AND query LIKE '%customers.customers%' AND query_start < now() - interval '0.3 s'"
    with anyio.fail_after(20):
        async with suite.parts.database.transaction("acme") as holder, anyio.create_task_group() as tasks:
            lock = "SELECT FROM customers.customers WHERE id = $1 FOR UPDATE"
            await holder.connection.execute(lock, made["customer"]["id"])
            tasks.start_soon(call)
            while not answers and not await suite.sql(f"SELECT FROM pg_stat_activity WHERE {waits}"):
                await anyio.sleep(0.01)
            assert answers == []
            await holder.connection.execute("ROLLBACK")
            await holder.connection.execute("BEGIN")
    assert answers[0]["customer"]["city"] == "Ulm"
