"""One call, one trace: under the client's span, through every step, with the id that audit and log repeat."""

import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import structlog
from mcp.server.request_state import RequestStateBoundary
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags, use_span

from servers.customers.server import server
from shared.core.settings import Settings
from shared.edge.http import caller_of
from shared.edge.protocol import Protocol
from shared.edge.shortcut import Shortcut
from shared.edge.watch import Watch
from shared.ops.telemetry import open_telemetry
from shared.state.embedded_redis import EmbeddedRedis
from tests.collector import Collector, Span, collector
from tests.docs.fences import claimed
from tests.harness import MODERN, Suite, modern, modern_headers

pytestmark = pytest.mark.anyio

Make = Callable[..., Awaitable[Suite]]
SHOWN = claimed("docs/telemetry.md", 2)[0]
SERVER = 2
CLIENT = 3
ERROR = 2


@dataclass(frozen=True)
class Parent:
    trace_id: str
    span_id: str
    flags: str = "01"

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


def parent(flags: str = "01") -> Parent:
    return Parent(secrets.token_hex(16), secrets.token_hex(8), flags)


@asynccontextmanager
async def recording(ratio: float = 1.0) -> AsyncGenerator[Collector]:
    with collector() as kept:
        async with open_telemetry(Settings(otlp_endpoint=kept.url, trace_ratio=ratio), push_s=600):
            yield kept


async def call(
    suite: Suite, tool: str, arguments: dict[str, Any], traced: Parent | None, persona: str = "admin", **meta: Any
) -> dict[str, Any]:
    """One call with the client's trace context in `_meta`; the JSON-RPC answer."""
    params = {"name": tool, "arguments": arguments}
    body = modern("tools/call", params)
    if traced is not None:
        body["params"]["_meta"]["traceparent"] = str(traced)
    headers = meta.pop("headers", {})
    body["params"]["_meta"] |= meta
    given = modern_headers("tools/call", params) | {"Authorization": f"Bearer {suite.token(persona)}"} | headers
    async with suite.http() as client:
        return (await client.post(suite.url(), json=body, headers=given)).json()


async def known(suite: Suite) -> str:
    [row] = await suite.sql("SELECT id FROM customers.customers WHERE tenant_id = 'acme' ORDER BY id LIMIT 1")
    return row["id"]


def tree(spans: list[Span]) -> dict[str, list[str]]:
    """By the name of a span, the names of those inside it, in the order they began."""
    names = {span.span_id: span.name for span in spans}
    found: dict[str, list[str]] = {}
    for span in sorted(spans, key=lambda span: span.began):
        found.setdefault(names.get(span.parent_id, "client"), []).append(span.name)
    return found


def drawn(spans: list[Span], parent_id: str | None = None, depth: int = 0) -> str:
    """The spans of a trace as the page shows them."""
    ids = {span.span_id for span in spans}
    inside = [span for span in spans if (span.parent_id if span.parent_id in ids else None) == parent_id]
    lines = [
        f"{'  ' * depth}{span.name}\n{drawn(spans, span.span_id, depth + 1)}"
        for span in sorted(inside, key=lambda span: span.began)
    ]
    return "".join(lines)


async def test_a_read_shows_edge_steps_statement_and_audit_under_the_clients_span(suite: Suite) -> None:
    sent, there = parent(), await known(suite)
    async with recording() as kept:
        await call(suite, "get_customer", {"customer_id": there}, sent)
    spans = await kept.spans_of(sent.trace_id, "tools/call get_customer")
    [root] = [span for span in spans if span.parent_id == sent.span_id]
    shape = tree(spans)
    assert (root.name, root.kind) == ("tools/call get_customer", SERVER)
    assert shape["client"] == ["tools/call get_customer"]
    assert shape["tools/call get_customer"] == ["edge", "admit", "parse", "policy", "tool", "redact", "note", "audit"]
    assert set(shape["tool"]) == {"postgres SELECT"}
    assert shape["audit"] == ["audit write"]
    assert all(root.began <= span.began <= span.ended <= root.ended for span in spans)


async def test_a_write_shows_its_intent_claim_and_commit(suite: Suite) -> None:
    sent = parent()
    new = {"name": "Traced", "segment": "consumer", "country": "DE", "idempotency_key": secrets.token_hex(8)}
    async with recording() as kept:
        await call(suite, "create_customer", new, sent)
    spans = await kept.spans_of(sent.trace_id, "tools/call create_customer")
    shape = tree(spans)
    inside = shape["tools/call create_customer"]
    assert [name for name in inside if not name.startswith("postgres")] == [
        *("edge", "admit", "parse", "policy", "intent", "ledger", "tool", "redact", "ledger", "audit")
    ]
    assert "postgres INSERT" in shape["ledger"]
    assert inside.index("postgres BEGIN") < inside.index("ledger") < inside.index("postgres COMMIT")


async def test_the_limits_are_one_round_trip_to_redis(own_suite: Make, redis_server: EmbeddedRedis) -> None:
    suite, sent = await own_suite(redis_url=redis_server.url), parent()
    there = await known(suite)
    async with recording() as kept:
        await call(suite, "get_customer", {"customer_id": there}, sent, "support")
    spans = await kept.spans_of(sent.trace_id, "tools/call get_customer")
    assert drawn(spans) == SHOWN
    [asked] = [span for span in spans if span.name == "redis EVALSHA"]
    assert tree(spans)["admit"] == ["redis EVALSHA"]
    assert asked.attributes == {"db.system.name": "redis", "db.operation.name": "EVALSHA"}


async def test_the_server_span_follows_the_conventions_for_mcp(suite: Suite) -> None:
    sent, there = parent(), await known(suite)
    async with recording() as kept:
        await call(suite, "get_customer", {"customer_id": there}, sent)
    spans = await kept.spans_of(sent.trace_id, "tools/call get_customer")
    [root] = [span for span in spans if span.parent_id == sent.span_id]
    request_id = root.attributes.pop("suite.request_id")
    assert root.attributes == {
        "mcp.method.name": "tools/call",
        "mcp.protocol.version": MODERN,
        "jsonrpc.request.id": "1",
        "network.transport": "tcp",
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "get_customer",
        "suite.server": "customers",
        "suite.outcome": "ok",
        "suite.tenant": "acme",
    }
    [record] = await suite.records(request_id=request_id)
    assert (record["trace_id"], record["outcome"]) == (sent.trace_id, "ok")
    assert kept.resource["service.name"] == "mcp-suite"


async def test_a_statement_is_told_by_its_text_and_never_by_its_values(suite: Suite) -> None:
    sent, there = parent(), await known(suite)
    async with recording() as kept:
        await call(suite, "get_customer", {"customer_id": there}, sent)
    spans = await kept.spans_of(sent.trace_id, "tools/call get_customer")
    [statement, *_] = [span for span in spans if span.name == "postgres SELECT"]
    assert statement.kind == CLIENT
    assert statement.attributes["db.system.name"] == "postgresql"
    assert "customers.customers" in statement.attributes["db.query.text"]
    assert "$1" in statement.attributes["db.query.text"]
    assert there.encode() not in b"".join(kept.raw)


async def test_the_log_line_repeats_the_ids_of_request_and_trace(suite: Suite) -> None:
    sent, there = parent(), await known(suite)
    seen: list[dict[str, Any]] = []
    async with recording() as kept, capturing(seen):
        await call(suite, "get_customer", {"customer_id": there}, sent)
    spans = await kept.spans_of(sent.trace_id, "tools/call get_customer")
    [root] = [span for span in spans if span.parent_id == sent.span_id]
    [line] = [event for event in seen if event["event"] == "call"]
    shown = {name: line[name] for name in ("trace_id", "span_id", "request_id", "target", "outcome", "tenant")}
    assert shown == {
        "trace_id": sent.trace_id,
        "span_id": root.span_id,
        "request_id": root.attributes["suite.request_id"],
        **{"target": "get_customer", "outcome": "ok", "tenant": "acme"},
    }


@asynccontextmanager
async def capturing(seen: list[dict[str, Any]]) -> AsyncGenerator[None]:
    """The events of our logs, with the ids that `ops.logs` adds."""
    from shared.ops.logs import add_ids  # noqa: PLC0415 - as configured, in the middle of a run

    def keep(_logger: Any, method: str, event: Any) -> Any:
        seen.append({"level": method, **event})
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[add_ids, keep])
    try:
        yield
    finally:
        structlog.configure(**before)


async def test_a_real_client_that_traces_is_the_parent(suite: Suite) -> None:
    sent, there = parent(), await known(suite)
    context = SpanContext(int(sent.trace_id, 16), int(sent.span_id, 16), is_remote=False, trace_flags=TraceFlags(1))
    async with recording() as kept, suite.connect() as client:
        with use_span(NonRecordingSpan(context)):
            answer = await client.call_tool("get_customer", {"customer_id": there})
    spans = await kept.spans_of(sent.trace_id, "tools/call get_customer")
    [root] = [span for span in spans if span.name == "tools/call get_customer"]
    assert answer.is_error is not True
    assert (root.kind, root.parent_id) == (SpanKind.SERVER.value + 1, sent.span_id)


async def test_there_is_one_trace_and_no_span_of_the_sdks_own(suite: Suite) -> None:
    sent, there = parent(), await known(suite)
    async with recording() as kept:
        await call(suite, "get_customer", {"customer_id": there}, sent)
    spans = await kept.spans_of(sent.trace_id, "tools/call get_customer")
    assert {span.trace_id for span in kept.spans} == {sent.trace_id}
    assert [span.kind for span in spans].count(SERVER) == 1


async def test_the_sdks_own_middleware_is_replaced(suite: Suite) -> None:
    """It would name a second span of the request after what the client sent, wherever a global provider is set."""
    protocol = Protocol(server, suite.parts.pipeline(server), caller_of, "http", suite.parts.keys.states, 1)
    assert [type(one) for one in protocol.build().middleware] == [Watch, RequestStateBoundary, Shortcut]


async def test_the_http_header_is_a_link_and_not_the_parent(suite: Suite) -> None:
    sent, ambient, there = parent(), parent(), await known(suite)
    async with recording() as kept:
        await call(suite, "get_customer", {"customer_id": there}, sent, headers={"traceparent": str(ambient)})
    spans = await kept.spans_of(sent.trace_id, "tools/call get_customer")
    [root] = [span for span in spans if span.parent_id == sent.span_id]
    assert root.links == [ambient.trace_id]


async def test_without_a_parent_the_trace_is_ours_and_the_audit_names_it(suite: Suite) -> None:
    there = await known(suite)
    async with recording() as kept:
        await call(suite, "get_customer", {"customer_id": there}, None)
        [newest, *_] = await suite.records(limit=1)
    spans = await kept.spans_of(newest["trace_id"], "tools/call get_customer")
    assert [span.parent_id for span in spans if span.kind == SERVER] == [""]


@pytest.mark.parametrize(
    "given",
    [
        "",
        "00-1-2-01",
        f"00-{'0' * 32}-{'1' * 16}-01",
        f"00-{'1' * 32}-{'0' * 16}-01",
        f"ff-{'1' * 32}-{'1' * 16}-01",
        f"00-{'A' * 32}-{'1' * 16}-01",
        f"00-{'1' * 32}-{'1' * 16}-01-more",
        "x" * 10_000,
    ],
)
async def test_a_parent_that_is_none_is_ignored(suite: Suite, given: str) -> None:
    there = await known(suite)
    async with recording() as kept:
        await call(suite, "get_customer", {"customer_id": there}, None, traceparent=given)
        [newest, *_] = await suite.records(limit=1)
    spans = await kept.spans_of(newest["trace_id"], "tools/call get_customer")
    assert [span.parent_id for span in spans if span.kind == SERVER] == [""]


async def test_a_vendors_state_is_passed_on_unless_it_holds_what_we_hide(suite: Suite) -> None:
    clean, planted, there = parent(), parent(), await known(suite)
    async with recording() as kept:
        await call(suite, "get_customer", {"customer_id": there}, clean, tracestate="vendor=abc")
        await call(suite, "get_customer", {"customer_id": there}, planted, tracestate="vendor=ann@example.com")
    [kept_state] = {span.state for span in await kept.spans_of(clean.trace_id, "tools/call get_customer")}
    [dropped] = {span.state for span in await kept.spans_of(planted.trace_id, "tools/call get_customer")}
    assert (kept_state, dropped) == ("vendor=abc", "")


async def test_a_client_that_does_not_record_its_trace_is_not_recorded(suite: Suite) -> None:
    quiet, loud, there = parent("00"), parent(), await known(suite)
    async with recording() as kept:
        await call(suite, "get_customer", {"customer_id": there}, quiet)
        await call(suite, "get_customer", {"customer_id": there}, loud)
    await kept.spans_of(loud.trace_id, "tools/call get_customer")
    [record] = [found for found in await suite.records() if found.get("trace_id") == quiet.trace_id]
    assert record["outcome"] == "ok"
    assert quiet.trace_id not in {span.trace_id for span in kept.spans}


@pytest.mark.parametrize(
    ("tool", "persona", "arguments", "error", "outcome"),
    [
        ("get_customer", "admin", {"customer_id": "C-999999"}, "tool_error", "not_found"),
        ("get_customer", "admin", {"customer_id": 7}, "tool_error", "invalid"),
        ("export_customers", "manager", {}, "403", "forbidden"),
    ],
)
async def test_a_failure_is_told_by_its_kind(
    suite: Suite, tool: str, persona: str, arguments: dict[str, Any], error: str, outcome: str
) -> None:
    sent = parent()
    async with recording() as kept:
        await call(suite, tool, arguments, sent, persona)
    spans = await kept.spans_of(sent.trace_id, f"tools/call {tool}")
    [root] = [span for span in spans if span.parent_id == sent.span_id]
    assert (root.attributes["error.type"], root.attributes["suite.outcome"]) == (error, outcome)
    assert root.status == (ERROR, "")
    assert all(span.status[1] == "" and span.events == [] for span in spans)


async def test_a_tool_that_does_not_exist_names_no_span(suite: Suite) -> None:
    sent = parent()
    async with recording() as kept:
        await call(suite, "my-secret-tool", {}, sent)
    spans = await kept.spans_of(sent.trace_id, "tools/call")
    assert b"my-secret-tool" not in b"".join(kept.raw)
    assert [span.name for span in spans if span.parent_id == sent.span_id] == ["tools/call"]
