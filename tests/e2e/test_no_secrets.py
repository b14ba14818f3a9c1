"""Secrets and personal data, planted wherever a client can put them, are in no log, span, metric, record or spool."""

import json
import logging
import secrets
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import structlog
from sqlalchemy import Integer, String, bindparam, cast, select

from servers.customers.server import server
from shared.core.settings import Settings
from shared.core.tool import Answer, Arguments, Call, Risk, WriteArguments
from shared.core.toolset import Toolset
from shared.ops.logs import configure
from shared.ops.telemetry import open_telemetry
from shared.state.database import Statement, connect
from tests.clients.local import Local
from tests.clients.wire import wired
from tests.collector import Collector, collector
from tests.harness import Databases, Suite, modern, modern_headers

pytestmark = pytest.mark.anyio

Make = Callable[..., Awaitable[Suite]]

RECOGNISED = {
    "email": "zephyrine.planted@secretmail.example",
    "phone": "+49 170 5550199",
    "card": "4111 1111 1111 1111",
    "iban": "DE89 3704 0044 0532 0130 00",
    "key": "sk_live_PLANTED0123456789abcdef",
    "token": "eyJQTEFOVEVEplanted.eyJzdWIiOiJwbGFudGVkIn0.PLANTEDsignature",
    "password": "password=Planted-Hunter2",
}
"""What the patterns know: nowhere at all."""
SECRETS = {name: value.split("=")[-1] for name, value in RECOGNISED.items()}
UNRECOGNISED = {"name": "Zephyrine Plantedname", "word": "xyzzy-planted-word"}
"""What no pattern knows: in the audit, whose job it is to say what was asked, and nowhere else."""

ALL = " ; ".join([*RECOGNISED.values(), *UNRECOGNISED.values()])
TRACEPARENT = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


class Words(Arguments):
    text: str


class WriteWords(WriteArguments):
    text: str


class Nothing(Answer):
    done: bool = True


broken = Toolset(
    {**server.tools.tools},
    server.tools.resources,
    dict(server.tools.prompts),
    dict(server.tools.completions),
    works=server.tools.works,
)
AS_NUMBER = Statement(select(cast(bindparam("text", type_=String), Integer).label("number")))


@broken.read("customers:read")
async def fail_in_sql(call: Call, query: Words) -> Nothing:
    """PostgreSQL's error repeats the value."""
    await call.database.rows(AS_NUMBER, text=query.text)
    return Nothing()


@broken.write("customers:write", risk=Risk.LOW)
async def fail_on_a_row(call: Call, query: WriteWords) -> Nothing:
    """PostgreSQL's DETAIL repeats the whole row."""
    connection: Any = call.transaction
    await connection.connection.execute(
        "INSERT INTO customers.customers (tenant_id, id, name, country) VALUES ('acme', 'C-999999', $1, NULL)",
        query.text,
    )
    return Nothing()


@broken.read("customers:read")
async def crash(call: Call, query: Words) -> Nothing:
    """An exception in words of the caller's, from another one."""
    try:
        int(query.text)
    except ValueError as error:
        raise RuntimeError(f"could not read {query.text}") from error
    return Nothing()


@contextmanager
def logging_to(file: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """Our logs as a process writes them, into a file."""
    root = logging.getLogger()
    before = structlog.get_config(), [*root.handlers], root.level
    with file.open("w") as stream, monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", stream)
        configure("DEBUG")
        lines = structlog.get_config()["logger_factory"]()._file
        try:
            yield
        finally:
            lines.drain()
            structlog.configure(**before[0])
            root.handlers[:], root.level = before[1], before[2]


async def send(suite: Suite, method: str, params: dict[str, Any], token: str | None = None, **extra: str) -> None:
    """One request with something planted in every header and in the trace context."""
    body = modern(method, params, secrets.token_hex(4))
    body["params"]["_meta"] |= {"traceparent": TRACEPARENT, "tracestate": f"vendor={RECOGNISED['email']}"}
    body["params"]["_meta"] |= {"baggage": ALL, "example.com/planted": ALL}
    body["params"]["_meta"]["io.modelcontextprotocol/clientInfo"] = {"name": ALL, "version": ALL}
    headers = modern_headers(method, params) | {
        **{"Authorization": f"Bearer {token or suite.token()}", "User-Agent": f"agent {ALL}", "X-Planted": ALL},
        **{"Cookie": f"session={RECOGNISED['token']}", "traceparent": ALL, "tracestate": ALL, **extra},
    }
    async with suite.http() as client:
        await client.post(suite.url(), json=body, headers=headers)


async def everything(suite: Suite) -> None:
    """All of it in arguments, names, URIs, keys, cursors, values of SQL that fails, and in tokens."""
    new = {"name": UNRECOGNISED["name"], "segment": "consumer", "country": "DE", "email": RECOGNISED["email"]}
    new |= {"phone": RECOGNISED["phone"], "company": RECOGNISED["key"]}
    for arguments in (
        {**new, "idempotency_key": RECOGNISED["email"]},
        {**new, "idempotency_key": ALL},
        {**new, RECOGNISED["card"]: RECOGNISED["iban"]},
        {"name": [ALL, {"deep": ALL}]},
    ):
        await send(suite, "tools/call", {"name": "create_customer", "arguments": arguments})
    note = {"customer_id": "C-000001", "text": ALL}
    await send(suite, "tools/call", {"name": "add_customer_note", "arguments": note})
    for tool in ("fail_in_sql", "fail_on_a_row", "crash"):
        await send(suite, "tools/call", {"name": tool, "arguments": {"text": ALL}})
    await send(suite, "tools/call", {"name": "search_customers", "arguments": {"text": ALL, "cursor": ALL}})
    await send(suite, "tools/call", {"name": ALL, "arguments": {}})
    await send(suite, "tools/list", {"cursor": ALL})
    await send(suite, "resources/read", {"uri": f"customer://{RECOGNISED['email']}"})
    await send(
        suite, "resources/read", {"uri": f"https://x.example/?{RECOGNISED['password']}&q={UNRECOGNISED['word']}"}
    )
    await send(suite, "prompts/get", {"name": ALL, "arguments": {"a": ALL}})
    ref = {"type": "ref/resource", "uri": f"customer://{{{UNRECOGNISED['word']}}}"}
    await send(suite, "completion/complete", {"ref": ref, "argument": {"name": ALL, "value": ALL}})
    await send(suite, f"planted/{UNRECOGNISED['word']}", {"a": ALL})
    await send(suite, "tools/list", {}, RECOGNISED["token"])
    await send(suite, "tools/list", {}, **{"Mcp-Name": ALL, "Mcp-Method": ALL})
    await send(suite, "tools/list", {}, Host=f"{UNRECOGNISED['word']}.example")


def found(text: bytes, *planted: dict[str, str]) -> list[str]:
    """What of the planted is in it; spaces in numbers may have gone, and JSON may have escaped."""
    plain = text.replace(b" ", b"").replace(b"\\u002b", b"+").lower()
    wanted = {name: value for values in planted for name, value in values.items()}
    return [name for name, value in wanted.items() if value.replace(" ", "").lower().encode() in plain]


async def stored(url: str) -> bytes:
    """Every column of every audit row."""
    connection = await connect(url, "test")
    try:
        rows = await connection.fetch("SELECT * FROM suite.audit")
        chains = await connection.fetch("SELECT * FROM suite.audit_chain")
    finally:
        await connection.close()
    return "\n".join(str(list(row.values())) for row in [*rows, *chains]).encode()


async def delivered(kept: Collector, root: str) -> bytes:
    await kept.spans_of(TRACEPARENT[3:35], root)
    return b"".join(kept.raw)


@pytest.fixture
async def places(own_suite: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The application after all of it, and what it left behind, by place."""
    suite = await own_suite(served=[replace(server, tools=broken)])
    left: dict[str, bytes] = {}
    with collector() as kept, logging_to(tmp_path / "log", monkeypatch):
        settings = Settings(otlp_endpoint=kept.url, trace_ratio=1, metrics_port=0)
        async with open_telemetry(settings, push_s=0.1) as opened:
            await everything(suite)
            await suite.allow_connections(allowed=False)
            await send(suite, "tools/call", {"name": "crash", "arguments": {"text": ALL}})
            left["spool"] = b"".join(path.read_bytes() for path in (tmp_path / "spool").glob("*.spool"))
            await suite.allow_connections(allowed=True)
            await suite.refusals.flush()
            async with httpx.AsyncClient() as client:
                scraped = await client.get(f"http://127.0.0.1:{opened.metrics_port}/metrics")
            left["metrics"] = scraped.content
        left["otlp"] = await delivered(kept, "tools/call crash")
    left["log"] = (tmp_path / "log").read_bytes()
    left["audit"] = await stored(suite.urls.reader)
    return left


async def test_over_http_nothing_planted_is_left_anywhere(places: dict[str, bytes]) -> None:
    assert {place: found(content, SECRETS) for place, content in places.items()} == {place: [] for place in places}
    outside = {place: places[place] for place in ("log", "otlp", "metrics")}
    assert {place: found(content, UNRECOGNISED) for place, content in outside.items()} == {
        place: [] for place in outside
    }
    # Each place was really written to, or its being clean would say nothing.
    assert b"fail_on_a_row" in places["otlp"]
    assert b"UniqueViolation" in places["log"] or b"NotNullViolationError" in places["log"]
    assert b"RuntimeError" in places["log"]
    assert b"mcp_requests_total" in places["metrics"]
    assert b"crash" in places["audit"]
    assert b"unaudited" in places["spool"]


async def test_an_error_in_sql_is_told_by_its_class_place_and_constraint(
    places: dict[str, bytes],
) -> None:
    events = [json.loads(line) for line in places["log"].splitlines()]
    [broken_row] = [event for event in events if event.get("tool") == "fail_on_a_row"]
    assert "asyncpg.exceptions.NotNullViolationError (sqlstate=23502" in broken_row["exception"]
    assert "column_name=country" in broken_row["exception"]
    assert "in fail_on_a_row" in broken_row["exception"]
    assert "DETAIL" not in broken_row["exception"]
    assert {"request_id", "trace_id", "span_id"} <= broken_row.keys()


async def test_over_stdio_nothing_planted_is_left_anywhere(databases: Databases, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    local = Local(await databases.fresh(), folder)
    errors = local.errors
    with collector() as kept:
        env = local.env | {"SUITE_OTLP_ENDPOINT": kept.url, "SUITE_TRACE_RATIO": "1"}
        async with wired(env, errors) as wire:
            await wire.greet()
            new = {"name": UNRECOGNISED["name"], "segment": "consumer", "country": "DE", "email": RECOGNISED["email"]}
            await wire.call("create_customer", {**new, "idempotency_key": RECOGNISED["email"]})
            await wire.call("create_customer", {**new, RECOGNISED["card"]: ALL})
            await wire.ask("tools/call", {"name": ALL, "arguments": {"a": ALL}}, ALL)
            await wire.ask("resources/read", {"uri": f"customer://{RECOGNISED['email']}"})
            await wire.ask(f"planted/{UNRECOGNISED['word']}", {"a": ALL})
            await wire.send(ALL.encode())
            await wire.send(b'{"jsonrpc":"2.0","method":"notifications/' + UNRECOGNISED["word"].encode() + b'"}')
            with anyio.fail_after(30):
                await wire.hang_up(20)
    audit = await stored(local.urls.reader)
    raw, log = b"".join(kept.raw), errors.read_bytes()
    assert (found(audit, SECRETS), found(raw, SECRETS, UNRECOGNISED), found(log, SECRETS, UNRECOGNISED)) == ([], [], [])
    assert (b"create_customer" in audit, b"create_customer" in raw, b"create_customer" in log) == (True, True, True)
