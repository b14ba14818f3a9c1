"""A tool that will go says so where a model and a program read it, and whoever still calls it can be found."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

import servers
from shared.core import metrics
from shared.core.deprecation import Deprecated
from shared.core.errors import Misconfigured
from shared.core.releases import this_release
from shared.core.server import Server
from shared.core.tool import Answer, Arguments, Call
from shared.core.toolset import Toolset
from shared.ops.doctor_going import going
from tests.generous import EVERYBODY
from tests.harness import ERAS, Databases, Suite, open_suite

pytestmark = pytest.mark.anyio

KEY = "enterprise-mcp-suite/deprecated"
OLD = Deprecated("2.2.0", date(2027, 6, 1), "One call reads any number.", "new_way")
SAID = "Deprecated since 2.2.0, may be gone after 2027-06-01. Use new_way instead. One call reads any number."
TOLD = {"since": "2.2.0", "sunset": "2027-06-01", "reason": OLD.reason, "replacement": "new_way"}

tools = Toolset()


class Nothing(Arguments):
    pass


class Done(Answer):
    done: bool


@tools.read("customers:read", deprecated=OLD)
async def old_way(call: Call, query: Nothing) -> Done:
    """Reads one."""
    return Done(done=True)


@tools.read("customers:read")
async def new_way(call: Call, query: Nothing) -> Done:
    """Reads many."""
    return Done(done=True)


def served() -> Server:
    return replace(servers.load("customers"), tools=tools, workers=(), views=None, policy=EVERYBODY)


@pytest.fixture(scope="module")
async def suite(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Suite]:
    urls = await databases.fresh()
    async with open_suite(urls, tmp_path_factory.mktemp("data"), databases.admin_url, served=[served()]) as opened:
        yield opened


@pytest.mark.parametrize("era", ERAS)
async def test_the_list_and_each_answer_say_it(suite: Suite, era: str) -> None:
    async with suite.connect("manager", era) as client:
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}
        old = await client.call_tool("old_way", {})
        new = await client.call_tool("new_way", {})
    assert (listed["old_way"].description, listed["new_way"].description) == (f"Reads one. {SAID}", "Reads many.")
    assert (listed["old_way"].meta or {})[KEY] == TOLD
    assert KEY not in (listed["new_way"].meta or {})
    assert (old.meta or {})[KEY] == TOLD
    assert KEY not in (new.meta or {})
    assert not old.is_error


async def test_each_use_is_counted_and_on_record_with_whoever_it_was(suite: Suite) -> None:
    before = metrics.DEPRECATED_CALLS.value("customers", "old_way")
    for tool in ("old_way", "new_way", "old_way"):
        await suite.call("manager", tool, {})
    assert metrics.DEPRECATED_CALLS.value("customers", "old_way") == before + 2
    assert metrics.DEPRECATED_CALLS.value("customers", "new_way") == 0
    [latest, *_] = await suite.records(target="old_way")
    assert latest["deprecated"] == "2.2.0"
    assert latest["client"]
    assert all("deprecated" not in record for record in await suite.records(target="new_way"))


@pytest.mark.parametrize(("today", "level"), [(date(2027, 5, 31), "note"), (date(2027, 6, 1), "warning")])
def test_the_doctor_tells_of_it_and_warns_once_its_time_is_over(today: date, level: str) -> None:
    [found] = going(served(), today)
    assert found.level == level
    assert SAID in found.text
    assert "audit query --target old_way" in found.fix


@pytest.mark.parametrize("replacement", ["absent", "old_way"])
def test_what_replaces_it_has_to_stay(replacement: str) -> None:
    other: dict[str, Any] = {**tools.tools}
    other["old_way"] = replace(other["old_way"], deprecated=replace(OLD, replacement=replacement))
    with pytest.raises(Misconfigured, match=replacement):
        replace(served(), tools=replace(tools, tools=other))


def test_nothing_that_is_served_is_past_its_time_when_it_is_released() -> None:
    over = [
        f"{server.name}.{tool.name}"
        for server in servers.every()
        for tool in server.tools.tools.values()
        if tool.deprecated and tool.deprecated.is_over(this_release().date)
    ]
    assert over == []
