"""`resources/list` shows what the server's listing finds, page by page, to whoever may use it."""

from collections.abc import Sequence
from typing import Annotated, Any

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from shared.core.errors import Misconfigured
from shared.core.tool import Arguments, Call, Link, Listed, Page
from shared.core.toolset import Toolset
from shared.ops.serving import scopes_of
from shared.ops.stop_words import targets
from shared.steps.policy.schema import targets_of
from shared.steps.redaction import Untrusted
from tests.harness import Databases, Suite, open_suite
from tests.shelf.books import BOOKS
from tests.shelf.reader import Reader
from tests.shelf.server import server
from tests.shelf.tools import PAGE, list_books, uri_of

pytestmark = pytest.mark.anyio

LIST = "resources/list"


async def pages(client: Client) -> list[Any]:
    found: list[Any] = [await client.list_resources()]
    while found[-1].next_cursor is not None:
        found.append(await client.list_resources(cursor=found[-1].next_cursor))
    return found


async def test_all_pages_together_are_what_there_is_in_order(reader: Reader) -> None:
    async with reader.client() as client:
        listed = await pages(client)
    assert [len(page.resources) for page in listed] == [PAGE, PAGE, len(BOOKS) - 2 * PAGE]
    assert [shown.uri for page in listed for shown in page.resources] == [uri_of(name) for name in BOOKS]


async def test_a_listed_resource_says_what_is_known_of_it(reader: Reader) -> None:
    async with reader.raw() as raw:
        result = (await raw.ask(LIST, {}))["result"]
    assert result["resources"][0] == {
        "uri": "shelf://guides/start.md",
        "name": "guides/start.md",
        "title": "Start",
        "mimeType": "text/markdown",
        "size": 21,
        "annotations": {"lastModified": "2026-03-01T12:00:00Z", "priority": 0.5},
    }


async def test_every_listed_resource_can_be_read(reader: Reader) -> None:
    async with reader.client() as client:
        for page in await pages(client):
            for shown in page.resources:
                assert (await client.read_resource(shown.uri)).contents[0].mime_type == shown.mime_type


async def test_names_and_titles_are_masked_and_neutralised_and_uris_are_not(reader: Reader) -> None:
    async with reader.raw() as raw:
        first = (await raw.ask(LIST, {}))["result"]
        second = (await raw.ask(LIST, {"cursor": first["nextCursor"]}))["result"]
    card, trap = second["resources"][:2]
    assert (card["uri"], card["name"], card["title"]) == (
        "shelf://guides/4111111111111111.md",
        "guides/[card].md",
        "Card [card]",
    )
    assert trap["title"] == "Trap "
    assert second["_meta"]["enterprise-mcp-suite/untrusted"] == ["resources.title"]
    assert "ada@example.com" not in str(first)


async def test_every_page_is_private_and_stale_at_once(shelf: Suite) -> None:
    async with Reader(shelf).raw() as raw:
        first = (await raw.ask(LIST, {}))["result"]
        second = (await raw.ask(LIST, {"cursor": first["nextCursor"]}))["result"]
    assert [(page["cacheScope"], page["ttlMs"]) for page in (first, second)] == [("private", 0)] * 2


async def test_a_cursor_of_nobodys_is_invalid_params(reader: Reader) -> None:
    async with reader.raw() as raw:
        for cursor in ("", "x", "%", "AAAA", "A" * 200, "A" * 2049, "é", "\0", 7, ["x"]):
            error = (await raw.ask(LIST, {"cursor": cursor}))["error"]
            assert error["code"] == -32602, cursor
            assert error["message"].startswith("Invalid cursor" if isinstance(cursor, str) else "Invalid")


async def test_a_cursor_of_somebody_else_is_invalid_params(reader: Reader) -> None:
    async with reader.client() as client:
        cursor = (await client.list_resources()).next_cursor
    async with reader.client(sub="another") as client:
        with pytest.raises(MCPError) as refused:
            await client.list_resources(cursor=cursor)
    assert refused.value.error.code == -32602


async def test_a_caller_who_may_not_use_the_listing_is_listed_nothing(reader: Reader) -> None:
    stranger = Reader(reader.suite, reader.era, ("shelf:pii",))
    async with reader.client() as client:
        cursor = (await client.list_resources()).next_cursor
    async with stranger.client() as client:
        answer = await client.list_resources()
        with pytest.raises(MCPError) as refused:
            await client.list_resources(cursor=cursor)
    assert (answer.resources, answer.next_cursor) == ([], None)
    assert refused.value.error.code == -32602


async def test_a_list_is_recorded_with_its_cursor_and_what_was_masked(reader: Reader) -> None:
    async with reader.client(jti=f"lists-{reader.era}") as client:
        first = await client.list_resources()
        await client.list_resources(cursor=first.next_cursor)
        with pytest.raises(MCPError):
            await client.list_resources(cursor="x")
    bad, second, one = [
        record for record in await reader.suite.records(target=LIST) if record["token_id"] == f"lists-{reader.era}"
    ]
    assert [record["outcome"] for record in (one, second, bad)] == ["ok", "ok", "invalid_cursor"]
    assert {record["target_kind"] for record in (one, second, bad)} == {"list"}
    assert one["arguments"]["cursor"] is None
    assert second["arguments"]["cursor"] is not None
    assert "resources.title:card" in second["redacted"]


async def test_lists_are_limited_like_everything(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("limited")
    limits: dict[str, Any] = {"calls_per_minute": 1, "tool_calls_per_minute": 1, "burst": 1}
    opening = open_suite(await databases.fresh(), folder, databases.admin_url, served=[server], **limits)
    async with opening as suite, Reader(suite).raw() as raw:
        assert "result" in await raw.ask(LIST, {})
        assert (await raw.ask(LIST, {}))["error"]["data"]["code"] == "rate_limited"


def test_a_listing_is_a_target_of_policy_of_scopes_and_of_stops() -> None:
    assert [target.kind for target in targets_of(server) if target.name == "shelf.list_books"] == ["list"]
    assert "list_books" in targets(server)
    assert "shelf:read" in scopes_of(server)


class Nothing(Arguments):
    """Nothing is needed."""


class MoreLink(Link):
    title: Annotated[str | None, Untrusted()] = None


class Shelf(Listed):
    of: str


async def list_more(call: Call, query: Page) -> Shelf:
    """More."""
    del call, query
    found: Sequence[MoreLink] = [MoreLink(uri="a://b", name="b")]
    return Shelf(resources=found, of="b")


async def list_none(call: Call, query: Nothing) -> Listed:
    """None."""
    del call, query
    return Listed(resources=[])


async def list_wrong(call: Call, query: Page) -> MoreLink:
    """Wrong."""
    del call, query
    return MoreLink(uri="a://b", name="b")


def test_a_listing_goes_from_a_page_to_what_is_listed_and_there_is_one() -> None:
    tools = Toolset()
    for wrong in (list_none, list_wrong):
        with pytest.raises(Misconfigured, match="Page"):
            tools.listing("shelf:read")(wrong)
    tools.listing("shelf:read")(list_more)
    with pytest.raises(Misconfigured, match="list_more and by list_books"):
        tools.listing("shelf:read")(list_books)
