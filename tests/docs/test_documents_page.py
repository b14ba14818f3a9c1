"""The page on documents: its conversations are played, and its tables hold."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from servers.documents import arguments, comparing, contents, finding, search_words
from servers.documents.addresses import DEPTH_MAX, PATH_MAX
from servers.documents.arguments import PutDocument
from servers.documents.formats import kinds, parsed
from servers.documents.rights import CLEARANCES
from shared.state.database import connect
from tests.clients.documents import CONTENTS, LARGEST
from tests.docs import talks
from tests.docs.fences import claimed
from tests.docs.talks import SAID, differs
from tests.harness import Suite
from tests.servers.documents.desk import Desk, some_collection

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "documents.md").read_text("utf-8")
TALKS = claimed("docs/documents.md", 3)
SOME_ID = "D-0000000000"


def rows(heading: str) -> Iterator[list[str]]:
    """The cells of the first table below a line that begins so."""
    return talks.rows(PAGE, heading)


async def said(suite: Suite, what: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The answer to a call, or to a method of MCP."""
    if "/" not in what:
        return await Desk(suite).call(what, **arguments)
    token = suite.token("manager", "documents")
    return (await suite.post(token, what, arguments, server="documents")).json()["result"]


@pytest.mark.parametrize("talk", TALKS, ids=lambda talk: str(talk).splitlines()[0][2:30])
async def test_every_conversation_goes_as_the_page_shows(suite: Suite, talk: str) -> None:
    ids: list[str] = []
    pairs = SAID.findall(talk)
    assert "".join(f"→ {what} {asked}\n← {shown}\n" for what, asked, shown in pairs) == talk
    for what, asked, shown in pairs:
        answer = await said(suite, what, json.loads(asked.replace(SOME_ID, ids[0] if ids else "")))
        text = json.dumps(answer)
        ids += re.findall(r"D-[0-9A-Z]{10}", text)[:1]
        wrong = differs(json.loads(shown), json.loads(text.replace(ids[0], SOME_ID) if ids else text), {})
        assert wrong is None, f"{what}: {wrong}"


def test_there_are_as_many_conversations_as_are_played() -> None:
    assert len(TALKS) == 3
    assert PAGE.count("\n→ ") == sum(len(SAID.findall(talk)) for talk in TALKS) > 15


def test_each_classification_is_cleared_by_the_scope_that_is_named() -> None:
    told = {row[0].split("`")[1]: row[1].strip("`") for row in rows("## Who sees what")}
    assert told == {classification.value: scope for classification, scope in CLEARANCES.items()}


async def test_every_persona_sees_what_the_page_says(suite: Suite) -> None:
    head = PAGE.partition("\n| persona |")[2].partition("\n")[0]
    uris = ["doc://handbook/" + path for path in re.findall(r"handbook/(\w+/[\w-]+\.md)", head)]
    assert len(uris) == 4
    seen: dict[str, list[str]] = {}
    for row in rows("| persona |"):
        desk = Desk(suite, row[0].strip("`"))
        codes = [await desk.code("read_section", uri=uri) for uri in uris]
        assert set(codes) <= {None, "not_found"}
        seen[row[0]] = ["no" if code else "yes" for code in codes]
    assert seen == {row[0]: row[1:] for row in rows("| persona |")}
    assert len(seen) == 5


@pytest.mark.parametrize(("query", "first"), [(row[0].strip("`"), row[2].strip("`")) for row in rows("## Search")])
async def test_a_query_finds_first_what_the_page_says(suite: Suite, query: str, first: str) -> None:
    found = await Desk(suite).found(query, collection="handbook", limit=1)
    assert found == ([f"doc://handbook/{first}"] if first else [])


def bound(model: Any, field: str) -> int:
    """The most of something that a field takes."""
    (most,) = {int(number) for number in re.findall(r'"max(?:Length|Items)": (\d+)', json.dumps(_schema(model, field)))}
    return most


def _schema(model: Any, field: str) -> Any:
    schema = model.model_json_schema()["properties"][field]
    schema.get("anyOf", [{}])[0].pop("items", None)
    return schema


def test_the_limits_are_those_of_the_code() -> None:
    told = {
        row[0].replace("`", ""): [int(n.replace(",", "")) for n in re.findall(r"[\d,]*\d", row[1])]
        for row in rows("## Limits")
    }
    assert told == {
        "a file": [kinds.LIMIT_BYTES // 2**20, parsed.TEXT_LIMIT, parsed.SECTIONS_LIMIT],
        "content of put_document": [bound(PutDocument, "content")],
        "a path": [PATH_MAX, DEPTH_MAX],
        "labels, readers of a document": [bound(PutDocument, "labels"), bound(PutDocument, "readers")],
        "a tool's answer": [LARGEST, LARGEST // 4],
        "read_section, compare_versions": [arguments.SHOWN_DEFAULT, arguments.SHOWN_MAX],
        "a resource, in one read": [contents.TEXT_MAX, contents.BYTES_MAX // 2**20],
        "versions that are compared": [comparing.LINES_MAX],
        "a query": [search_words.TERMS_MAX],
    }
    assert f"the first {finding.RANKED_MAX} are ranked" in PAGE


async def test_the_letter_of_the_handbook_says_what_was_found_in_it(suite: Suite) -> None:
    uri = "doc://handbook/inbox/supplier-letter.md"
    desk = Desk(suite)
    told = (await desk.read(uri))["_meta"][CONTENTS]["disarmed"]
    assert {"hidden", "instructions"} <= set(told)
    assert (await desk.call("get_document_outline", uri=uri))["disarmed"] == told


async def test_another_language_counts_for_what_is_written_from_then_on(suite: Suite) -> None:
    desk, where = Desk(suite), some_collection()
    await desk.put(f"doc://{where}/before.md", "# Die Fähren\n")
    owner = await connect(suite.urls.owner, "test")
    try:
        await owner.execute((ROOT / "docs" / "examples" / "german-words.sql").read_text())
    finally:
        await owner.close()
    await desk.put(f"doc://{where}/after.md", "# Die Fähren\n")
    assert await desk.found("Fähre", collection=where) == [f"doc://{where}/after.md"]
    await desk.put(f"doc://{where}/before.md", "# Die Fähren\n", if_version=1)
    assert len(await desk.found("Fähre", collection=where)) == 2
