"""Browsing, by the tool and by resources."""

import json
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError

from tests.harness import ERAS, Suite
from tests.servers.documents.desk import Desk, some_collection
from tests.servers.documents.stock import stock

pytestmark = pytest.mark.anyio

PATHS = (
    "a.md", "a/1.md", "a/2.md", "a/b/3.md", "a b/4.md", "a+b.md", "a-b/5.md", "b.md", "z/y/x/6.md", "ä.md", "ä/7.md",
)  # fmt: skip
TOP = ["a b/", "a+b.md", "a-b/", "a.md", "a/", "b.md", "z/", "ä.md", "ä/"]
"""As bytes of the paths are in order: a folder stands where its documents do."""


@pytest.fixture(scope="module")
async def where(suite: Suite) -> str:
    collection = some_collection()
    await stock(suite.urls, collection, {path: f"# Of {path}\n".encode() for path in PATHS})
    return collection


@pytest.fixture(scope="module")
def desk(suite: Suite) -> Desk:
    return Desk(suite, "support")


async def names(desk: Desk, where: str, folder: str = "", **more: Any) -> list[str]:
    listed = await desk.call("list_collection", collection=where, folder=folder, **more)
    return [entry["name"] for entry in listed["entries"]]


async def test_one_level_has_its_folders_once_and_its_documents(desk: Desk, where: str) -> None:
    assert await names(desk, where) == TOP
    assert await names(desk, where, "a/") == ["1.md", "2.md", "b/"]
    assert await names(desk, where, "a/b/") == ["3.md"]
    assert await names(desk, where, "z/") == ["y/"]
    assert await names(desk, where, "ä/") == ["7.md"]


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_pages_of_a_level_leave_nothing_out_and_repeat_nothing(desk: Desk, where: str, limit: int) -> None:
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        more = {"cursor": cursor} if cursor else {}
        page = await desk.call("list_collection", collection=where, limit=limit, **more)
        found += [entry["name"] for entry in page["entries"]]
        cursor = page["next_cursor"]
        assert len(page["entries"]) <= limit
    assert found == TOP


async def test_an_entry_says_what_it_is_and_where(desk: Desk, where: str) -> None:
    listed = await desk.call("list_collection", collection=where)
    entries = {entry["name"]: entry for entry in listed["entries"]}
    assert (entries["a/"]["kind"], entries["a/"]["uri"]) == ("folder", f"doc://{where}/a/")
    assert entries["a b/"]["uri"] == f"doc://{where}/a%20b/"
    document = entries["ä.md"]
    assert (document["kind"], document["uri"]) == ("document", f"doc://{where}/%C3%A4.md")
    assert (document["title"], document["version"], document["classification"]) == ("Of ä.md", 1, "internal")
    collections = (await desk.call("list_collection"))["entries"]
    counted = {entry["name"]: entry["documents"] for entry in collections if entry["kind"] == "collection"}
    assert counted[where] == len(PATHS)
    assert counted["handbook"] == 6, "two of eight are not for support"


@pytest.mark.parametrize("folder", ["none/", "a/b/c/", "a.md/", "A/"])
async def test_a_folder_that_is_not_there_is_said_to_be_missing(desk: Desk, where: str, folder: str) -> None:
    answer = await desk.call("list_collection", collection=where, folder=folder)
    assert answer["error"]["code"] == "not_found"
    assert "list_collection without arguments" in answer["error"]["message"]
    assert "error" in await desk.read(f"doc://{where}/{folder}")


@pytest.mark.parametrize("folder", ["a", "/a/", "/", "../"])
async def test_a_folder_that_is_none_is_refused(desk: Desk, where: str, folder: str) -> None:
    assert await desk.code("list_collection", collection=where, folder=folder) in {"invalid", "not_found"}


async def test_a_cursor_is_for_the_same_list_and_the_same_person(suite: Suite, desk: Desk, where: str) -> None:
    page = await desk.call("list_collection", collection=where, limit=2)
    cursor = page["next_cursor"]
    for arguments in (
        {"collection": where, "folder": "a/", "limit": 2},
        {"collection": "handbook", "limit": 2},
        {"limit": 2},
    ):
        assert await refused(desk, **arguments, cursor=cursor)
    for other in (Desk(suite, "manager"), Desk(suite, "outsider")):
        assert await refused(other, collection=where, limit=2, cursor=cursor)
    assert await refused(desk, collection=where, limit=2, cursor="x" * 100)
    assert not await refused(desk, collection=where, limit=2, cursor=cursor)


async def refused(desk: Desk, **arguments: Any) -> bool:
    """Whether the cursor is taken for nobody's, which is an error of JSON-RPC."""
    token = desk.suite.token(desk.persona, "documents")
    params = {"name": "list_collection", "arguments": arguments}
    answer = (await desk.suite.post(token, "tools/call", params, server="documents")).json()
    return "error" in answer and answer["error"]["code"] == -32602


async def test_what_is_put_away_is_not_listed_nor_is_a_folder_without_more(suite: Suite) -> None:
    where, editor = some_collection(), Desk(suite)
    await editor.put(f"doc://{where}/kept.md")
    await editor.put(f"doc://{where}/folder/gone.md")
    assert await names(editor, where) == ["folder/", "kept.md"]
    await editor.call("archive_document", uri=f"doc://{where}/folder/gone.md", if_version=1)
    assert await names(editor, where) == ["kept.md"]
    counted = {entry["name"]: entry["documents"] for entry in (await editor.call("list_collection"))["entries"]}
    assert counted[where] == 1


@pytest.mark.parametrize("era", ERAS)
async def test_folders_are_resources_with_the_same_entries(suite: Suite, desk: Desk, where: str, era: str) -> None:
    async with suite.connect("support", era, "documents") as client:
        for uri, folder in ((f"doc://{where}", ""), (f"doc://{where}/a/", "a/"), (f"doc://{where}/a%20b/", "a b/")):
            (held,) = (await client.read_resource(uri)).contents
            index = json.loads(held.model_dump()["text"])
            listed = await desk.call("list_collection", collection=where, folder=folder)
            assert (index["entries"], index["more"]) == (listed["entries"], False)
            assert held.mime_type == "application/json"


async def test_a_folder_too_large_for_a_resource_says_that_there_is_more(suite: Suite, desk: Desk) -> None:
    where = some_collection()
    await stock(suite.urls, where, {f"{number:03}.txt": b"Short.\n" for number in range(501)})
    index = json.loads((await desk.read(f"doc://{where}"))["contents"][0]["text"])
    assert (len(index["entries"]), index["more"]) == (500, True)


@pytest.mark.parametrize("era", ERAS)
async def test_resources_are_listed_collections_first_then_the_latest_change(suite: Suite, era: str) -> None:
    where, editor = some_collection(), Desk(suite)
    for name in ("one", "two", "three"):
        await editor.put(f"doc://{where}/{name}.md")
    await editor.put(f"doc://{where}/one.md", "# Changed\n", if_version=1)
    async with suite.connect("support", era, "documents") as client:
        page = await client.list_resources()
        collections = [entry.uri for entry in page.resources if "/" not in entry.uri.removeprefix("doc://")]
        assert [entry.uri for entry in page.resources[: len(collections)]] == collections == sorted(collections)
        latest = page.resources[len(collections) :][:3]
        assert [entry.uri for entry in latest] == [f"doc://{where}/{name}.md" for name in ("one", "three", "two")]
        assert (latest[0].title, latest[0].mime_type, latest[0].size) == ("Changed", "text/markdown", 10)
        assert latest[0].annotations is not None
        assert latest[0].annotations.model_dump()["last_modified"] is not None
        with pytest.raises(MCPError) as refused:
            await client.list_resources(cursor="x" * 60)
    assert refused.value.error.code == -32602
