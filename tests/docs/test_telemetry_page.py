"""docs/telemetry.md names metrics that there are; its trace and its log line are held to real ones where those are."""

import re
from pathlib import Path

from shared.core import metrics

PAGE = (Path(__file__).parents[2] / "docs" / "telemetry.md").read_text()
PREFIXES = {metric.name.split("_")[0] for metric in metrics.ALL} - {"event"}


def test_metrics_that_are_named_exist() -> None:
    named = set(re.findall(rf"`((?:{'|'.join(PREFIXES)})_[a-z_]+)`", PAGE))
    assert len(named) > 8
    assert named <= {metric.name for metric in metrics.ALL}
