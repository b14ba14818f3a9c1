from typing import Any

import jsonschema
import orjson
import pytest

from servers.documents.server import server
from shared.core.tool import Effect
from tests.harness import Suite
from tests.servers.documents.desk import Desk, some_collection

pytestmark = pytest.mark.anyio

tools = server.tools


def test_the_surface_is_small() -> None:
    assert list(tools.resources) == [
        "doc://{collection}",
        "doc://{collection}/{+folder}/",
        "doc://{collection}/{+path}{?version,section,offset}",
    ]
    assert all(resource.watchable for resource in tools.resources.values())
    assert tools.prompts.keys() == {"answer_from_documents", "summarise_changes"}
    assert tools.completions.keys() == {"collection", "path", "folder"}
    assert len(tools.tools) == 10
    told = sum(len(tool.description) + len(orjson.dumps(tool.input_schema)) for tool in tools.tools.values())
    assert told / 4 < 4_000, "tokens, roughly: every model pays them in every conversation"


def test_whoever_may_read_may_use_every_read_and_writes_ask_for_more() -> None:
    for tool in tools.tools.values():
        assert tool.scopes == (("documents:write",) if tool.effect is Effect.WRITE else server.baseline)
    parts = [*tools.resources.values(), *tools.prompts.values()]
    assert {part.tool.scopes for part in parts} == {server.baseline}
    assert {tool.scopes for tool in tools.completions.values()} == {server.baseline}


def test_every_write_names_what_takes_it_back() -> None:
    assert {tool.name: tool.inverse for tool in tools.tools.values() if tool.effect is Effect.WRITE} == {
        "put_document": "archive_document",
        "move_document": "move_document",
        "archive_document": "restore_document",
        "restore_document": "archive_document",
    }


def test_tools_that_find_documents_link_them() -> None:
    linking = {tool.name for tool in tools.tools.values() if tool.links}
    assert linking == {"search_documents", "list_collection", "find_related"}


async def test_answers_keep_to_their_schema(suite: Suite) -> None:
    desk, where = Desk(suite), some_collection()
    uri, moved = f"doc://{where}/a.md", f"doc://{where}/b/c.md"
    calls: list[tuple[str, dict[str, Any]]] = [
        ("put_document", {"uri": uri, "content": "# Emu\n\nMail emu@example.com, card 4111 1111 1111 1111.\n"}),
        ("put_document", {"uri": uri, "labels": ["one"], "if_version": 1}),
        ("search_documents", {"query": "emu", "collection": where}),
        ("list_collection", {}),
        ("list_collection", {"collection": where}),
        ("get_document_outline", {"uri": uri}),
        ("read_section", {"uri": uri, "section": "emu"}),
        ("find_related", {"uri": uri}),
        ("compare_versions", {"uri": uri, "from_version": 1}),
        ("move_document", {"uri": uri, "to": moved, "if_version": 2}),
        ("archive_document", {"uri": moved, "if_version": 3}),
    ]
    answers = [(name, await desk.call(name, **arguments)) for name, arguments in calls]
    archived = answers[-1][1]
    answers.append(("restore_document", await desk.call("restore_document", document_id=archived["document_id"])))
    for name, answer in answers:
        jsonschema.validate(answer, tools.tools[name].output_schema)
    assert {name for name, _ in answers} == tools.tools.keys()
    assert "4111" not in str(answers)
