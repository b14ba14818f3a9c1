"""The aggregates to an OpenTelemetry collector, under the names that Prometheus shows."""

import time
from threading import Event, Thread
from typing import Any

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from shared.core import counting, metrics
from shared.ops.losses import TIMEOUT_S, Losses

_CUMULATIVE = AggregationTemporality.CUMULATIVE


class MetricsPush:
    """Sends the aggregates every `every_s`, from a thread of its own."""

    def __init__(self, endpoint: str, resource: Resource, losses: Losses, every_s: float) -> None:
        url = f"{endpoint}/v1/metrics"
        self._exporter: Any = OTLPMetricExporter(url, timeout=TIMEOUT_S)
        self._resource = resource
        self._losses = losses
        self._every_s = every_s
        self._began_ns = time.time_ns()
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="metrics push", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send once more and end; may take as long as the collector does."""
        self._stopped.set()
        self._thread.join()
        self._exporter.shutdown()

    def _run(self) -> None:
        while not self._stopped.wait(self._every_s):
            self._push()
        self._push()

    def _push(self) -> None:
        if self._exporter.export(metrics_data(self._resource, self._began_ns)) is not MetricExportResult.SUCCESS:
            self._losses.count("metrics", "not_delivered")


def metrics_data(resource: Resource, began_ns: int) -> MetricsData:
    """The aggregates as they are now, under the names that Prometheus shows."""
    now_ns = time.time_ns()
    shown = [_metric(metric, began_ns, now_ns) for metric in metrics.ALL]
    scope = ScopeMetrics(
        InstrumentationScope("enterprise-mcp-suite"), [one for one in shown if one.data.data_points], ""
    )
    return MetricsData([ResourceMetrics(resource, [scope], "")])


def _metric(metric: counting.Metric, began_ns: int, now_ns: int) -> Metric:
    def named(labels: counting.Labels) -> dict[str, str]:
        return dict(zip(metric.labels, labels, strict=True))

    if isinstance(metric, counting.Histogram):
        unmeasured: Any = None  # optional in OTLP, and not kept
        points = [
            HistogramDataPoint(
                *(named(labels), began_ns, now_ns, sum(found.buckets), found.sum),
                *(found.buckets, counting.SECONDS, unmeasured, unmeasured),
            )
            for labels, found in metric.read()
        ]
        return Metric(metric.name, metric.meaning, "s", Histogram(points, _CUMULATIVE))
    numbers = [NumberDataPoint(named(labels), began_ns, now_ns, float(value)) for labels, value in metric.read()]
    data = Sum(numbers, _CUMULATIVE, True) if isinstance(metric, counting.Counter) else Gauge(numbers)
    return Metric(metric.name, metric.meaning, "1", data)
