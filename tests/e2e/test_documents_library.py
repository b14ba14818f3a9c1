"""A folder becomes a collection, and follows its folder: a library of every kind of file."""

from collections.abc import AsyncGenerator

import pytest

from shared.state.embedded_redis import EmbeddedRedis
from tests.data.library import BIRDS, TITLES, junk, library, write
from tests.e2e.ingested import Ingested, ingested
from tests.harness import Databases

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:resources/subscribe is removed"),  # in the other era
]

KINDS = {
    "text/markdown": 1 + 1 + 24 + 16 + 1 + 1 + 1 + 1,
    "text/mdx": 1,
    "text/html": 2,
    "text/plain": 3,
    "application/pdf": 2,
    "image/png": 1,
    "image/jpeg": 1,
    "image/gif": 1,
    "image/webp": 1,
}
SEARCHES: dict[str, str | None] = {
    "gannet": "ferries/gannet.md",
    "GANNET timetable": "ferries/gannet.md",
    "fire": "safety/fire.mdx",
    "oil lid": "safety/fire.mdx",
    '"carbon dioxide"': "safety/fire.mdx",
    '"dioxide carbon"': None,
    "evacu* crew": "safety/evacuation.html",
    "bilge pumps": "safety/checklist.txt",
    "gruße": "notes/over the sea/grüße von drüben.md",
    "möwe": "notes/over the sea/grüße von drüben.md",
    "spring tides": "notes/tides.markdown",
    "chandler -charter": "inbox/letter.md",
    "drawings scale": "plans/drawings.pdf",
    "meals": "safety/muster.pdf",
    "obey": None,
    "alarms in the engine room": "safety/fire.mdx",
    "What do I do when oil burns in the galley?": "safety/fire.mdx",
    "gannnet": None,
    "alert instructions hidden": "inbox/letter.md",
}
"""Query → path of the first hit."""


@pytest.fixture(scope="module")
async def shelf(
    databases: Databases, redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Ingested]:
    folder = write(tmp_path_factory.mktemp("files") / "library", {**library(), **junk()})
    data = tmp_path_factory.mktemp("data")
    async with ingested(databases, redis_server.url, data, folder) as opened:
        report = await opened.ingest()
        assert report["counts"]["added"] == len(library())
        yield opened


async def test_a_second_run_changes_nothing_and_says_what_is_left_out_and_why(shelf: Ingested) -> None:
    before = await shelf.rows()
    report = await shelf.ingest()
    assert {name: count for name, count in report["counts"].items() if count} == {
        **{"found": len(library()) + 4, "unchanged": len(library())},
        **{"skipped": 4, "ignored": 1},
    }
    assert {each["path"]: each["code"] for each in report["skipped"]} == {
        "empty.md": "empty",
        "latin.txt": "encoding",
        "bundle.zip": "archive",
        "safety/program.md": "unsupported",
    }
    assert [each["path"] for each in report["ignored"]] == [".hidden.md"]
    assert await shelf.rows() == before


async def test_every_file_is_there_under_its_path_with_its_title_and_kind(shelf: Ingested) -> None:
    rows = await shelf.replicas[0].sql(
        "SELECT path, title, media_type FROM documents.documents WHERE collection = $1", shelf.collection
    )
    assert {row["path"] for row in rows} == library().keys()
    titles = {row["path"]: row["title"] for row in rows}
    assert {path: titles[path] for path in TITLES} == TITLES
    kinds = [row["media_type"] for row in rows]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == KINDS
    tops = [path.partition("/")[0] if "/" in path else "" for path in library()]
    assert await shelf.counts() == {top: tops.count(top) for top in tops}


async def test_outlines_and_links_are_those_of_the_files(shelf: Ingested) -> None:
    assert await shelf.outline("safety/fire.mdx") == [(1, "Fire"), (2, "Engine room"), (2, "Galley")]
    assert await shelf.outline("safety/evacuation.html") == [(1, "Leaving the ship"), (2, "Slides")]
    assert await shelf.outline("safety/muster.pdf") == [(1, "Travel"), (1, "Expenses"), (2, "Meals")]
    assert await shelf.related("index.md", "links_to") == {
        "safety/fire.mdx", "safety/evacuation.html", "ferries/README.md", "quays/quay-01.md",
    }  # fmt: skip
    assert await shelf.related("index.md", "linked_from") == {"notes/a/b/c/d/e/deep.md"}
    assert await shelf.related("ferries/README.md", "links_to") == {f"ferries/{bird.lower()}.md" for bird in BIRDS}
    assert await shelf.related("safety/checklist.txt", "linked_from") == {"safety/evacuation.html"}


@pytest.mark.parametrize(("query", "path"), SEARCHES.items())
async def test_a_search_finds_what_a_reader_would_expect_first(shelf: Ingested, query: str, path: str | None) -> None:
    answer = await shelf.desk.call("search_documents", query=query, collection=shelf.collection)
    assert [hit["name"] for hit in answer["found"][:1]] == ([path] if path else [])
    assert all(hit["snippet"].count("**") >= 2 for hit in answer["found"][:1])


async def test_one_edited_file_is_one_new_version_and_followers_behind_any_replica_are_told(shelf: Ingested) -> None:
    before = await shelf.rows()
    edited = shelf.folder / "ferries" / "puffin.md"
    edited.write_text(edited.read_text() + "\nSold for a guinea.\n")
    reports: list[dict[str, object]] = []

    async def change() -> None:
        reports.append(await shelf.ingest())

    assert await shelf.told("ferries/puffin.md", change) == [shelf.uri("ferries/puffin.md")] * 2
    assert reports[0]["changed"] == ["ferries/puffin.md"]
    after = await shelf.rows()
    assert {row for row in before if "puffin" not in row} <= set(after)
    assert len(after) == len(before) + 1
    assert await shelf.desk.found("guinea", collection=shelf.collection) == [shelf.uri("ferries/puffin.md")]
    compared = await shelf.desk.call("compare_versions", uri=shelf.uri("ferries/puffin.md"), from_version=1)
    assert compared["diff"].endswith("+Sold for a guinea.\n")


async def test_what_somebody_writes_at_one_replica_is_heard_at_the_other(shelf: Ingested) -> None:
    uri = shelf.uri("quays/quay-05.md")

    async def change() -> None:
        await shelf.desk.put(uri, "# Quay 5\n\nClosed.\n", if_version=1)

    assert await shelf.told("quays/quay-05.md", change) == [uri] * 2
