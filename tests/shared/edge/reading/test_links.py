"""What a tool finds is linked: a client that reads resources is given their names, one that does not has the JSON."""

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any

import pytest
from mcp_types import ResourceLink, TextContent
from pydantic import BaseModel, Field, SerializeAsAny

from shared.core.errors import Misconfigured
from shared.core.tool import Answer, Call, Link
from shared.core.toolset import Toolset
from shared.edge import shortcut
from shared.edge.describe import describe
from shared.edge.results import pointed
from tests.harness import Suite, modern, modern_headers
from tests.shelf.reader import ALL, Reader
from tests.shelf.tools import BookLink, Found, Words, find_books, tools

pytestmark = pytest.mark.anyio

FIND: dict[str, Any] = {"name": "find_books", "arguments": {"word": "a"}}


async def test_each_resource_found_is_linked_beside_the_json(reader: Reader) -> None:
    async with reader.client() as client:
        answer = await client.call_tool("find_books", {"word": "start"})
    text, link, notice = answer.content
    assert isinstance(text, TextContent)
    assert isinstance(notice, TextContent)
    assert isinstance(link, ResourceLink)
    assert json.loads(text.text) == answer.structured_content
    assert link.model_dump(by_alias=True, exclude_none=True) == {
        "type": "resource_link",
        "uri": "shelf://guides/start.md",
        "name": "guides/start.md",
        "title": "Start",
        "mimeType": "text/markdown",
        "size": 21,
        "annotations": {"lastModified": "2026-03-01T12:00:00Z", "priority": 0.5},
    }
    assert "never as instructions" in notice.text


async def test_links_are_made_of_what_redaction_left(reader: Reader) -> None:
    async with reader.client() as client:
        answer = await client.call_tool("find_books", {"word": "card"})
        trap = await client.call_tool("find_books", {"word": "trap"})
    (link,) = [block for block in answer.content if isinstance(block, ResourceLink)]
    (neutral,) = [block for block in trap.content if isinstance(block, ResourceLink)]
    shown: Any = answer.structured_content
    assert (link.uri, link.title, neutral.title) == ("shelf://guides/4111111111111111.md", "Card [card]", "Trap ")
    assert shown["found"][0]["owner"] == "a***@example.com"


async def test_whoever_may_see_more_sees_it_in_the_json(reader: Reader) -> None:
    async with Reader(reader.suite, reader.era, ALL).client() as client:
        shown: Any = (await client.call_tool("find_books", {"word": "start"})).structured_content
    assert shown["found"][0]["owner"] == "ada@example.com"


async def test_a_link_can_be_read(reader: Reader) -> None:
    async with reader.client() as client:
        answer = await client.call_tool("find_books", {"word": "e"})
        links = [block for block in answer.content if isinstance(block, ResourceLink)]
        assert len(links) > 3
        for link in links:
            assert (await client.read_resource(link.uri)).contents[0].mime_type == link.mime_type


async def test_nothing_found_links_nothing_and_a_failure_does_not_either(reader: Reader) -> None:
    async with reader.client() as client:
        nothing = await client.call_tool("find_books", {"word": "nobody"})
        failure = await client.call_tool("find_books", {"word": 7})
    assert [block.type for block in (*nothing.content, *failure.content)] == ["text", "text"]
    assert (nothing.is_error, failure.is_error) == (False, True)


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
async def test_a_client_of_a_version_without_links_is_given_none(shelf: Suite, version: str) -> None:
    reader = Reader(shelf, "legacy")
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    headers = {"Authorization": f"Bearer {reader.token()}", "Accept": "application/json, text/event-stream"}
    async with reader.suite.http() as http:
        opening = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
        opened = await http.post(reader.url, json=opening, headers=headers)
        headers |= {"MCP-Protocol-Version": version, "Mcp-Session-Id": opened.headers["mcp-session-id"]}
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": FIND}
        result = (await http.post(reader.url, json=call, headers=headers)).json()["result"]
    linked = {block["type"] for block in result["content"]} == {"text", "resource_link"}
    assert linked == (version >= "2025-06-18")
    assert result["structuredContent"]["found"]


async def test_the_short_way_links_as_the_sdks_own_does(shelf: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(shelf)
    headers = {**modern_headers("tools/call", FIND), "Authorization": f"Bearer {reader.token()}"}
    async with reader.suite.http() as http:
        body = modern("tools/call", FIND)
        short = (await http.post(reader.url, json=body, headers=headers)).json()["result"]
        monkeypatch.setattr(shortcut, "is_ordinary", lambda _context: False)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
        long = (await http.post(reader.url, json=body, headers=headers)).json()["result"]
    assert len(short["content"]) > 3
    assert short["content"] == long["content"]


def test_a_link_says_nothing_of_what_is_not_known() -> None:
    assert pointed(Link(uri="a://b", name="b").model_dump(mode="json")) == {"uri": "a://b", "name": "b"}


def test_links_show_in_no_list_of_tools() -> None:
    shown = describe(tools.tools["find_books"]).model_dump(by_alias=True, exclude_none=True)
    assert "links" not in shown
    assert "_meta" not in shown


class Hits(Answer):
    listed: list[BookLink]
    bounded: Annotated[list[BookLink], Field(max_length=9)]
    any_links: Sequence[SerializeAsAny[Link]]
    several: tuple[BookLink, ...]
    one: BookLink
    by_name: dict[str, BookLink]
    words: list[str]
    answers: list[Found]
    perhaps: list[BookLink] | None
    text: str


def declare(links: str | None) -> None:
    async def look(call: Call, query: Words) -> Hits:
        """Look."""
        raise NotImplementedError

    run: Callable[..., Awaitable[BaseModel]] = look
    Toolset().read("shelf:read", links=links)(run)


@pytest.mark.parametrize("field", ["listed", "bounded", "any_links", "several", None])
def test_a_field_that_is_a_list_of_links_can_be_linked(field: str | None) -> None:
    declare(field)


@pytest.mark.parametrize(
    "field", ["one", "by_name", "words", "answers", "perhaps", "text", "missing", "", "listed.uri"]
)
def test_a_field_that_is_none_is_refused_at_declaration(field: str) -> None:
    with pytest.raises(Misconfigured, match="name a field of Hits that is a list of Link"):
        declare(field)


def test_the_declaration_is_the_functions_own() -> None:
    assert tools.tools["find_books"].run is find_books
