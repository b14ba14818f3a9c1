"""An OpenTelemetry collector of the test's own: it takes OTLP over HTTP and keeps what it got, decoded."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from gzip import decompress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import anyio
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

WAIT_S = 20


@dataclass(frozen=True)
class Span:
    """A span as the collector got it; ids in hex."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    state: str
    attributes: dict[str, Any]
    links: list[str]
    status: tuple[int, str]
    events: list[str]
    began: int
    ended: int


@dataclass
class Collector:
    """What came in.

    Attributes:
        hangs: While set, it takes requests and does not answer.
    """

    url: str = ""
    spans: list[Span] = field(default_factory=list[Span])
    metrics: dict[str, list[tuple[dict[str, str], Any]]] = field(default_factory=dict[str, Any])
    resource: dict[str, Any] = field(default_factory=dict[str, Any])
    raw: list[bytes] = field(default_factory=list[bytes])
    released: Event = field(default_factory=Event)

    async def spans_of(self, trace_id: str, root: str) -> list[Span]:
        """The spans of a trace, once the one so named is there: it ends last."""
        with anyio.fail_after(WAIT_S):
            while root not in {span.name for span in self.spans if span.trace_id == trace_id}:
                await anyio.sleep(0.02)
        return [span for span in self.spans if span.trace_id == trace_id]

    def take(self, path: str, body: bytes) -> None:
        self.raw.append(body)
        if path == "/v1/traces":
            self._take_spans(ExportTraceServiceRequest.FromString(body))
        else:
            self._take_metrics(ExportMetricsServiceRequest.FromString(body))

    def _take_spans(self, request: Any) -> None:
        for resource in request.resource_spans:
            self.resource = _plain(resource.resource.attributes)
            self.spans += [_span(span) for scope in resource.scope_spans for span in scope.spans]

    def _take_metrics(self, request: Any) -> None:
        for resource in request.resource_metrics:
            for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
                data = getattr(metric, metric.WhichOneof("data"))
                self.metrics[metric.name] = [(_plain(point.attributes), point) for point in data.data_points]


def _span(span: Any) -> Span:
    return Span(
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        kind=span.kind,
        state=span.trace_state,
        attributes=_plain(span.attributes),
        links=[link.trace_id.hex() for link in span.links],
        status=(span.status.code, span.status.message),
        events=[event.name for event in span.events],
        began=span.start_time_unix_nano,
        ended=span.end_time_unix_nano,
    )


def _plain(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


@contextmanager
def collector(*, answers: bool = True) -> Generator[Collector]:
    """A collector on a free loopback port; one that does not answer keeps every request waiting until the end."""
    kept = Collector()
    if answers:
        kept.released.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.released.wait(WAIT_S)
            if answers:
                zipped = self.headers.get("Content-Encoding") == "gzip"
                kept.take(self.path, decompress(body) if zipped else body)
                self.send_response(200)
                self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is inherited
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    kept.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield kept
    finally:
        kept.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
