"""Levels of a collection, page by page, whatever the names: as one who has all paths would list them."""

import random
from collections.abc import Sequence
from typing import Any

import pytest

from tests.harness import Suite
from tests.servers.documents.desk import Desk, some_collection
from tests.servers.documents.stock import stock

pytestmark = pytest.mark.anyio

# Around '/' in the order of bytes (' ' … '.' '/' '0'), with the same beginnings, and beyond two and three bytes.
NAMES = (
    *(
        "a",
        "a'",
        "a(",
        "a)",
        "a+",
        "a,",
        "a-",
        "a.",
        "a.md",
        "a0",
        "a00",
        "a1",
        "a@",
        "aZ",
        "a_",
        "aa",
        "a~",
        "a b",
        "a-b",
    ),
    *("0", "-", ".a", "a é", "é", "ａ", "\uffdc", "𐐀", "𐐀0", "𠀀", "a𐐀", "a𠀀"),
)


def some_paths() -> list[str]:
    chance = random.Random(7)
    paths = {*NAMES}
    for _ in range(120):
        paths.add("/".join(chance.choice(NAMES) for _ in range(chance.randint(2, 4))))
    return sorted(paths)


def level(paths: Sequence[str], folder: str, begun: str = "") -> list[str]:
    """The names on one level: documents, and folders with a slash."""
    inside = [path.removeprefix(folder) for path in paths if path.startswith(folder + begun)]
    return sorted({name[: name.index("/") + 1] if "/" in name else name for name in inside})


@pytest.fixture(scope="module")
async def where(suite: Suite) -> str:
    """A collection in which every third path is hidden from support."""
    collection = some_collection()
    paths = some_paths()
    shown = {path: b"Text.\n" for number, path in enumerate(paths) if number % 3}
    hidden = {path: b"Text.\n" for number, path in enumerate(paths) if not number % 3}
    await stock(suite.urls, collection, shown)
    await stock(suite.urls, collection, hidden, readers=["role:manager"])
    return collection


def paths_for(persona: str) -> list[str]:
    return [path for number, path in enumerate(some_paths()) if number % 3 or persona == "manager"]


async def listed(desk: Desk, limit: int, **where: Any) -> list[str]:
    names: list[str] = []
    cursor = None
    for _ in range(200):
        page = await desk.call("list_collection", **where, limit=limit, cursor=cursor)
        names += [entry["name"] for entry in page["entries"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return names
    raise AssertionError("pages without an end")


@pytest.mark.parametrize("persona", ["manager", "support"])
async def test_every_level_is_whole_by_pages_of_any_size(suite: Suite, where: str, persona: str) -> None:
    desk, paths = Desk(suite, persona), paths_for(persona)
    folders = {path[: path.index("/") + 1] for path in paths if "/" in path}
    assert await listed(desk, 200, collection=where) == level(paths, "")
    assert await listed(desk, 1, collection=where) == level(paths, "")
    for folder in sorted(folders)[::5]:
        assert await listed(desk, 3, collection=where, folder=folder) == level(paths, folder), folder


@pytest.mark.parametrize("persona", ["manager", "support"])
async def test_completion_goes_on_as_the_level_does(suite: Suite, where: str, persona: str) -> None:
    token, paths = suite.token(persona, "documents"), paths_for(persona)
    for begun in ("", "a", "a.", "a/", "a/a", "a0", "a b", "é", "𐐀", "𐐀/", "a𐐀", "\uffdc", "a/a/"):
        folder = begun[: begun.rfind("/") + 1]
        expected = [folder + name for name in level(paths, folder, begun.removeprefix(folder))]
        params: dict[str, Any] = {
            "ref": {"type": "ref/resource", "uri": "doc://{collection}/{+path}{?version,section,offset}"},
            "argument": {"name": "path", "value": begun},
            "context": {"arguments": {"collection": where}},
        }
        said = await suite.post(token, "completion/complete", params, server="documents")
        assert said.json()["result"]["completion"]["values"] == expected, begun
