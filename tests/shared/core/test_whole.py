"""A server that declares long-running work declares all of it, or does not start."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from shared.core.errors import Misconfigured
from shared.core.server import Server
from shared.core.toolset import Toolset
from shared.core.work import Work
from tests.shared.state.jobs.counting import served

Change = Callable[[Toolset], object]


def changed(change: Change) -> Server:
    """The counting server with another declaration."""
    tools = replace(served.tools, tools=dict(served.tools.tools), works=dict(served.tools.works))
    change(tools)
    return replace(served, tools=tools)


def without(name: str) -> Change:
    return lambda tools: tools.tools.pop(name)


def other(name: str, **facts: Any) -> Change:
    return lambda tools: tools.tools.update({name: replace(tools.tools[name], **facts)})


def instead(name: str, another: str) -> Change:
    return lambda tools: tools.tools.update({name: tools.tools[another]})


def no_work(tools: Toolset) -> None:
    tools.works.clear()


def work_of_nobody(tools: Toolset) -> None:
    tools.works["absent"] = tools.works["count"]


def parts_nowhere(tools: Toolset) -> None:
    tools.works["count"] = Work(tools.works["count"].run, "numbers://{job_id}")


CHANGES: list[tuple[Change, str]] = [
    (no_work, "count"),
    (work_of_nobody, "absent"),
    (parts_nowhere, "parts"),
    (without("get_job"), "get_job"),
    (without("cancel_job"), "cancel_job"),
    (other("get_job", deadline_s=None), "deadline_s"),
    (other("get_job", deadline_s=25.0), "deadline_s"),
    (instead("get_job", "cancel_job"), "get_job"),
]


@pytest.mark.parametrize(("change", "said"), CHANGES)
def test_what_is_missing_is_named(change: Change, said: str) -> None:
    with pytest.raises(Misconfigured, match=said):
        changed(change)


def test_work_is_declared_once() -> None:
    with pytest.raises(Misconfigured, match="count"):
        served.tools.work("count", parts="numbers://{job_id}/{part}")(served.tools.works["count"].run)


def test_a_server_without_work_needs_nothing() -> None:
    assert replace(served, tools=Toolset()).work == {}
