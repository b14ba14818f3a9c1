"""`docs/metrics.md`: what every process counts."""

from collections.abc import Iterator

from shared.core import metrics
from shared.core.counting import SECONDS, Counter, Histogram, Metric
from shared.ops.reference.table import NOTE, cell, code, table

_UNITS = {"_seconds": "s", "_bytes": "bytes"}


def page() -> Iterator[str]:
    yield f"# Metrics\n\n{NOTE}"
    yield (
        "Every process counts for itself, on `/metrics` of `SUITE_METRICS_PORT`; [telemetry](telemetry.md) says how\n"
        "they are read and what to watch first. Labels hold names of ours and words from fixed sets, never what a\n"
        "client chose. A counter is for `rate()`, a gauge is as things are, a\n"
        "histogram has `_bucket`, `_sum` and `_count`.\n"
    )
    yield from table(("metric", "type", "unit", "labels", "meaning"), map(_row, metrics.ALL))
    yield (
        "Besides these, `process_…` from the Prometheus client: memory, CPU, open files, and when it started;\n"
        "they are not sent to a collector.\n"
    )
    yield f"Buckets of every histogram, in seconds: {', '.join(f'{bound:g}' for bound in SECONDS)}."


def _row(metric: Metric) -> tuple[str, ...]:
    return f"`{metric.name}`", kind_of(metric), _unit(metric), code(*metric.labels), cell(metric.meaning)


def kind_of(metric: Metric) -> str:
    """Its type, as Prometheus calls it."""
    if isinstance(metric, Histogram):
        return "histogram"
    return "counter" if isinstance(metric, Counter) else "gauge"


def _unit(metric: Metric) -> str:
    return next((unit for end, unit in _UNITS.items() if metric.name.endswith(end)), "")
