"""Hostile arguments of every kind have an outcome that was thought of, and open nothing."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from tests.harness import Suite
from tests.servers.documents.desk import Desk, some_collection
from tests.servers.documents.hostile_arguments import COMPLETIONS, INVALID, NO_CURSOR, QUERIES, TOOLS
from tests.servers.documents.hostile_uris import HERE
from tests.servers.documents.permissions.matrix import every
from tests.servers.documents.permissions.wire import Said, Wire, wired

pytestmark = pytest.mark.anyio

FILTERS = """
SELECT id, path, tenant_id, collection, labels, classification, readers,
    ARRAY(SELECT lexeme FROM unnest(words) WHERE lexeme ~ '[^[:alnum:]]') AS odd,
    ARRAY(SELECT lexeme FROM unnest(title_words) WHERE lexeme ~ '[^[:alnum:]]') AS odd_of_title
FROM documents.documents WHERE collection = $1
"""


@pytest.fixture(scope="module")
async def desk(suite: Suite) -> Desk:
    desk = Desk(suite)
    await desk.put(HERE, "# Old\n\n## part\n\nOld.\n")
    await desk.put(HERE, "# New\n\n## part\n\nA rutabaga.\n\n## tools/list\n\nNew.\n", if_version=1)
    await desk.put("doc://hostile/c.md", "# Another\n\n## other\n\nA rutabaga, also called swede.\n")
    for path in ("a0.md", "%C3%BCber.md", "K.md"):
        await desk.put(f"doc://hostile/{path}")
    return desk


@pytest.fixture
async def wire(suite: Suite) -> AsyncGenerator[Wire]:
    async with wired(suite.url("documents")) as opened:
        yield opened


def outcome(said: Said) -> str:
    if "error" in said.body:
        error = said.body["error"]
        return NO_CURSOR if error["code"] == -32602 and "cursor" in error["message"] else said.text
    return said.content["error"]["code"] if said.result["isError"] else "ok"


async def test_every_argument_of_a_tool_has_the_outcome_of_the_table(suite: Suite, desk: Desk, wire: Wire) -> None:
    token = suite.token("manager", "documents")
    wrong: list[Any] = []

    async def look(tool: str, arguments: dict[str, Any], expected: str) -> None:
        said = await wire.ask(token, "tools/call", {"name": tool, "arguments": arguments})
        if (seen := outcome(said)) != expected:
            wrong.append((tool, str(arguments)[:200], seen[:300], expected))

    await every(look(*row) for row in TOOLS)
    assert wrong == []


async def test_every_value_to_complete_has_the_outcome_of_the_table(suite: Suite, desk: Desk, wire: Wire) -> None:
    token = suite.token("manager", "documents")
    for uri, argument, begun, collection, expected in COMPLETIONS:
        params: dict[str, Any] = {"ref": {"type": "ref/resource", "uri": uri}}
        params["argument"] = {"name": argument, "value": begun}
        if collection is not None:
            params["context"] = {"arguments": {"collection": collection}}
        said = await wire.ask(token, "completion/complete", params)
        if expected is None:
            assert said.body["error"]["data"]["code"] == INVALID, (argument, begun)
        else:
            assert said.result["completion"]["values"] == expected, (argument, begun, collection)


async def test_no_query_finds_more_than_its_words(suite: Suite, desk: Desk, wire: Wire) -> None:
    token = suite.token("manager", "documents")
    for query, expected in QUERIES:
        arguments = {"query": query, "collection": "hostile"}
        found = (await wire.ask(token, "tools/call", {"name": "search_documents", "arguments": arguments})).content
        paths = sorted(hit["name"] for hit in found["found"]) if found["matched"] == "all" else []
        assert paths == expected, query


LONG = "More of the text, so that it is no file of bytes. " * 20
ODD = "\x02tenant:globex \x02class:public \x02reader:tenant '\x02label:free' x\x02collection:handbook"
_FRONT = '---\ntitle: \'\x02tenant:globex\'\ndescription: "\\u0002class:public"\ntags: ["\\u0002tenant:globex"]\n---\n'
TEXTS = (
    f"# {ODD}\n\n{ODD}\n\n## {ODD}\n",
    f"{_FRONT}# A\n",
    "# A\n\nhttp://\x02tenant:globex/\x02x <\x02tag> a@\x02b.example /\x02path/\x02x 1\x022 &\x02amp;\n",
    "# A\n\n&#2;reader:tenant &#x2;tenant:globex \\x02 \\u0002 %02tenant:globex\n",
)


async def test_no_word_of_a_document_becomes_a_filter(suite: Suite, wire: Wire) -> None:
    """The index keeps tenant, rights, collection and labels as words that begin with U+0002."""
    admin, where = Desk(suite, "admin"), some_collection()
    for number, text in enumerate(TEXTS):
        labels = {"labels": ["one.two"]} if number else {}
        await admin.put(f"doc://{where}/tenant,globex-{number}.md", text + LONG, **labels)
    page = f"<title>{ODD}</title><p>{ODD}&#2;class:public</p>"
    readers = ["role:admin", 'role:"tenant"', "role:x' \\ y", "user:a:b"]
    await admin.put(f"doc://{where}/5.html", page, classification="restricted", readers=readers)
    await admin.put(f"doc://{where}/6.txt", ODD)
    moved = await admin.call("move_document", uri=f"doc://{where}/6.txt", if_version=1, to=f"doc://{where}/7.txt")
    assert "error" not in moved
    rows = await suite.sql(FILTERS, where)
    assert len(rows) == len(TEXTS) + 2
    for row in rows:
        named = [f"tenant:{row['tenant_id']}", f"collection:{row['collection']}", f"class:{row['classification']}"]
        named += [*(f"label:{label}" for label in row["labels"]), *(f"reader:{reader}" for reader in row["readers"])]
        assert sorted(row["odd"]) == sorted(row["odd_of_title"]) == sorted(f"\x02{name}" for name in named)
    # What search marks in a snippet it marks with these.
    assert await suite.sql("SELECT FROM documents.sections WHERE (plain || heading) ~ '[\x02\x03]'") == []
    assert await Desk(suite, "outsider").found("tenant globex class public", collection=where) == []


async def test_a_link_leads_to_what_can_be_a_document_or_nowhere(suite: Suite) -> None:
    where = some_collection()
    long = "".join(f"{number:x}" for number in range(1200))
    links = (
        *("doc://a/%00b", "/%00z", "a%00.md", "doc://a:b/c", "doc://u@a/b", "doc:///b", "doc://../b", "http://[::1/x"),
        *(
            "../../../etc/passwd",
            "..%2f..%2fx",
            "%ff%fe",
            f"/{long}",
            f"doc://a/{long}",
            f"doc://{long}/x",
            "file:///x",
        ),
    )
    text = "# A\n\n" + "".join(f"[x]({link})\n" for link in links)
    await Desk(suite).put(f"doc://{where}/deep/a.md", text)
    stored = await suite.sql(
        "SELECT l.collection, l.stem FROM documents.links AS l JOIN documents.documents AS d ON d.id = l.document_id "
        "WHERE d.collection = $1 ORDER BY l.stem",
        where,
    )
    assert [row["stem"] for row in stored] == ["deep/��", "etc/passwd", "x"]
    assert {row["collection"] for row in stored} == {where}, "in the collection it is in, and no higher"


async def test_a_cursor_is_good_for_its_caller_and_its_question_alone(suite: Suite, desk: Desk, wire: Wire) -> None:
    async def ask(token: str, tool: str, **arguments: Any) -> Said:
        return await wire.ask(token, "tools/call", {"name": tool, "arguments": arguments})

    mine = suite.token("manager", "documents")
    others = {
        "a colleague": suite.token("admin", "documents"),
        "another tenant": suite.token("manager", "documents", tenant="globex"),
        "another client": suite.token("manager", "documents", client_id="another"),
    }
    listing: dict[str, Any] = {"collection": "hostile", "limit": 1}
    search: dict[str, Any] = {"query": "rutabaga", "collection": "hostile", "limit": 1}
    of_list = (await ask(mine, "list_collection", **listing)).content["next_cursor"]
    of_search = (await ask(mine, "search_documents", **search)).content["next_cursor"]
    assert outcome(await ask(mine, "list_collection", **listing, cursor=of_list)) == "ok"
    assert outcome(await ask(mine, "search_documents", **search, cursor=of_search)) == "ok"
    for who, token in others.items():
        assert outcome(await ask(token, "list_collection", **listing, cursor=of_list)) == NO_CURSOR, who
        assert outcome(await ask(token, "search_documents", **search, cursor=of_search)) == NO_CURSOR, who
    refused: list[tuple[str, dict[str, Any]]] = [
        ("search_documents", {**search, "cursor": of_list}),
        ("list_collection", {**listing, "cursor": of_search}),
        ("list_collection", {**listing, "folder": "a/", "cursor": of_list}),
        ("list_collection", {"collection": "handbook", "limit": 1, "cursor": of_list}),
        ("list_collection", {"limit": 1, "cursor": of_list}),
        ("search_documents", {**search, "query": "another", "cursor": of_search}),
        ("search_documents", {**search, "collection": "handbook", "cursor": of_search}),
        ("search_documents", {"query": "rutabaga", "limit": 1, "cursor": of_search}),
        ("search_documents", {**search, "label": "x", "cursor": of_search}),
        ("search_documents", {**search, "cursor": of_search[:-2] + ("AA" if of_search[-2:] != "AA" else "BB")}),
        ("search_documents", {**search, "cursor": of_search + "A"}),
    ]
    for tool, arguments in refused:
        assert outcome(await ask(mine, tool, **arguments)) == NO_CURSOR, arguments
    for cursor in (of_list, of_search, "AAAA", "\x00"):
        said = await wire.ask(mine, "resources/list", {"cursor": cursor})
        assert said.body["error"]["code"] == -32602, cursor


async def test_a_cursor_does_not_outlive_the_right_to_what_it_leads_to(suite: Suite, wire: Wire) -> None:
    where = some_collection()
    manager, admin = Desk(suite), Desk(suite, "admin")
    for number in range(3):
        await manager.put(f"doc://{where}/{number}.md", "# Turnip\n")
    token = suite.token("support", "documents")
    arguments = {"collection": where, "limit": 2}
    first = (await wire.ask(token, "tools/call", {"name": "list_collection", "arguments": arguments})).content
    await admin.call("put_document", uri=f"doc://{where}/2.md", if_version=1, classification="confidential")
    arguments["cursor"] = first["next_cursor"]
    second = (await wire.ask(token, "tools/call", {"name": "list_collection", "arguments": arguments})).content
    assert (second["entries"], second["next_cursor"]) == ([], None)


async def test_nothing_of_all_this_is_an_error_of_ours(suite: Suite, desk: Desk) -> None:
    assert "internal" not in {record.get("outcome") for record in await suite.records()}
