"""Spans and metrics to an OpenTelemetry collector: what it does not take in time is dropped and counted."""

import logging
import time
from collections.abc import Sequence
from importlib.metadata import version
from threading import Lock, Thread
from urllib.parse import urlsplit
from uuid import uuid4

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from typing_extensions import override

from shared.core import tracing
from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from shared.ops.losses import TIMEOUT_S, Losses
from shared.ops.otlp_metrics import MetricsPush

QUEUE = 4096
"""Spans kept while the collector is slow: about 400 calls."""

_BATCH = 512
_DELAY_MS = 1000
_TEXT_MAX = 4096


class Delivery(SpanExporter):
    """Hands batches to the collector; `waiting` are the spans it has yet to see."""

    def __init__(self, exporter: SpanExporter, losses: Losses) -> None:
        self._exporter = exporter
        self._losses = losses
        self._lock = Lock()
        self._given_up = False
        self.waiting = 0

    def expect(self) -> bool:
        """Make room for one more span, if there is any."""
        with self._lock:
            if self.waiting >= QUEUE:
                return False
            self.waiting += 1
            return True

    @override
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        with self._lock:
            self.waiting = max(0, self.waiting - len(spans))
            lost = result is not SpanExportResult.SUCCESS and not self._given_up
        if lost:
            self._losses.count("spans", "not_delivered", len(spans))
        return result

    def give_up(self) -> None:
        """Count what still waits as lost."""
        with self._lock:
            self._given_up = True
            waiting, self.waiting = self.waiting, 0
        if waiting:
            self._losses.count("spans", "not_delivered", waiting)

    @override
    def shutdown(self) -> None:
        self._exporter.shutdown()


class Bounded(SpanProcessor):
    """The SDK's batches, behind a door that counts who does not get in."""

    def __init__(self, delivery: Delivery, losses: Losses) -> None:
        self._delivery = delivery
        self._losses = losses
        self._batches = BatchSpanProcessor(delivery, QUEUE, _DELAY_MS, _BATCH)

    @override
    def on_end(self, span: ReadableSpan) -> None:
        if self._delivery.expect():
            self._batches.on_end(span)
        else:
            self._losses.count("spans", "queue_full")

    @override
    def shutdown(self) -> None:
        self._batches.shutdown()


class Sending:
    """What sends; ended in threads that nobody waits for longer than they may take."""

    def __init__(self, provider: TracerProvider, delivery: Delivery, push: MetricsPush) -> None:
        self._ends = (provider.shutdown, push.stop)
        self._delivery = delivery

    def end(self, timeout_s: float) -> None:
        """Send what is left, for `timeout_s` seconds at most."""
        tracing.record_to(None)
        until = time.monotonic() + timeout_s
        threads = [Thread(target=end, daemon=True) for end in self._ends]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        self._delivery.give_up()


def send(settings: Settings, push_s: float) -> Sending:
    """Begin to send; `end` what is returned.

    Raises:
        Misconfigured: The endpoint is no URL.
    """
    endpoint = _endpoint(settings)
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # it would log each failure; `Losses` says it once
    resource = _resource(settings)
    losses = Losses()
    provider = TracerProvider(
        sampler=ALWAYS_ON,  # `tracing.Sampler` decided before
        resource=resource,
        span_limits=SpanLimits(max_attribute_length=_TEXT_MAX),
        shutdown_on_exit=False,
    )
    delivery = Delivery(OTLPSpanExporter(f"{endpoint}/v1/traces", timeout=TIMEOUT_S), losses)
    provider.add_span_processor(Bounded(delivery, losses))
    push = MetricsPush(endpoint, resource, losses, push_s)
    tracer = provider.get_tracer("enterprise-mcp-suite", version("enterprise-mcp-suite"))
    tracing.record_to(tracing.Recorder(tracer, tracing.Sampler(settings.trace_ratio)))
    return Sending(provider, delivery, push)


def _endpoint(settings: Settings) -> str:
    endpoint = (settings.otlp_endpoint or "").rstrip("/")
    parts = urlsplit(endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
        said = "SUITE_OTLP_ENDPOINT must be http(s)://HOST:PORT; credentials go into OTEL_EXPORTER_OTLP_HEADERS"
        raise Misconfigured(said)
    return endpoint


def _resource(settings: Settings) -> Resource:
    """Who sends; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES name it otherwise, or say more."""
    named = str(Resource.create().attributes["service.name"])
    return Resource.create(
        {
            "service.name": "mcp-suite" if named.startswith("unknown_service") else named,
            "service.version": version("enterprise-mcp-suite"),
            "service.instance.id": str(uuid4()),
            "deployment.environment.name": settings.environment,
        }
    )
