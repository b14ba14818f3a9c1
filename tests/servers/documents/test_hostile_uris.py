"""No spelling of a URI leads where the plain one does not, and none is an error of ours."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from tests.harness import Suite
from tests.servers.documents.desk import Desk
from tests.servers.documents.hostile_uris import HERE, KELVIN, MISSING, READ, UMLAUT, rows
from tests.servers.documents.permissions.matrix import every
from tests.servers.documents.permissions.wire import Said, Wire, wired

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def desk(suite: Suite) -> Desk:
    desk = Desk(suite)
    for uri in (HERE, UMLAUT, KELVIN):
        await desk.put(uri, "# Old\n\n## part\n\nOld.\n")
    await desk.put(HERE, "# New\n\n## part\n\nNew.\n", if_version=1)
    await desk.put("doc://hostile/c.md", "# Another\n\n## other\n\nIts own.\n")
    return desk


@pytest.fixture
async def wire(suite: Suite) -> AsyncGenerator[Wire]:
    async with wired(suite.url("documents")) as opened:
        yield opened


def of_resource(said: Said, code: int) -> str:
    if "result" in said.body:
        return READ
    error = said.body["error"]
    return MISSING if (error["code"], error["message"]) == (code, "Resource not found") else said.text


def of_tool(said: Said) -> str:
    content = said.content
    return content["error"]["code"] if "error" in content else READ


async def test_every_uri_is_read_or_refused_as_the_table_says(suite: Suite, desk: Desk, wire: Wire) -> None:
    token = suite.token("manager", "documents")
    session = await suite.session(token, "documents")
    wrong: list[Any] = []

    async def look(uri: str, resource: str, tool: str) -> None:
        seen: list[Any] = []
        message = {"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": uri}}
        seen.append(of_resource(await wire.send(token, message, session), -32002))
        if uri.isascii() and uri.isprintable() and 0 < len(uri) < 10_000 and uri == uri.strip():  # as a header may be
            seen.append(of_resource(await wire.ask(token, "resources/read", {"uri": uri}), -32602))
        arguments = {"name": "read_section", "arguments": {"uri": uri}}
        seen.append(of_tool(await wire.ask(token, "tools/call", arguments)))
        if {*seen[:-1]} != {resource} or seen[-1] != tool:
            wrong.append((uri[:200], seen, (resource, tool)))

    await every(look(*row) for row in rows())
    assert wrong == []


async def test_policy_and_audit_see_one_spelling_of_what_is_meant(suite: Suite, desk: Desk, wire: Wire) -> None:
    token = suite.token("manager", "documents", jti="one-spelling")
    for uri in (HERE, "DOC://hostile/%61/b.md", f" {HERE}?"):
        await wire.ask(token, "tools/call", {"name": "read_section", "arguments": {"uri": uri}})
    records = [one for one in await suite.records(target="read_section") if one["token_id"] == "one-spelling"]
    assert [record["arguments"]["uri"] for record in records] == [HERE] * 3


async def test_nothing_in_a_uri_is_an_error_of_ours(suite: Suite, desk: Desk) -> None:
    outcomes = {record.get("outcome") for record in await suite.records()}
    assert "internal" not in outcomes
