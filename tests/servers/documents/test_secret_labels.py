"""Every answer with something confidential in it is labelled so, and no other: the guard of information flow counts
on it (docs/information-flow.md).
"""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest

from tests.harness import Suite
from tests.servers.documents.desk import Desk, some_collection
from tests.servers.documents.permissions.matrix import every
from tests.servers.documents.permissions.wire import wired

pytestmark = pytest.mark.anyio

_DOCUMENT = "doc://{collection}/{+path}{?version,section,offset}"
_FOLDER = "doc://{collection}/{+folder}/"


def _tool(name: str, **arguments: Any) -> tuple[str, dict[str, Any]]:
    return "tools/call", {"name": name, "arguments": arguments}


def _complete(uri: str, argument: str, value: str, **context: str) -> tuple[str, dict[str, Any]]:
    completed: dict[str, Any] = {"ref": {"type": "ref/resource", "uri": uri}}
    completed["argument"] = {"name": argument, "value": value}
    return "completion/complete", {**completed, "context": {"arguments": context}}


def everything(where: str, word: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """What can be asked of `folder/one.md` in a collection that holds nothing else."""
    uri = f"doc://{where}/folder/one.md"
    return {
        "search": _tool("search_documents", query=word),
        "list a collection": _tool("list_collection", collection=where),
        "list a folder": _tool("list_collection", collection=where, folder="folder/"),
        "outline": _tool("get_document_outline", uri=uri),
        "read": _tool("read_section", uri=uri),
        "read a section": _tool("read_section", uri=uri, section=f"{word}part"),
        "read the older version": _tool("read_section", uri=uri, version=1),
        "related": _tool("find_related", uri=uri),
        "compare": _tool("compare_versions", uri=uri, from_version=1),
        "write": _tool("put_document", uri=uri, if_version=2, labels=["new"], dry_run=True),
        "write another": _tool("put_document", uri=f"{uri}x.md", content="# A\n", dry_run=True),
        "move": _tool("move_document", uri=uri, if_version=2, to=f"{uri}.moved.md", dry_run=True),
        "archive": _tool("archive_document", uri=uri, if_version=2, dry_run=True),
        "resource": ("resources/read", {"uri": uri}),
        "resource, older": ("resources/read", {"uri": f"{uri}?version=1"}),
        "resource, section": ("resources/read", {"uri": f"{uri}?section={word}part"}),
        "resource, unchanged": ("resources/read", {"uri": uri, "_meta": {"enterprise-mcp-suite/if-none-match": "*"}}),
        "folder": ("resources/read", {"uri": f"doc://{where}/folder/"}),
        "collection": ("resources/read", {"uri": f"doc://{where}"}),
        "complete a collection": _complete("doc://{collection}", "collection", where),
        "complete a path": _complete(_DOCUMENT, "path", "folder/", collection=where),
        "complete its folder": _complete(_DOCUMENT, "path", "", collection=where),
        "complete a folder": _complete(_FOLDER, "folder", "", collection=where),
        "ask": ("prompts/get", {"name": "answer_from_documents", "arguments": {"question": word}}),
        "ask what changed": ("prompts/get", {"name": "summarise_changes", "arguments": {"uri": uri}}),
    }


async def made(desk: Desk, *classifications: str) -> tuple[str, str]:
    """A collection with one document, in as many versions, and a word of it."""
    where, word = some_collection(), f"w{uuid4().hex}"
    for version, classification in enumerate(classifications):
        text = f"# {word}\n\nVersion {version}.\n\n## {word}part\n\nText.\n"
        before = {"if_version": version} if version else {}
        await desk.put(f"doc://{where}/folder/one.md", text, classification=classification, **before)
    return where, word


async def labelled(suite: Suite, asked: dict[str, tuple[str, dict[str, Any]]]) -> set[str]:
    """The names of those whose records say that something confidential was given."""
    marks = {uuid4().hex: name for name in asked}
    async with wired(suite.url("documents")) as wire:

        async def ask(mark: str, name: str) -> None:
            said = await wire.ask(suite.token("admin", "documents", jti=mark), *asked[name])
            assert "result" in said.body, (name, said.text)
            assert not said.result.get("isError"), (name, said.text)

        await every(ask(mark, name) for mark, name in marks.items())
    records = [record for record in await suite.records(subject="acme-admin") if record["token_id"] in marks]
    assert {record["token_id"] for record in records} == {*marks}
    return {marks[record["token_id"]] for record in records if "confidential" in record.get("labels", ())}


@pytest.fixture
def admin(suite: Suite) -> Desk:
    return Desk(suite, "admin")


async def test_of_a_secret_document_everything_is_labelled(suite: Suite, admin: Desk) -> None:
    asked = everything(*await made(admin, "confidential", "confidential"))
    assert {*asked} - await labelled(suite, asked) == {"write another"}


async def test_of_an_open_document_nothing_is_labelled(suite: Suite, admin: Desk) -> None:
    asked = everything(*await made(admin, "public", "internal"))
    assert await labelled(suite, asked) == set()


async def test_of_a_secret_version_of_an_open_document_what_shows_it_is_labelled(suite: Suite, admin: Desk) -> None:
    asked = everything(*await made(admin, "confidential", "internal"))
    shows = {"read the older version", "compare", "resource, older", "ask what changed"}
    assert await labelled(suite, asked) == shows


async def test_a_folder_with_something_open_in_it_is_no_secret(suite: Suite, admin: Desk) -> None:
    where, word = await made(admin, "confidential", "confidential")
    asked = everything(where, word)
    names: Sequence[str] = ("list a collection", "complete a collection", "complete its folder", "complete a folder")
    listing = {name: asked[name] for name in names}
    assert await labelled(suite, listing) == {*names}
    await admin.put(f"doc://{where}/folder/two.md")
    assert await labelled(suite, listing) == set()


async def test_what_was_put_away_is_labelled_when_it_is_brought_back(suite: Suite, admin: Desk) -> None:
    where, _ = await made(admin, "confidential")
    gone = await admin.call("archive_document", uri=f"doc://{where}/folder/one.md", if_version=1)
    asked = {"restore": _tool("restore_document", document_id=gone["document_id"], dry_run=True)}
    assert await labelled(suite, asked) == {"restore"}


async def test_a_repeated_write_is_labelled_again(suite: Suite, admin: Desk) -> None:
    uri = f"doc://{some_collection()}/one.md"
    write = _tool("put_document", uri=uri, content="# A\n", classification="confidential", idempotency_key=uuid4().hex)
    assert await labelled(suite, {"first": write}) == {"first"}
    assert await labelled(suite, {"again": write}) == {"again"}
