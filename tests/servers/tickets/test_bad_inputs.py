"""Every odd argument has an outcome that was thought of, and says what to do; none changes anything."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from tests.harness import Suite
from tests.servers.documents.permissions.matrix import every
from tests.servers.documents.permissions.wire import Said, Wire, wired
from tests.servers.tickets.bad_inputs import CALLS, INVALID, NO_CURSOR, OK, URIS

pytestmark = pytest.mark.anyio

ALL = "SELECT md5(string_agg(t::text, '' ORDER BY tenant_id, id)) FROM tickets.tickets AS t"


@pytest.fixture
async def wire(suite: Suite) -> AsyncGenerator[Wire]:
    async with wired(suite.url("tickets")) as opened:
        yield opened


def outcome(said: Said) -> str:
    if "error" in said.body:
        error = said.body["error"]
        return NO_CURSOR if error["code"] == -32602 and "cursor" in error["message"] else said.text
    return said.content["error"]["code"] if said.result["isError"] else OK


async def test_every_argument_has_the_outcome_of_the_table_and_changes_nothing(suite: Suite, wire: Wire) -> None:
    token, before = suite.token("manager", "tickets"), await suite.sql(ALL)
    wrong: list[Any] = []

    async def look(tool: str, arguments: dict[str, Any], expected: str) -> None:
        said = await wire.ask(token, "tools/call", {"name": tool, "arguments": arguments})
        if (seen := outcome(said)) != expected:
            wrong.append((tool, str(arguments)[:150], seen[:200], expected))
        elif seen == INVALID and len(said.content["error"]["message"]) < 20:
            wrong.append((tool, str(arguments)[:150], said.content["error"]))

    await every(look(*row) for row in CALLS)
    assert wrong == [], wrong[:3]
    assert await suite.sql(ALL) == before
    assert len(CALLS) > 150


@pytest.mark.parametrize(("uri", "expected"), URIS)
async def test_every_uri_is_one_of_ours_or_is_refused(suite: Suite, wire: Wire, uri: str, expected: str) -> None:
    said = await wire.ask(suite.token("manager", "tickets"), "resources/read", {"uri": uri})
    if expected == OK:
        assert said.result["contents"][0]["uri"] == uri
        return
    assert said.body["error"]["code"] == -32602
