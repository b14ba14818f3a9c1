"""docs/telemetry.md names every metric as it is; its trace and its log line are held to real ones where those are."""

import re
from pathlib import Path

from shared.core import metrics

PAGE = (Path(__file__).parents[2] / "docs" / "telemetry.md").read_text()


def test_the_table_has_every_metric_with_its_labels_and_meaning() -> None:
    expected = [
        f"| `{metric.name}` | {' '.join(f'`{label}`' for label in metric.labels)} | {metric.meaning} |"
        for metric in metrics.ALL
    ]
    start = PAGE.index("| metric | labels | meaning |")
    rows = PAGE[start : PAGE.index("| `process_…`")].splitlines()[2:]
    assert rows == expected


def test_metrics_named_elsewhere_exist() -> None:
    named = set(re.findall(r"`((?:mcp|audit|pool|backend|telemetry)_[a-z_]+)`", PAGE))
    assert named <= {metric.name for metric in metrics.ALL}
