"""The page on long-running work: what it shows is what the server says."""

import re
from pathlib import Path
from typing import Any, cast

import anyio
import orjson
import pytest

from tests.docs.fences import claimed
from tests.harness import Suite
from tests.shared.edge.tasks.talking import Talk

pytestmark = pytest.mark.anyio

PAGE = (Path(__file__).parents[2] / "docs" / "long-running-work.md").read_text("utf-8")
[TALK] = claimed("docs/long-running-work.md", 1)
STEP = re.compile(r"^→ (\S+) (\{.*\})\n← (\{.*\})$", re.MULTILINE)
SHOWN = "J-0M8WX4KQ2ZB7T5N9RHV3CJ6YED"


def holds(answer: Any, shown: Any) -> bool:
    """Whether the answer has all that is shown."""
    if isinstance(shown, dict):
        wanted = cast("dict[str, Any]", shown)
        return isinstance(answer, dict) and all(holds(answer.get(name), value) for name, value in wanted.items())  # pyright: ignore[reportUnknownMemberType]
    if isinstance(shown, list):
        pairs = zip(cast("list[Any]", answer), cast("list[Any]", shown), strict=True)
        return isinstance(answer, list) and all(holds(one, wanted) for one, wanted in pairs)
    return answer == shown


async def test_the_requests_of_the_page_are_answered_as_it_says(suite: Suite) -> None:
    talk, task_id = Talk(suite, suite.token("admin")), ""
    assert len(STEP.findall(TALK)) == PAGE.count("\n→ ") == 4
    for method, params, shown in STEP.findall(TALK):
        asked = orjson.loads(params.replace(SHOWN, task_id))
        name = {"Mcp-Name": task_id} if "taskId" in asked else {}
        with anyio.fail_after(20):
            while True:
                result = (await talk.ask(method, asked, **name)).json()["result"]
                task_id = task_id or result["taskId"]
                if method != "tasks/get" or result["status"] != "working":
                    break
                await anyio.sleep(0.05)
        assert holds(result, orjson.loads(shown.replace(SHOWN, task_id))), (method, result)
