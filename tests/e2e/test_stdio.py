"""`mcp-suite serve customers --stdio`, the process itself: its clients, its wire, and how it ends."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import pytest
from mcp import Client, StdioServerParameters

from shared.state.database import connect
from tests.clients import garbling, journey, sdk_1_30
from tests.clients.local import Local
from tests.clients.processes import eventually, processes_of
from tests.clients.wire import COMMAND, Wire, wired
from tests.harness import ERAS, LEGACY, MODERN, Databases
from tests.services import source

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="/proc tells which processes are left"),
]

NEW = {"name": "Wired", "segment": "consumer", "country": "DE"}
HANG_UP_S = 2.0
"""What SDK clients wait for after closing stdin, before they kill."""
GARBAGE = (
    b"this is no JSON",
    b"",
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b'{"jsonrpc":"2.0"}',
    b'{"jsonrpc":"1.0","id":7,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":{},"method":"ping"}',
    b'{"jsonrpc":"2.0","id":8,"method":7}',
    b'{"jsonrpc":"2.0","id":9,"method":"no/such/method","params":{}}',
    b'{"jsonrpc":"2.0","id":10,"method":"tools/call","params":[1]}',
    b'{"jsonrpc":"2.0","method":"no/such/notification"}',
    b'{"jsonrpc":"2.0","id":11,"result":{}}',
    b"\xff\xfe\x00 not UTF-8 \xc3",
    b'{"a":' * 5000,
    b"x" * 200_000,
)


HOSTILE = {
    "half a surrogate pair": b'"\\ud800"',
    "NUL": b'"C-\\u0000"',
    "a huge integer": b"1" * 400,
    "infinity": b"1e999",
    "not a number": b"NaN",
    "nested deep": b"[" * 150 + b"]" * 150,
    "nested far too deep": b"[" * 100_000 + b"]" * 100_000,
    "two megabytes": b'"' + b"x" * 2_000_000 + b'"',
}


@pytest.fixture
async def local(databases: Databases, tmp_path: Path) -> Local:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    return Local(await databases.fresh(), folder)


async def judge(local: Local, seen: dict[str, Any], name: str, known: dict[str, Any], era: str) -> None:
    """Whether the journey was right, left one row, and has a record of each step."""
    assert seen["protocol"] == era
    journey.judge(seen, name, known)
    rows = await local.rows("SELECT id, version FROM customers.customers WHERE name = $1", name)
    assert [tuple(row) for row in rows] == [(seen["created"]["customer"]["id"], 2)]
    found, report = await local.audit()
    assert report.problems == []
    records = [record for record in found if record["kind"] != "refusals"]
    who = {(r["subject"], r["client"], r["tenant"], r["era"], r["transport"]) for r in records}
    assert who == {("local-user", "stdio", "acme", era, "stdio")}
    calls = [(r["target"], r["outcome"]) for r in records if r["target_kind"] != "list" and "outcome" in r]
    assert calls == [
        ("search_customers", "ok"),
        ("get_customer", "ok"),
        ("create_customer", "ok"),
        ("create_customer", "ok"),
        ("update_customer", "ok"),
        ("update_customer", "conflict"),
        (seen["resource"]["uri"], "ok"),
    ]


async def known(local: Local) -> dict[str, Any]:
    return dict((await local.rows("SELECT id, name FROM customers.customers ORDER BY id LIMIT 1"))[0])


@pytest.mark.parametrize(("mode", "era"), [("auto", MODERN), ("legacy", LEGACY)])
async def test_the_2x_client_makes_the_whole_journey(local: Local, mode: str, era: str) -> None:
    name, there = f"Journey-{uuid4().hex}", await known(local)
    server = StdioServerParameters(command=COMMAND[0], args=COMMAND[1:], env=local.env)
    with anyio.fail_after(60):
        async with Client(server, mode=mode) as client:
            seen = await journey.walk(client, name, there["name"])
    await judge(local, seen, name, there, era)
    assert processes_of(local.folder) == {}


async def test_the_client_of_sdk_1_30_makes_the_whole_journey(local: Local) -> None:
    name, there = f"Journey-{uuid4().hex}", await known(local)
    seen = await sdk_1_30.run(name, there["name"], "--stdio", *COMMAND, env=local.env)
    assert seen["sdk"] == "1.30.0"
    await judge(local, seen, name, there, LEGACY)
    assert processes_of(local.folder) == {}


GARBLED = [sys.executable, garbling.__file__, *COMMAND]


@pytest.mark.parametrize("sdk", ["2.3 modern", "2.3 legacy", "1.30"])
async def test_clients_are_not_disturbed_by_errors_for_lines_they_never_sent(local: Local, sdk: str) -> None:
    name, there = f"Journey-{uuid4().hex}", await known(local)
    with anyio.fail_after(60):
        if sdk == "1.30":
            seen = await sdk_1_30.run(name, there["name"], "--stdio", *GARBLED, env=local.env)
        else:
            server = StdioServerParameters(command=GARBLED[0], args=GARBLED[1:], env=local.env)
            async with Client(server, mode="auto" if sdk == "2.3 modern" else "legacy") as client:
                seen = await journey.walk(client, name, there["name"])
    await judge(local, seen, name, there, MODERN if sdk == "2.3 modern" else LEGACY)
    counted = await refusals(local)
    assert counted.keys() == {("customers", "stdio", why) for why in ("malformed", "invalid_request", "too_large")}
    lines = counted["customers", "stdio", "too_large"]
    assert lines >= 9, "each request of the journey came after garbage"
    assert sum(counted.values()) == lines * len(garbling.GARBAGE)


async def refusals(local: Local) -> dict[tuple[str, str, str], int]:
    """What was counted, by server, source and reason."""
    found, _ = await local.audit()
    listed = [refusal for record in found if record["kind"] == "refusals" for refusal in record["refusals"]]
    return {(one["server"], one["source"], one["reason"]): one["count"] for one in listed}


@pytest.mark.parametrize("era", ERAS)
async def test_garbage_lines_put_nothing_but_messages_on_stdout_and_stop_nothing(local: Local, era: str) -> None:
    async with wired(local.env, local.errors, era) as wire:
        await wire.greet()
        for number, line in enumerate(GARBAGE, 100):
            await wire.send(line)
            assert "result" in await wire.ask("tools/list", {}, number)
        assert await wire.hang_up(HANG_UP_S) == 0
    for line in wire.lines:
        assert_message(line)


@pytest.mark.parametrize("era", ERAS)
async def test_hostile_arguments_neither_succeed_nor_stop_anything(local: Local, era: str) -> None:
    async with wired(local.env, local.errors, era) as wire:
        await wire.greet()
        for number, (what, value) in enumerate(HOSTILE.items(), 100):
            params = {"name": "get_customer", "arguments": {"customer_id": "here"}}
            await wire.send(wire.request("tools/call", params, f"hostile {number}").replace(b'"here"', value))
            assert "result" in await wire.ask("tools/list", {}, number), what
        assert await wire.hang_up(HANG_UP_S) == 0
    for line in wire.lines:
        assert_message(line)
        answer = json.loads(line)
        assert not str(answer.get("id")).startswith("hostile") or refused(answer), line
    _, report = await local.audit()
    assert report.problems == []


@pytest.mark.parametrize("era", ERAS)
async def test_a_line_that_two_parsers_could_read_differently_is_refused(local: Local, era: str) -> None:
    async with wired(local.env, local.errors, era) as wire:
        await wire.greet()
        twice = wire.request("tools/list", {}, "twice").replace(b'"method"', b'"method": "ping", "method"')
        await wire.send(twice)
        refused = await wire.read()
        assert "result" in await wire.ask("tools/list", {}, "once")
        assert await wire.hang_up(HANG_UP_S) == 0
    assert (refused["id"], refused["error"]["code"]) == (None, -32700)
    assert "twice" not in {json.loads(line).get("id") for line in wire.lines}
    assert "a line was refused" in wire.errors.read_text()
    assert await refusals(local) == {("customers", "stdio", "malformed"): 1}


async def test_the_rest_of_a_line_too_long_is_no_line(local: Local) -> None:
    async with wired(local.env, local.errors) as wire:
        await wire.greet()
        hidden = wire.request("tools/call", {"name": "create_customer", "arguments": NEW}, "hidden")
        await wire.send(b" " * 2**20 + b" " * 2**16 + hidden)
        refused = await wire.read()
        assert "result" in await wire.ask("tools/list", {}, "next")
        assert await wire.hang_up(HANG_UP_S) == 0
    assert (refused["id"], refused["error"]["code"]) == (None, -32600)
    assert "hidden" not in {json.loads(line).get("id") for line in wire.lines}
    assert await refusals(local) == {("customers", "stdio", "too_large"): 1}


async def test_a_last_line_without_its_end_is_answered_before_the_server_ends(local: Local) -> None:
    async with wired(local.env, local.errors) as wire:
        await wire.greet()
        await wire.stdin.send(b"{")
        assert await wire.hang_up(HANG_UP_S) == 0
    assert json.loads(wire.lines[-1])["error"]["code"] == -32700


def refused(answer: dict[str, Any]) -> bool:
    return "error" in answer or answer["result"]["structuredContent"]["error"]["code"] == "invalid"


def assert_message(line: bytes) -> None:
    """JSON-RPC 2.0: a result, an error or a notification, and one of them only."""
    message: dict[str, Any] = json.loads(line)
    assert message["jsonrpc"] == "2.0", line
    assert len(message.keys() & {"result", "error", "method"}) == 1, line


@pytest.mark.parametrize("era", ERAS)
async def test_a_crash_is_logged_on_stderr_and_stdout_has_its_reference_alone(local: Local, era: str) -> None:
    async with wired(local.env, local.errors, era) as wire:
        await wire.greet()
        await break_customers(local)
        result = await wire.call("get_customer", {"customer_id": "C-000001"})
        error = result["structuredContent"]["error"]
        assert (result["isError"], error["code"]) == (True, "internal")
        assert await wire.hang_up(HANG_UP_S) == 0
    assert error["reference"] in wire.log()
    assert "Traceback" in wire.log()
    for line in wire.lines:
        assert_message(line)
        assert b"does not exist" not in line


async def break_customers(local: Local) -> None:
    owner = await connect(local.urls.owner, "test")
    try:
        await owner.execute("ALTER TABLE customers.customers RENAME COLUMN city TO town")
    finally:
        await owner.close()


@pytest.mark.parametrize("era", ERAS)
async def test_a_missing_scope_is_a_typed_error_of_the_tool(local: Local, era: str) -> None:
    local.scopes = "customers:read"
    async with wired(local.env, local.errors, era) as wire:
        await wire.greet()
        listed = await wire.ask("tools/list", {})
        assert "create_customer" not in [tool["name"] for tool in listed["result"]["tools"]]
        result = await wire.call("create_customer", NEW)
        error = result["structuredContent"]["error"]
        assert (result["isError"], error["code"]) == (True, "forbidden")
        assert error["details"] == {"required_scopes": ["customers:write"]}
        assert "SUITE_STDIO_SCOPES" in error["message"]  # nobody can authorize again
    assert await local.rows("SELECT 1 FROM customers.customers WHERE name = $1", NEW["name"]) == []


@pytest.mark.parametrize("era", ERAS)
async def test_a_resource_that_needs_a_missing_scope_is_an_error_that_names_it(local: Local, era: str) -> None:
    local.scopes = "customers:pii"
    async with wired(local.env, local.errors, era) as wire:
        await wire.greet()
        answer = await wire.ask("resources/read", {"uri": "customer://C-000001"})
    assert answer["error"]["data"]["code"] == "forbidden"
    assert answer["error"]["data"]["details"] == {"required_scopes": ["customers:read"]}


@pytest.mark.parametrize("era", ERAS)
async def test_the_end_of_stdin_ends_it_before_a_client_would_kill_it(local: Local, era: str) -> None:
    async with wired(local.env, local.errors, era) as wire:
        await wire.greet()
        assert await wire.hang_up(HANG_UP_S) == 0
    assert processes_of(local.folder) == {}


async def test_stdin_that_ends_before_a_word_was_said_ends_it_too(local: Local) -> None:
    async with wired(local.env, local.errors) as wire:
        assert await wire.hang_up(15) == 0
    assert wire.lines == []
    assert processes_of(local.folder) == {}


@pytest.mark.parametrize(
    ("stdin", "code", "said"), [("</dev/null", 0, ""), ("<&-", 1, "needs stdin and stdout, and one of them is closed")]
)
async def test_without_anybody_at_stdin_it_ends_and_says_so(local: Local, stdin: str, code: int, said: str) -> None:
    """As under a service manager, or in a container that was given no stdin."""
    shell = ["sh", "-c", f'exec "$@" {stdin}', "sh", *COMMAND]
    with anyio.fail_after(30):
        ended = await anyio.run_process(shell, env={**os.environ, **local.env}, check=False)
    assert (ended.returncode, ended.stdout) == (code, b"")
    assert said in ended.stderr.decode()
    assert "Traceback" not in ended.stderr.decode()
    assert processes_of(local.folder) == {}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_while_stdin_stays_open(local: Local, number: signal.Signals) -> None:
    async with wired(local.env, local.errors) as wire:
        await wire.greet()
        wire.process.send_signal(number)
        await wire.ended(3)
    await eventually(lambda: processes_of(local.folder) == {}, 5)


async def test_sigterm_takes_the_embedded_database_along(tmp_path: Path) -> None:
    env = embedded(tmp_path)
    async with wired(env, tmp_path / "log") as wire:
        await wire.greet()
        assert len(processes_of(tmp_path)) > 2
        wire.process.terminate()
        await wire.ended(3)
    await eventually(lambda: processes_of(tmp_path) == {}, 5)


def embedded(folder: Path) -> dict[str, str]:
    return {"SUITE_DATA_DIR": str(folder / "data"), "SUITE_EMBEDDED_SOURCE": source(), "SUITE_LOG_LEVEL": "DEBUG"}


async def test_a_write_in_flight_when_stdin_ends_is_undone_and_its_record_says_so(local: Local) -> None:
    async with wired(local.env, local.errors) as wire:
        await wire.greet()
        blocker = await connect(local.urls.owner, "test")
        try:
            async with blocker.transaction():
                await blocker.execute("LOCK TABLE customers.customers IN ACCESS EXCLUSIVE MODE")
                await wire.send(wire.request("tools/call", {"name": "create_customer", "arguments": NEW}, 2))
                await until_blocked(blocker)
                assert await wire.hang_up(HANG_UP_S) == 0
        finally:
            await blocker.close()
    assert await local.rows("SELECT 1 FROM customers.customers WHERE name = $1", NEW["name"]) == []
    records, report = await local.audit()
    assert report.problems == []
    assert [(r["kind"], r.get("outcome")) for r in records if r["target"] == "create_customer"] == [
        ("intent", None),
        ("outcome", "cancelled"),
    ]


async def until_blocked(connection: Any) -> None:
    sql = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'customers.customers'::regclass"
    with anyio.fail_after(10):
        while not await connection.fetchval(sql):
            await anyio.sleep(0.01)


async def test_two_servers_on_one_data_directory_share_an_embedded_database(tmp_path: Path) -> None:
    env, folder = embedded(tmp_path), tmp_path / "data"
    async with wired(env, tmp_path / "first.log") as first, wired(env, tmp_path / "second.log", "legacy") as second:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(first.greet)
            tasks.start_soon(second.greet)
        assert sum("supervisor" in command for command in processes_of(folder).values()) == 1
        assert await saw(first, second, "From the first")
        assert await saw(second, first, "From the second")
        assert await first.hang_up(HANG_UP_S) == 0
        assert await saw(second, second, "Alone now")
        assert await second.hang_up(HANG_UP_S) == 0
        assert processes_of(folder) == {}
    for line in [*first.lines, *second.lines]:
        assert_message(line)


async def saw(writer: Wire, reader: Wire, name: str) -> bool:
    """Whether one of the servers reads what the other wrote."""
    created = await writer.call("create_customer", {**NEW, "name": name})
    made = created["structuredContent"]["customer"]
    read = await reader.call("get_customer", {"customer_id": made["id"]})
    return read["structuredContent"] == made
