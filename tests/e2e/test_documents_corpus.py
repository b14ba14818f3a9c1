"""The folder that people will bring: some hundred pages of a specification, with all versions of it."""

import re
import shutil
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from shared.state.embedded_redis import EmbeddedRedis
from tests.clients.documents import LARGEST, characters
from tests.data.corpus import FOLDER, MISSING, WHY
from tests.e2e.corpus_answers import COUNTS, LINKED, NOTHING, OUTLINES, SEARCHES, TITLES
from tests.e2e.ingested import Ingested, ingested
from tests.harness import Databases

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(MISSING, reason=WHY),
    pytest.mark.filterwarnings("ignore:resources/subscribe is removed"),  # in the other era
]

MARKED = re.compile(r"\*\*(.+?)\*\*")


@pytest.fixture(scope="module")
async def shelf(
    databases: Databases, redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Ingested]:
    folder = tmp_path_factory.mktemp("files") / "corpus"
    shutil.copytree(FOLDER, folder)
    async with ingested(databases, redis_server.url, tmp_path_factory.mktemp("data"), folder) as opened:
        report = await opened.command()
        assert report["counts"]["added"] == sum(COUNTS.values())
        assert report["skipped"] == report["ignored"] == []
        yield opened


async def test_a_second_run_changes_nothing(shelf: Ingested) -> None:
    before = await shelf.rows()
    report = await shelf.command()
    assert {name: count for name, count in report["counts"].items() if count} == dict.fromkeys(
        ("found", "unchanged"), sum(COUNTS.values())
    )
    assert await shelf.rows() == before
    assert len(before) == 345


async def test_everything_is_listed_by_folder_and_all_together(shelf: Ingested) -> None:
    assert await shelf.counts() == COUNTS
    for folder in ("", "registry/", "specification/2025-11-25/basic/", "docs/draft/tools/"):
        here = FOLDER / folder
        assert await shelf.level(folder) == sorted(
            f"{entry.name}/" if entry.is_dir() else entry.name for entry in here.iterdir()
        )


async def test_titles_are_those_of_the_pages(shelf: Ingested) -> None:
    paths = list(TITLES)
    rows = await shelf.replicas[0].sql(
        "SELECT path, title FROM documents.documents WHERE collection = $1 AND path = ANY($2)", shelf.collection, paths
    )
    assert {row["path"]: row["title"] for row in rows} == TITLES
    assert len(TITLES) >= 25


@pytest.mark.parametrize(("path", "headings"), OUTLINES.items())
async def test_an_outline_has_the_headings_of_the_page(
    shelf: Ingested, path: str, headings: list[tuple[int, str]]
) -> None:
    assert await shelf.outline(path) == headings


@pytest.mark.parametrize(("path", "linked"), LINKED.items())
async def test_links_lead_to_the_pages_that_are_meant(
    shelf: Ingested, path: str, linked: tuple[set[str], set[str]]
) -> None:
    links_to, linked_from = linked
    assert await shelf.related(path, "links_to") == links_to
    # What links both ways is told as what the page links to.
    assert await shelf.related(path, "linked_from") == linked_from - links_to


@pytest.mark.parametrize(("query", "first"), SEARCHES.items())
async def test_a_search_finds_first_what_a_reader_would_look_for(shelf: Ingested, query: str, first: str) -> None:
    answer = await shelf.desk.call("search_documents", query=query, collection=shelf.collection)
    hit = answer["found"][0]
    assert re.fullmatch(first, hit["name"]), [found["name"] for found in answer["found"]]
    marked = {word.lower() for word in MARKED.findall(hit["snippet"])}
    stems = [word[:3].lower() for word in re.findall(r"\w{3,}", query)]
    assert marked, hit["snippet"]
    assert all(any(word.startswith(stem) for stem in stems) for word in marked), (marked, hit["snippet"])


@pytest.mark.parametrize("query", NOTHING)
async def test_a_word_that_is_nowhere_finds_nothing_and_what_to_do_is_said(shelf: Ingested, query: str) -> None:
    answer = await shelf.desk.call("search_documents", query=query, collection=shelf.collection)
    assert (answer["found"], answer["total"]) == ([], 0)
    assert "other words" in answer["advice"]


async def test_what_is_excluded_is_in_no_hit(shelf: Ingested) -> None:
    with_it, without = [
        await shelf.desk.found(query, collection=shelf.collection, limit=25)
        for query in ("antitrust", "antitrust -charter")
    ]
    assert set(without) < set(with_it)
    for uri in without:
        assert "charter" not in (FOLDER / uri.removeprefix(f"doc://{shelf.collection}/")).read_text().lower()


async def test_a_section_that_was_found_holds_what_the_snippet_shows(shelf: Ingested) -> None:
    answer = await shelf.desk.call("search_documents", query="mcp-publisher login dns", collection=shelf.collection)
    hit = answer["found"][0]
    section = await shelf.desk.call("read_section", uri=hit["uri"], section=hit["section"])
    for word in MARKED.findall(hit["snippet"]):
        assert word in section["text"]


async def test_no_answer_over_it_is_longer_than_clients_pass_on(shelf: Ingested) -> None:
    sizes = [(path.stat().st_size, str(path.relative_to(FOLDER))) for path in FOLDER.rglob("*.mdx")]
    largest = [shelf.uri(path) for _, path in sorted(sizes)[-6:]]
    folders = ["", "seps/", "registry/", "specification/draft/", "docs/draft/tools/inspector/"]
    asked: list[tuple[str, dict[str, Any]]] = [
        *(("list_collection", {"collection": shelf.collection, "folder": folder}) for folder in folders),
        *(("search_documents", {"query": query}) for query in ("server", "tools", *list(SEARCHES)[:10])),
    ]
    for tool in ("get_document_outline", "read_section", "find_related"):
        asked += [(tool, {"uri": uri}) for uri in largest]
    longest: dict[str, int] = {}
    async with shelf.replicas[0].connect("support", server="documents") as client:
        for tool, arguments in asked:
            size = characters(await client.call_tool(tool, arguments))
            longest[tool] = max(size, longest.get(tool, 0))
    assert {tool: size for tool, size in longest.items() if size > LARGEST} == {}


async def test_one_edited_page_is_indexed_anew_and_followers_behind_any_replica_are_told(shelf: Ingested) -> None:
    before = await shelf.rows()
    path = "community/antitrust.mdx"
    page = shelf.folder / path
    page.write_text(page.read_text() + "\n## Quokkas\n\nQuokkas are not a cartel.\n")
    reports: list[dict[str, Any]] = []

    async def change() -> None:
        reports.append(await shelf.command())

    assert await shelf.told(path, change) == [shelf.uri(path)] * 2
    assert (reports[0]["changed"], reports[0]["counts"]["unchanged"]) == ([path], 344)
    after = await shelf.rows()
    assert {row for row in before if path not in row} <= set(after)
    assert len(after) == len(before) + 1
    answer = await shelf.desk.call("search_documents", query="quokka cartels", collection=shelf.collection)
    assert [(hit["name"], hit["section"], hit["version"]) for hit in answer["found"]] == [(path, "quokkas", 2)]
