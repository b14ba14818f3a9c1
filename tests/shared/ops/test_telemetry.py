"""What operators get: metrics for Prometheus and for a collector, and what happens when the collector is not there."""

import socket
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from typing import Any

import anyio
import httpx
import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from shared.core import counting, metrics, tracing
from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from shared.ops.losses import Losses
from shared.ops.otlp import QUEUE
from shared.ops.telemetry import FLUSH_S, open_telemetry
from tests.collector import WAIT_S, collector
from tests.harness import Suite

pytestmark = pytest.mark.anyio

Make = Callable[..., Awaitable[Suite]]
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]

NEW = {"name": "Counted", "segment": "consumer", "country": "DE"}


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def scraped(port: int | None, path: str = "/metrics") -> Samples:
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{port}{path}")
    families = text_string_to_metric_families(answer.text)
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


@asynccontextmanager
async def scraping(**settings: Any) -> AsyncGenerator[int | None]:
    async with open_telemetry(Settings(metrics_port=0, **settings)) as opened:
        yield opened.metrics_port


class Change:
    """How samples changed between two scrapes."""

    def __init__(self, before: Samples, after: Samples) -> None:
        self.before = before
        self.after = after

    def __call__(self, name: str, **labels: str) -> float:
        key = (name, frozenset(labels.items()))
        return self.after.get(key, 0) - self.before.get(key, 0)


async def changed(suite: Suite, work: Callable[[], Awaitable[Any]]) -> Change:
    async with scraping() as port:
        before = await scraped(port)
        await work()
        return Change(before, await scraped(port))


async def test_a_call_is_counted_and_timed_by_names_of_ours(suite: Suite) -> None:
    async def work() -> None:
        await suite.call("admin", "get_customer", {"customer_id": "C-999999"})
        await suite.post(suite.token(), "tools/call", {"name": "SECRET-tool", "arguments": {}})
        await suite.post(suite.token(), "tools/list", {})

    change = await changed(suite, work)
    era = {"server": "customers", "era": "2026-07-28"}
    assert change("mcp_requests_total", tool="get_customer", status="not_found", **era) == 1
    assert change("mcp_requests_total", tool="unknown", status="unknown_target", **era) == 1
    assert change("mcp_requests_total", tool="tools/list", status="ok", **era) == 1
    assert change("mcp_request_duration_seconds_count", server="customers", tool="get_customer") == 1
    assert change("mcp_request_duration_seconds_sum", server="customers", tool="get_customer") > 0
    assert not any("SECRET" in str(sample) for sample in change.after)


async def test_refusals_are_counted_by_reason(own_suite: Make) -> None:
    suite = await own_suite(calls_per_minute=60, burst=2)

    async def work() -> None:
        await suite.post(None, "tools/list", {})
        await suite.post("not.a.token", "tools/list", {})
        await suite.post(suite.token(), "tools/list", {}, **{"Content-Type": "text/plain"})
        token = suite.token("manager", scopes=["customers:read"])
        await suite.post(token, "tools/call", {"name": "create_customer", "arguments": NEW})
        for _ in range(4):
            await suite.post(suite.token("admin"), "tools/list", {})

    change = await changed(suite, work)
    server = {"server": "customers"}
    assert change("mcp_authentication_failures_total", reason="missing", **server) == 1
    assert change("mcp_authentication_failures_total", reason="malformed", **server) == 1
    assert change("mcp_edge_refusals_total", reason="media_type", **server) == 1
    assert change("mcp_scope_failures_total", tool="create_customer", **server) == 1
    assert change("mcp_rate_limited_total", **server) >= 1


async def test_a_replay_is_counted(suite: Suite) -> None:
    async def work() -> None:
        for _ in range(3):
            await suite.call("admin", "create_customer", {**NEW, "idempotency_key": "counted-thrice"})

    change = await changed(suite, work)
    assert change("mcp_ledger_replays_total", server="customers", tool="create_customer") == 2


async def test_what_we_depend_on_is_timed(suite: Suite) -> None:
    async def work() -> None:
        await suite.call("admin", "create_customer", NEW)

    change = await changed(suite, work)
    assert change("backend_duration_seconds_count", backend="postgres", operation="COMMIT") >= 1
    assert change("backend_duration_seconds_count", backend="audit", operation="write") >= 2
    assert change("backend_duration_seconds_count", backend="audit", operation="store") >= 1
    assert change("pool_acquire_seconds_count") >= 1


async def test_gauges_say_how_things_are(suite: Suite) -> None:
    async with scraping() as port, suite.parts.database.connection():
        found = await scraped(port)
    none = frozenset[tuple[str, str]]()
    assert found["pool_connections", frozenset({("state", "used")})] >= 1
    assert found["pool_connections", frozenset({("state", "idle")})] >= 0
    assert found["pool_waiting", none] == found["audit_records_waiting", none] == found["audit_spool_bytes", none] == 0
    assert found["mcp_requests_in_flight", frozenset({("server", "customers")})] == 0
    assert found["process_resident_memory_bytes", none] > 1e6
    assert found["process_start_time_seconds", none] > 1e9


async def test_the_public_port_has_no_metrics(suite: Suite) -> None:
    async with suite.http() as client:
        answers = [await client.get(f"{suite.settings.base_url}{path}") for path in ("/metrics", "/customers/metrics")]
    assert [answer.status_code for answer in answers] == [404, 404]


async def test_without_a_port_nothing_listens_and_without_a_collector_nothing_is_recorded(suite: Suite) -> None:
    async with open_telemetry(Settings()) as opened:
        with tracing.watch("x", None, 0, lambda: ({}, ())) as watching:
            assert (opened.metrics_port, watching.span) == (None, None)


async def test_a_port_that_is_taken_is_told() -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Misconfigured, match="SUITE_METRICS_PORT"):
            async with open_telemetry(Settings(metrics_port=taken.getsockname()[1])):
                pass


@pytest.mark.parametrize(
    "endpoint", ["collector:4318", "ftp://collector", "http://", "nonsense", "http://a:b@collector"]
)
async def test_an_endpoint_that_is_no_url_is_told(endpoint: str) -> None:
    with pytest.raises(Misconfigured, match="SUITE_OTLP_ENDPOINT"):
        async with open_telemetry(Settings(otlp_endpoint=endpoint)):
            pass


async def test_the_collector_gets_the_same_numbers(suite: Suite) -> None:
    wanted = {"server": "customers", "tool": "get_customer", "status": "not_found", "era": "2026-07-28"}
    with collector() as kept:
        async with open_telemetry(Settings(otlp_endpoint=kept.url, metrics_port=0), push_s=0.05) as opened:
            await suite.call("admin", "get_customer", {"customer_id": "C-999999"})
            shown = await scraped(opened.metrics_port)
            expected = shown["mcp_requests_total", frozenset(wanted.items())]
            with anyio.fail_after(WAIT_S):
                while expected not in [
                    p.as_double for found, p in kept.metrics.get("mcp_requests_total", ()) if found == wanted
                ]:
                    await anyio.sleep(0.02)
        timed = [p for found, p in kept.metrics["mcp_request_duration_seconds"] if found["tool"] == "get_customer"]
    assert [sum(point.bucket_counts) == point.count >= 1 for point in timed] == [True]
    assert list(timed[0].explicit_bounds) == list(counting.SECONDS)
    assert kept.resource == {} or kept.resource["service.name"] == "mcp-suite"


async def dropped(signal: str, reason: str) -> float:
    return metrics.TELEMETRY_DROPPED.value(signal, reason)


async def test_calls_go_on_without_a_collector_and_what_is_lost_is_counted(suite: Suite) -> None:
    before = await dropped("spans", "not_delivered")
    with structlog.testing.capture_logs() as seen:
        async with open_telemetry(
            Settings(otlp_endpoint=f"http://127.0.0.1:{free_port()}", trace_ratio=1), push_s=0.05
        ):
            for _ in range(2):
                await suite.call("admin", "get_customer", {"customer_id": "C-999999"})
            found = await suite.call("admin", "get_customer", {"customer_id": "C-999999"})
            began = time.monotonic()
        spent = time.monotonic() - began
    lost = [event for event in seen if event["event"].startswith("the collector takes no telemetry")]
    assert found["error"]["code"] == "not_found"
    assert await dropped("spans", "not_delivered") > before
    assert [event["log_level"] for event in lost] == ["warning"]
    assert spent < FLUSH_S + 1


async def test_a_collector_that_hangs_holds_nobody_up(suite: Suite) -> None:
    async with open_telemetry(Settings()):
        alone = await timed_calls(suite)
    with collector(answers=False) as kept:
        async with open_telemetry(Settings(otlp_endpoint=kept.url, trace_ratio=1), push_s=0.05):
            spent = await timed_calls(suite)
            began = time.monotonic()
        ending = time.monotonic() - began
    assert spent < alone * 5 + 1
    assert ending < FLUSH_S + 1


async def timed_calls(suite: Suite) -> float:
    began = time.monotonic()
    for _ in range(20):
        await suite.call("admin", "get_customer", {"customer_id": "C-999999"})
    return time.monotonic() - began


async def test_what_does_not_fit_the_queue_is_dropped_and_counted() -> None:
    before = await dropped("spans", "queue_full")
    with collector(answers=False) as kept:
        async with open_telemetry(Settings(otlp_endpoint=kept.url, trace_ratio=1), push_s=600):
            for _ in range(QUEUE):
                with tracing.watch("x", None, time.perf_counter_ns(), lambda: ({}, ())):
                    pass
            lost = await dropped("spans", "queue_full") - before
    assert lost == QUEUE  # each request is two spans: its own, and `edge`


async def test_losses_are_told_once_a_minute() -> None:
    now = [1000.0]
    losses = Losses(lambda: now[0])
    with structlog.testing.capture_logs() as seen:
        for _ in range(240):
            losses.count("spans", "not_delivered", 10)
            now[0] += 1
    assert len(seen) == 4
