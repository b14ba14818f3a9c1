"""The drawing of the request path: its files are there, and its steps are in the order of the code."""

import ast
import re

from tests.docs.fences import ROOT, claimed

[DRAWING] = claimed("docs/request-path.md", 1)
STEPS = {
    "audit": "audit.record",
    "visible?": "self._visible",
    "limits": "self.limits.admitted",
    "parse": "tool.parse",
    "policy": "self._allowed",
    "ledger": "self.ledger.once",
    "approvals": "case.satisfy",
    "the tool": "self._answer",
    "redaction": "redact",
}
"""What each step of the drawing is called in `Pipeline.call`."""


def test_every_file_of_the_drawing_is_there() -> None:
    files = re.findall(r"[\w/]+\.py", DRAWING)
    assert len(files) == 7
    for name in files:
        beside = ROOT / "servers" / "customers" / name
        assert any(path.exists() for path in (ROOT / name, ROOT / "shared" / name, beside)), name


def test_the_steps_are_in_the_order_of_the_code() -> None:
    (line,) = (line for line in DRAWING.splitlines() if "pipeline.py:" in line)
    drawn = [step.strip() for step in line.partition(":")[2].split("▶")]
    assert drawn == [*STEPS]
    path = ROOT / "shared" / "pipeline.py"
    tree = ast.parse(path.read_text("utf-8"))
    (call,) = (node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef) and node.name == "call")
    named = [(node.lineno, node.col_offset, ast.unparse(node)) for node in ast.walk(call) if isinstance(node, ast.expr)]
    places = [min(place[:2] for place in named if place[2] == STEPS[step]) for step in drawn if step != "the tool"]
    assert places == sorted(places)
    (ran,) = (place[0] for place in named if place[2] == "await run(case.query, answers)")
    assert places[-2][0] < ran < places[-1][0]
