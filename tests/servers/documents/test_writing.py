"""Writing documents: versions, conflicts, moving, putting away and bringing back."""

from base64 import b64decode, b64encode

import pytest

from tests.harness import Suite
from tests.servers.documents.desk import Desk, some_collection

pytestmark = pytest.mark.anyio

PNG = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC")


@pytest.fixture(scope="module")
def desk(suite: Suite) -> Desk:
    return Desk(suite)


async def test_a_new_document_takes_title_summary_and_labels_from_its_content(desk: Desk) -> None:
    uri = f"doc://{some_collection()}/a/b.md"
    text = "---\ntitle: Given\ndescription: What it is.\ntags: [one, Two]\n---\n\n# Heading\n\nWords.\n"
    answer = await desk.call("put_document", uri=uri, content=text)
    document = answer["document"]
    assert answer["created"] is True
    assert (document["title"], document["description"], document["labels"]) == ("Given", "What it is.", ["one", "two"])
    assert (document["classification"], document["readers"], document["version"]) == ("internal", ["tenant"], 1)
    assert (document["mime_type"], document["size"]) == ("text/markdown", len(text))


async def test_changing_needs_the_version_that_was_read(desk: Desk) -> None:
    uri = f"doc://{some_collection()}/a.md"
    await desk.put(uri)
    blind = await desk.call("put_document", uri=uri, content="# Blind\n")
    assert blind["error"]["code"] == "conflict"
    assert blind["error"]["details"]["current_version"] == 1
    assert (await desk.put(uri, "# Second\n", if_version=1))["version"] == 2
    stale = await desk.call("put_document", uri=uri, content="# Stale\n", if_version=1)
    assert stale["error"]["details"]["current_version"] == 2
    assert await desk.code("put_document", uri=f"{uri}x.md", content="# New\n", if_version=1) == "not_found"


async def test_a_retry_with_the_same_key_writes_once(desk: Desk) -> None:
    uri = f"doc://{some_collection()}/a.md"
    once = await desk.put(uri, idempotency_key="put-it-once-1")
    again = await desk.put(uri, idempotency_key="put-it-once-1")
    assert once == again
    assert (await desk.call("get_document_outline", uri=uri))["document"]["version"] == 1


async def test_a_dry_run_shows_the_document_and_writes_nothing(desk: Desk) -> None:
    uri = f"doc://{some_collection()}/a.md"
    answer = await desk.call("put_document", uri=uri, content="# Would be\n", dry_run=True)
    assert answer["document"]["title"] == "Would be"
    assert await desk.code("get_document_outline", uri=uri) == "not_found"


async def test_labels_can_be_changed_alone(desk: Desk) -> None:
    uri = f"doc://{some_collection()}/a.md"
    first = await desk.put(uri, "# Title\n\nText.\n", title="Mine", summary="Short.")
    second = (await desk.call("put_document", uri=uri, if_version=1, labels=["new"]))["document"]
    kept = ("title", "description", "digest", "size", "classification", "readers")
    assert {field: first[field] for field in kept} == {field: second[field] for field in kept}
    assert (second["labels"], second["version"]) == (["new"], 2)
    assert await desk.found("title", label="new", collection=uri.split("/")[2]) == [uri]


async def test_every_version_can_be_read_and_compared(desk: Desk) -> None:
    uri = f"doc://{some_collection()}/a.md"
    await desk.put(uri, "# Plan\n\n## When\n\nOn Monday.\n\n## Who\n\nAda.\n", labels=["draft"])
    await desk.put(uri, "# Plan\n\n## When\n\nOn Friday.\n\n## Who\n\nAda.\n", if_version=1, labels=["final"])
    assert "On Monday" in (await desk.call("read_section", uri=uri, version=1))["text"]
    compared = await desk.call("compare_versions", uri=uri, from_version=1)
    assert "-On Monday.\n+On Friday.\n" in compared["diff"]
    assert (compared["lines_added"], compared["lines_removed"]) == (1, 1)
    assert compared["sections_changed"] == ["When"]
    assert (compared["labels_added"], compared["labels_removed"]) == (["final"], ["draft"])
    assert await desk.code("compare_versions", uri=uri, from_version=1, to_version=9) == "not_found"


async def test_a_moved_document_is_found_where_it_is_with_its_versions(desk: Desk) -> None:
    where = some_collection()
    old, new = f"doc://{where}/a.md", f"doc://{where}/deep/er/b.md"
    await desk.put(old, "# Wombat\n")
    moved = await desk.call("move_document", uri=old, if_version=1, to=new)
    assert (moved["document"]["uri"], moved["document"]["version"]) == (new, 2)
    assert await desk.code("read_section", uri=old) == "not_found"
    assert (await desk.call("read_section", uri=new, version=1))["text"] == "# Wombat\n"
    assert await desk.found("wombat", collection=where) == [new]
    back = await desk.call("move_document", uri=new, if_version=2, to=f"doc://{where}-2/a.md")
    assert await desk.found("wombat", collection=where) == []
    assert await desk.found("wombat", collection=f"{where}-2") == [back["document"]["uri"]]


async def test_two_documents_cannot_have_one_uri(desk: Desk) -> None:
    where = some_collection()
    await desk.put(f"doc://{where}/a.md")
    await desk.put(f"doc://{where}/b.md")
    answer = await desk.call("move_document", uri=f"doc://{where}/a.md", if_version=1, to=f"doc://{where}/b.md")
    assert answer["error"]["code"] == "conflict"
    assert "taken" in answer["error"]["message"]


async def test_an_archived_document_is_gone_until_it_is_restored(desk: Desk) -> None:
    where = some_collection()
    uri = f"doc://{where}/a.md"
    await desk.put(uri, "# Wombat\n")
    archived = await desk.call("archive_document", uri=uri, if_version=1)
    assert await desk.code("read_section", uri=uri) == "not_found"
    assert await desk.found("wombat", collection=where) == []
    assert await desk.code("list_collection", collection=where) == "not_found"
    restored = await desk.call("restore_document", document_id=archived["document_id"])
    assert restored["document"]["uri"] == uri
    assert await desk.found("wombat", collection=where) == [uri]
    assert (await desk.call("restore_document", document_id=archived["document_id"]))["changed"] is False


async def test_a_document_is_not_restored_over_another(desk: Desk) -> None:
    uri = f"doc://{some_collection()}/a.md"
    await desk.put(uri)
    archived = await desk.call("archive_document", uri=uri, if_version=1)
    await desk.put(uri, "# Another\n")
    assert await desk.code("restore_document", document_id=archived["document_id"]) == "conflict"


async def test_a_picture_is_kept_as_its_bytes(desk: Desk) -> None:
    uri = f"doc://{some_collection()}/a.png"
    answer = await desk.call("put_document", uri=uri, content_base64=b64encode(PNG).decode())
    assert answer["document"]["mime_type"] == "image/png"
    [contents] = (await desk.read(uri))["contents"]
    assert (contents["mimeType"], contents["blob"]) == ("image/png", b64encode(PNG).decode())
    assert await desk.code("read_section", uri=uri) == "invalid"
    outline = await desk.call("get_document_outline", uri=uri)
    assert outline["sections"] == []
    assert "resource" in outline["advice"]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"content": "# A", "content_base64": "QQ=="},
        {"content_base64": "Q"},
        {"content_base64": "AAAA"},
        {"content": "# A", "classification": "secret"},
        {"content": "# A", "readers": []},
        {"content": "# A", "readers": ["everybody"]},
        {"content": "# A", "readers": ["role:"]},
        {"content": "# A", "classification": "restricted"},
        {"content": "# A", "classification": "restricted", "readers": ["tenant", "role:manager"]},
        {"content": "# A", "readers": ["role:support"]},
        {"content": "# A", "labels": ["a\x00b"]},
        {"content": "\x00"},
        {"content": ""},
    ],
)
async def test_what_makes_no_document_is_refused(desk: Desk, given: dict[str, object]) -> None:
    uri = f"doc://{some_collection()}/a.md"
    answer = await desk.call("put_document", uri=uri, **given)
    assert answer["error"]["code"] == "invalid", answer
    assert await desk.code("get_document_outline", uri=uri) == "not_found"


async def test_only_administrators_open_a_document_to_more_people(suite: Suite, desk: Desk) -> None:
    uri = f"doc://{some_collection()}/a.md"
    await desk.put(uri, classification="confidential")
    answer = await desk.call("put_document", uri=uri, if_version=1, classification="internal")
    assert answer["error"]["code"] == "forbidden"
    assert answer["error"]["details"]["required_scopes"] == ["documents:write", "documents:admin"]
    lowered = await Desk(suite, "admin").call("put_document", uri=uri, if_version=1, classification="internal")
    assert lowered["document"]["classification"] == "internal"
    narrowed = await desk.call("put_document", uri=uri, if_version=2, readers=["role:manager", "role:admin"])
    assert narrowed["document"]["readers"] == ["role:admin", "role:manager"]
    assert await desk.code("put_document", uri=uri, if_version=3, readers=["tenant"]) == "forbidden"


async def test_a_version_that_was_more_secret_stays_so(suite: Suite, desk: Desk) -> None:
    uri = f"doc://{some_collection()}/a.md"
    await desk.put(uri, "# A\n\nThe code is heron.\n", classification="confidential")
    await Desk(suite, "admin").put(uri, "# A\n\nNothing here.\n", if_version=1, classification="public")
    support = Desk(suite, "support")
    assert "Nothing here" in (await support.call("read_section", uri=uri))["text"]
    assert await support.code("read_section", uri=uri, version=1) == "not_found"
    assert await support.code("compare_versions", uri=uri, from_version=1) == "not_found"
    assert "error" in await support.read(f"{uri}?version=1")
    assert "heron" in (await desk.call("read_section", uri=uri, version=1))["text"]
