"""What a process counts can be told apart, and each name says its unit."""

import ast
from pathlib import Path

from shared.core import metrics
from shared.core.counting import Counter, Histogram
from shared.core.metrics import ALL


def test_names_say_their_unit_and_are_told_apart() -> None:
    names = [metric.name for metric in ALL]
    assert len({*names}) == len(names)
    assert all(metric.name.endswith("_total") == isinstance(metric, Counter) for metric in ALL)
    assert all(metric.name.endswith("_seconds") for metric in ALL if isinstance(metric, Histogram))
    assert all(metric.meaning.endswith(".") for metric in ALL)


def test_what_is_declared_is_shown() -> None:
    code = ast.parse(Path(metrics.__file__).read_text("utf-8"))
    declared = [node.value for node in code.body if isinstance(node, ast.Assign)]
    assert [ast.literal_eval(one.args[0]) for one in declared if isinstance(one, ast.Call)] == [one.name for one in ALL]
