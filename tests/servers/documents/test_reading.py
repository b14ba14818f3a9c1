"""Finding and reading, as somebody does who has tools alone."""

import pytest

from tests.harness import Suite
from tests.servers.documents.desk import Desk, some_collection

pytestmark = pytest.mark.anyio

LONG = (
    "# Guide\n\nIntroduction.\n\n## Setup\n\n"
    + "Install the widget.\n" * 300
    + "\n### Linux\n\nUse the package.\n\n## Use\n\nTurn it on.\n"
)


@pytest.fixture(scope="module")
def desk(suite: Suite) -> Desk:
    return Desk(suite)


async def test_search_then_read_section_gives_the_answer(desk: Desk) -> None:
    answer = await desk.call("search_documents", query="rotate keys of machines")
    hit = answer["found"][0]
    assert hit["uri"] == "doc://handbook/security/passwords.md"
    assert hit["section"] == "rotation"
    assert "**rotated**" in hit["snippet"]
    section = await desk.call("read_section", uri=hit["uri"], section=hit["section"])
    assert section["heading"] == "Rotation"
    assert section["text"].startswith("## Rotation\n")
    assert "Take the old key out after one day." in section["text"]
    assert "When one leaked" not in section["text"]
    length = len(section["text"])
    assert section["cut"] == {"shown_from": 0, "shown": length, "total": length, "next_offset": None, "rest": None}


async def test_word_endings_accents_and_punctuation_do_not_matter(desk: Desk) -> None:
    where = some_collection()
    uri = f"doc://{where}/a.md"
    await desk.put(uri, "# Crème brûlée\n\nCall tools/list, then pass the snake_case_name.\n")
    for query in ("creme", "CRÈME", "tools", "tools/list", "snake case", "calling", '"tools list"', "brul*"):
        assert await desk.found(query, collection=where) == [uri], query
    for query in ('"list tools"', "creme -tools", "brul"):
        assert await desk.found(query, collection=where) == [], query


async def test_without_a_document_with_all_words_those_with_any_are_shown_and_it_is_said(desk: Desk) -> None:
    where = some_collection()
    await desk.put(f"doc://{where}/a.md", "# Apples\n\nApples are red.\n")
    await desk.put(f"doc://{where}/b.md", "# Pears\n\nPears are green.\n")
    answer = await desk.call("search_documents", query="apples pears", collection=where)
    assert answer["matched"] == "any"
    assert {hit["title"] for hit in answer["found"]} == {"Apples", "Pears"}
    answer = await desk.call("search_documents", query="apples OR pears", collection=where)
    assert (answer["matched"], answer["total"], answer["total_is_exact"]) == ("all", 2, True)


async def test_a_title_counts_more_than_text(desk: Desk) -> None:
    where = some_collection()
    await desk.put(f"doc://{where}/a.md", "# Fruit\n\nA quince now and then, quince jam.\n")
    await desk.put(f"doc://{where}/b.md", "# Quince\n\nA fruit.\n")
    assert (await desk.found("quince", collection=where))[0] == f"doc://{where}/b.md"


async def test_search_is_narrowed_by_label_and_date_and_paged(desk: Desk) -> None:
    where = some_collection()
    for number in range(5):
        labels = ["even"] if number % 2 == 0 else ["odd"]
        await desk.put(f"doc://{where}/{number}.md", f"# Page {number}\n\nSame words.\n", labels=labels)
    assert len(await desk.found("words", collection=where, label="even")) == 3
    assert await desk.found("words", collection=where, updated_after="2100-01-01T00:00:00Z") == []
    assert len(await desk.found("words", collection=where, updated_before="2100-01-01T00:00:00Z")) == 5
    seen: list[str] = []
    cursor = None
    for _ in range(3):
        page = await desk.call("search_documents", query="words", collection=where, limit=2, cursor=cursor)
        seen += [hit["uri"] for hit in page["found"]]
        cursor = page["next_cursor"]
    assert cursor is None
    assert len(seen) == len(set(seen)) == 5


@pytest.mark.parametrize(
    "query", ["the and of", "-", '""', "***", "\u200b", "OR", "'; DROP TABLE", "a & | ! <-> :*", "\\"]
)
async def test_a_query_without_words_finds_nothing_and_is_no_error(desk: Desk, query: str) -> None:
    answer = await desk.call("search_documents", query=query)
    assert answer["found"] == [] or query == "'; DROP TABLE", answer
    assert answer["advice"] or answer["found"]


async def test_an_outline_names_the_sections_with_their_sizes(desk: Desk) -> None:
    uri = f"doc://{some_collection()}/guide.md"
    await desk.put(uri, LONG)
    outline = await desk.call("get_document_outline", uri=uri)
    assert [(each["section"], each["level"]) for each in outline["sections"]] == [
        ("guide", 1), ("setup", 2), ("linux", 3), ("use", 2),
    ]  # fmt: skip
    assert sum(each["characters"] for each in outline["sections"]) == outline["characters"] == len(LONG)
    assert outline["document"]["version"] == 1


async def test_a_long_section_is_cut_and_its_rest_can_be_had(desk: Desk) -> None:
    uri = f"doc://{some_collection()}/guide.md"
    await desk.put(uri, LONG)
    read, offset = "", 0
    for _ in range(20):
        part = await desk.call("read_section", uri=uri, section="setup", offset=offset, max_characters=1000)
        assert len(part["text"]) <= 1000
        read += part["text"]
        if part["cut"]["next_offset"] is None:
            break
        offset = part["cut"]["next_offset"]
        assert f"offset {offset}" in part["cut"]["rest"]
    assert read == LONG[LONG.index("## Setup") : LONG.index("## Use")]
    beyond = await desk.call("read_section", uri=uri, section="use", offset=10_000)
    assert (beyond["text"], beyond["cut"]["next_offset"]) == ("", None)


async def test_the_uri_of_a_section_reads_the_section(desk: Desk) -> None:
    uri = f"doc://{some_collection()}/guide.md"
    await desk.put(uri, LONG)
    part = await desk.call("read_section", uri=f"{uri}?section=use")
    assert part["text"] == "## Use\n\nTurn it on.\n"


async def test_a_section_of_an_earlier_version_is_read_as_it_was(desk: Desk) -> None:
    uri = f"doc://{some_collection()}/guide.md"
    await desk.put(uri, "# A\n\n## Old\n\nWas here.\n\n## New\n\nOne.\n")
    await desk.put(uri, "# A\n\n## New\n\nTwo.\n", if_version=1)
    old = await desk.call("read_section", uri=uri, section="old", version=1)
    assert old["text"] == "## Old\n\nWas here.\n\n"
    assert await desk.code("read_section", uri=uri, section="old") == "not_found"
    assert await desk.code("read_section", uri=uri, version=3) == "not_found"


async def test_what_is_missing_is_said_with_a_way_on(desk: Desk) -> None:
    answer = await desk.call("read_section", uri="doc://handbook/nothing.md")
    assert answer["error"]["code"] == "not_found"
    assert "search_documents" in answer["error"]["message"]
    answer = await desk.call("read_section", uri="doc://handbook/index.md", section="nowhere")
    assert "get_document_outline" in answer["error"]["message"]


async def test_related_documents_are_linked_linking_and_alike(desk: Desk) -> None:
    where = some_collection()
    await desk.put(f"doc://{where}/index.md", "# Home\n\nSee [the guide](guide/setup.md).\n")
    await desk.put(
        f"doc://{where}/guide/setup.md", "# Setup\n\nSee [use](./use) and [elsewhere](https://example.com).\n"
    )
    await desk.put(f"doc://{where}/guide/use.mdx", "# Use\n\nBack [home](/).\n")
    await desk.put(f"doc://{where}/other.md", "# Setup of others\n\nNothing.\n")
    found = (await desk.call("find_related", uri=f"doc://{where}/guide/setup.md"))["found"]
    related = {each["uri"].removeprefix(f"doc://{where}/"): each["relation"] for each in found}
    assert related.pop("guide/use.mdx") == "links_to"
    assert related.pop("index.md") == "linked_from"
    assert related.pop("other.md") == "similar"
    assert all(relation == "similar" for relation in related.values())
