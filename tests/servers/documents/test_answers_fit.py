"""Whatever is in the documents, an answer has no more than clients pass on to a model, and says how to get the rest."""

from typing import Any

import pytest
from mcp import Client

from servers.documents.addresses import uri_of
from servers.documents.server import server
from tests.clients.documents import LARGEST, characters
from tests.harness import Suite
from tests.servers.documents.desk import Desk, some_collection
from tests.servers.documents.stock import stock

pytestmark = pytest.mark.anyio

SECTIONS = 2_600
WIDE = 60
FOLDER = "/".join(["ü" * 100] * 4) + "/"


def a_long_one() -> bytes:
    """2 MB, with headings as long as they can be."""
    heading = ('Heading "wörd" ' * 20)[:285]
    return "".join(f"# {number:05} {heading}\n\n{'text ' * 95}\n\n" for number in range(SECTIONS)).encode()


def a_wide_one(number: int) -> tuple[str, bytes]:
    """One of which everything but the text is as long as it can be."""
    path = f"{FOLDER}{number:03}-{'ä' * (512 - len(FOLDER) - 7)}.md"
    labels = ", ".join(f"l{label:02}{'g' * 36}" for label in range(20))
    front = f"title: {'“x” ' * 75}\ndescription: {'“y” ' * 150}\ntags: [{labels}]"
    return path, f"---\n{front}\n---\n\nWombat. See [the last](/last.md).\n".encode()


@pytest.fixture(scope="module")
async def where(suite: Suite) -> str:
    """A collection with a long document, and with wide ones that all link to the last, and it to them."""
    collection = some_collection()
    wide = dict(a_wide_one(number) for number in range(WIDE))
    links = "".join(f"- [it](</{path}>)\n" for path in wide)
    files = {"long.md": a_long_one(), **wide, "last.md": f"# Last\n\n{links}".encode()}
    assert len(files["long.md"]) > 2_000_000
    await stock(suite.urls, collection, files)
    return collection


async def test_no_answer_is_longer_than_clients_pass_on(suite: Suite, where: str) -> None:
    long, last, wide = (uri_of(where, path) for path in ("long.md", "last.md", a_wide_one(7)[0]))
    readers = ["tenant", *(f"role:{'r' * 290}{number}" for number in range(49))]
    asked: list[tuple[str, dict[str, Any]]] = [
        ("list_collection", {}),
        ("list_collection", {"collection": where}),
        ("list_collection", {"collection": where, "folder": FOLDER}),
        ("search_documents", {"query": "wombat", "collection": where}),
        ("search_documents", {"query": "heading", "collection": where}),
        ("find_related", {"uri": wide}),
        ("find_related", {"uri": last}),
        *((tool, {"uri": uri}) for tool in ("get_document_outline", "read_section") for uri in (long, wide)),
        ("put_document", {"uri": long, "content": "# New\n\n" + '"x"\n' * 8_000, "if_version": 1}),
        ("compare_versions", {"uri": long, "from_version": 1}),
        ("put_document", {"uri": wide, "labels": ["one"], "readers": readers, "if_version": 1}),
        ("compare_versions", {"uri": wide, "from_version": 1}),
        ("move_document", {"uri": wide, "to": uri_of(where, "moved.md"), "if_version": 2}),
    ]
    sizes: dict[str, int] = {}
    failed: list[Any] = []

    async def ask(client: Client, tool: str, arguments: dict[str, Any]) -> Any:
        result: Any = await client.call_tool(tool, arguments)
        sizes[tool] = max(sizes.get(tool, 0), characters(result))
        failed.extend([result.structured_content] if result.is_error else [])
        return result.structured_content

    async with suite.connect("manager", server="documents") as client:
        for tool, arguments in asked:
            await ask(client, tool, arguments)
        archived = await ask(client, "archive_document", {"uri": uri_of(where, "moved.md"), "if_version": 3})
        await ask(client, "restore_document", {"document_id": archived.get("document_id")})
    assert failed == []
    assert sizes.keys() == server.tools.tools.keys()
    assert {tool: size for tool, size in sizes.items() if size > LARGEST} == {}


async def pages(desk: Desk, tool: str, **arguments: Any) -> list[dict[str, Any]]:
    """Every page of an answer."""
    found = [await desk.call(tool, **arguments)]
    while (cursor := found[-1]["next_cursor"]) is not None and len(found) < WIDE:
        found.append(await desk.call(tool, **arguments, cursor=cursor))
    return found


async def test_an_outline_goes_on_where_it_was_cut(suite: Suite) -> None:
    desk, uri = Desk(suite), f"doc://{some_collection()}/long.md"
    await desk.put(uri, a_long_one().decode()[:700_000])
    found = [await desk.call("get_document_outline", uri=uri)]
    while (offset := found[-1]["next_offset"]) is not None and len(found) < WIDE:
        assert f"offset {offset}" in found[-1]["advice"]
        found.append(await desk.call("get_document_outline", uri=uri, offset=offset))
    sections = [each["section"] for outline in found for each in outline["sections"]]
    assert len(found) > 2
    assert len(sections) == len(set(sections)) == found[-1]["sections_in_all"] > 800
    assert found[-1]["advice"] is None
    assert await desk.code("get_document_outline", uri=uri, offset=len(sections)) == "invalid"


async def test_a_listing_that_was_cut_goes_on_and_leaves_nothing_out(suite: Suite, where: str) -> None:
    found = await pages(Desk(suite), "list_collection", collection=where, folder=FOLDER, limit=200)
    names = [entry["name"] for page in found for entry in page["entries"]]
    assert names == sorted(set(names))
    assert len(names) >= WIDE - 1, "another test moves one"
    assert len(found) > 2


async def test_collections_are_listed_in_pages_too(suite: Suite) -> None:
    desk = Desk(suite)
    for _ in range(3):
        await desk.put(f"doc://{some_collection()}/a.md")
    (everything,) = await pages(desk, "list_collection")
    one_by_one = await pages(desk, "list_collection", limit=1)
    assert [entry for page in one_by_one for entry in page["entries"]] == everything["entries"]
    assert await desk.code("list_collection", folder="security/") == "invalid"


async def test_what_is_related_says_when_there_is_more(suite: Suite, where: str) -> None:
    desk, last = Desk(suite), uri_of(where, "last.md")
    cut = await desk.call("find_related", uri=last)
    assert "limit" in cut["advice"]
    whole = await desk.call("find_related", uri="doc://handbook/security/passwords.md")
    assert whole["advice"] is None


async def test_a_search_that_was_cut_goes_on_and_leaves_nothing_out(suite: Suite, where: str) -> None:
    found = await pages(Desk(suite), "search_documents", query="wombat", collection=where, limit=25)
    uris = [hit["uri"] for page in found for hit in page["found"]]
    assert len(uris) == len(set(uris)) == found[0]["total"] >= WIDE - 1
    assert len(found) > 3


async def test_the_longest_path_there_can_be_is_read_like_any_other(suite: Suite, where: str) -> None:
    path, _ = a_wide_one(3)
    uri = uri_of(where, path)
    assert (len(path), len(uri) > 2_000) == (512, True)
    desk = Desk(suite)
    assert "Wombat" in (await desk.call("read_section", uri=uri))["text"]
    assert "Wombat" in (await desk.read(uri))["contents"][0]["text"]
