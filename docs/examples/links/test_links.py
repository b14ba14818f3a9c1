"""Links are saved once, found by how they begin, and seen by their own tenant alone."""

from typing import Any, Literal

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.harness import Suite

pytestmark = pytest.mark.anyio

NEW = {"name": "runbook", "url": "https://example.com/runbook", "title": "Runbook"}
MAY: dict[str, Any] = {"scopes": ["links:write"]}


async def call(suite: Suite, persona: str, tool: str, **arguments: Any) -> dict[str, Any]:
    return await suite.call(persona, tool, arguments, "links", **MAY)


async def test_a_link_that_is_saved_twice_under_one_key_is_there_once(suite: Suite) -> None:
    save = {**NEW, "idempotency_key": "save-runbook"}
    first = await call(suite, "support", "save_link", **save)
    assert await call(suite, "support", "save_link", **save) == first
    found = await call(suite, "support", "find_links", word="Run")
    assert [link["name"] for link in found["links"]] == ["runbook"]


async def test_a_rehearsal_saves_nothing(suite: Suite) -> None:
    shown = await call(suite, "support", "save_link", **{**NEW, "name": "rehearsed"}, dry_run=True)
    assert shown["name"] == "rehearsed"
    assert await suite.sql("SELECT FROM links.links WHERE name = 'rehearsed'") == []


async def test_another_tenant_finds_none_and_may_use_the_same_name(suite: Suite) -> None:
    assert (await call(suite, "outsider", "find_links", word="Ha")) == {"links": []}
    assert "error" not in await call(suite, "outsider", "save_link", **{**NEW, "name": "handbook"})


async def test_who_saved_a_link_is_masked_for_those_who_may_not_see_people(suite: Suite) -> None:
    await call(suite, "support", "save_link", **{**NEW, "name": "mine"})
    seen = {
        scope: (await suite.call("support", "find_links", {"word": "Runbook"}, "links", scopes=["links:read", scope]))
        for scope in ("links:read", "links:pii")
    }
    masked, plain = (str(seen[scope]) for scope in ("links:read", "links:pii"))
    assert ("acme-support-agent" in masked, "acme-support-agent" in plain) == (False, True)


async def test_a_call_leaves_its_record(suite: Suite) -> None:
    await call(suite, "support", "find_links", word="Ha")
    (record,) = await suite.records(target="find_links", limit=1)
    assert (record["subject"], record["server"], record["outcome"]) == ("acme-support-agent", "links", "ok")


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_real_client_of_either_era_is_offered_both_tools(suite: Suite, mode: Literal["legacy", "auto"]) -> None:
    headers = {"Authorization": f"Bearer {suite.token('support', 'links', **MAY)}"}
    async with httpx2.AsyncClient(headers=headers) as http:
        transport = streamable_http_client(suite.url("links"), http_client=http)
        async with Client(transport, mode=mode) as client:
            offered = {tool.name: tool.annotations for tool in (await client.list_tools()).tools}
    assert offered.keys() == {"find_links", "save_link"}
    assert offered["find_links"]
    assert offered["find_links"].read_only_hint
