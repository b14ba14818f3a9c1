"""The metrics as Prometheus reads them, on a listener of their own: they are for operators, not for clients."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from typing_extensions import override

from shared.core import counting, metrics
from shared.core.errors import Misconfigured


class Aggregates(Collector):
    """What the process counted, as metric families."""

    @override
    def collect(self) -> Iterable[Family]:
        return [_family(metric) for metric in metrics.ALL]


def registry() -> CollectorRegistry:
    """Our metrics, and those of the process: memory, CPU, open files, start time."""
    made = CollectorRegistry()
    made.register(Aggregates())
    ProcessCollector(registry=made)
    return made


def _family(metric: counting.Metric) -> Family:
    if isinstance(metric, counting.Histogram):
        histogram = HistogramMetricFamily(metric.name, metric.meaning, labels=metric.labels)
        for labels, series in metric.read():
            histogram.add_metric(labels, list(_buckets(series)), series.sum)
        return histogram
    kind = CounterMetricFamily if isinstance(metric, counting.Counter) else GaugeMetricFamily
    family = kind(metric.name, metric.meaning, labels=metric.labels)
    for labels, value in metric.read():
        family.add_metric(labels, value)
    return family


def _buckets(series: counting.Counted) -> Iterator[tuple[str, float]]:
    bounds = [*(str(bound) for bound in counting.SECONDS), "+Inf"]
    return zip(bounds, accumulate(series.buckets), strict=True)


@contextmanager
def exposed(host: str, port: int) -> Generator[int]:
    """Answer `GET /metrics` in threads of its own, also while the event loop is busy; yields the port.

    Raises:
        Misconfigured: The address cannot be had.
    """
    try:
        server, thread = start_http_server(port, host, registry())
    except OSError as error:
        said = f"cannot listen on {host}:{port} ({error.strerror}); set SUITE_METRICS_PORT or SUITE_METRICS_HOST"
        raise Misconfigured(said) from None
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
