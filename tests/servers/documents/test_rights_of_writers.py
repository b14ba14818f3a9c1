"""What writing opens, and what it does not: versions, repeats, programs, and what the audit keeps."""

from base64 import b64encode
from typing import Any
from uuid import uuid4

import pytest

from servers.documents.rights import spelt_out
from tests.harness import Suite
from tests.servers.documents.desk import Desk, some_collection
from tests.servers.documents.test_writing import PNG

pytestmark = pytest.mark.anyio

BY_AN_AGENT = {"act": {"sub": "acme-triage"}}


async def test_a_version_that_was_for_fewer_stays_so(suite: Suite) -> None:
    uri = f"doc://{some_collection()}/a.md"
    manager, support = Desk(suite), Desk(suite, "support")
    admin = Desk(suite, "admin", {"roles": ["admin", "manager"]})
    await manager.put(uri, "# A\n\nThe code is heron.\n", readers=["role:manager"])
    await admin.put(uri, "# A\n\nNothing here.\n", if_version=1, readers=["tenant"])
    moved = await admin.call("move_document", uri=uri, if_version=2, to=f"{uri}.moved.md")
    uri = moved["document"]["uri"]
    for version, text in ((2, "Nothing here"), (3, "Nothing here")):
        assert text in (await support.call("read_section", uri=uri, version=version))["text"]
    assert await support.code("read_section", uri=uri, version=1) == "not_found"
    assert await support.code("compare_versions", uri=uri, from_version=1) == "not_found"
    assert "error" in await support.read(f"{uri}?version=1")
    assert "heron" in (await manager.call("read_section", uri=uri, version=1))["text"]


async def test_a_move_does_not_open_the_versions_before_it(suite: Suite) -> None:
    uri = f"doc://{some_collection()}/a.md"
    await Desk(suite).put(uri, "# A\n\nThe code is heron.\n", readers=["role:manager"])
    assert "document" in await Desk(suite).call("move_document", uri=uri, if_version=1, to=f"{uri}.moved.md")
    rows = await suite.sql(
        "SELECT v.version, v.readers FROM documents.versions AS v "
        "JOIN documents.documents AS d ON d.id = v.document_id WHERE d.collection = $1 ORDER BY v.version",
        uri.split("/")[2],
    )
    assert [(row["version"], row["readers"]) for row in rows] == [(1, ["role:manager"]), (2, ["role:manager"])]


async def test_a_document_whose_readers_were_changed_by_hand_is_not_lost_by_moving_it(suite: Suite) -> None:
    uri = f"doc://{some_collection()}/a.md"
    admin = Desk(suite, "admin")
    one = await admin.put(uri, "# A\n", readers=["role:admin"])
    await suite.sql("UPDATE documents.documents SET readers = '{tenant}' WHERE id = $1", one["id"])
    assert await Desk(suite).code("move_document", uri=uri, if_version=1, to=f"{uri}.moved.md") == "not_found"
    assert (await admin.call("read_section", uri=uri))["text"] == "# A\n"


async def test_a_repeat_by_somebody_who_lost_access_tells_nothing_new(suite: Suite) -> None:
    uri = f"doc://{some_collection()}/a.md"
    key = uuid4().hex
    first = await Desk(suite).call("put_document", uri=uri, content="# Mine\n", idempotency_key=key)
    admin = Desk(suite, "admin")
    changed: dict[str, Any] = {"title": "Heron", "readers": ["role:admin"], "content": "# Heron\n"}
    assert "document" in await admin.call("put_document", uri=uri, if_version=1, **changed)
    assert await Desk(suite).code("read_section", uri=uri) == "not_found"
    again = await Desk(suite).call("put_document", uri=uri, content="# Mine\n", idempotency_key=key)
    assert again == first, "what they were told already, and no more"
    refused = await suite.post(
        suite.token("manager", "documents", roles=["support"]),
        "tools/call",
        {"name": "put_document", "arguments": {"uri": uri, "content": "# Mine\n", "idempotency_key": key}},
        server="documents",
    )
    assert refused.json()["error"]["code"] == -32602


async def test_a_program_does_not_change_what_is_public_without_saying_so(suite: Suite) -> None:
    uri = f"doc://{some_collection()}/a.md"
    await Desk(suite).put(uri, classification="public")
    agent = Desk(suite, claims=BY_AN_AGENT)
    silent = await agent.call("put_document", uri=uri, content="# Leaked\n", if_version=1)
    assert silent["error"]["code"] == "invalid"
    assert "classification" in silent["error"]["message"]
    said = await agent.call("put_document", uri=uri, content="# Leaked\n", if_version=1, classification="public")
    assert (said["error"]["code"], said["error"]["details"]["policies"]) == ("denied", ["documents-publishing"])
    kept = await agent.call("put_document", uri=uri, content="# Draft\n", if_version=1, classification="internal")
    assert kept["document"]["classification"] == "internal"


async def test_the_audit_keeps_no_words_of_a_document(suite: Suite) -> None:
    uri = f"doc://{some_collection()}/a.md"
    await Desk(suite).put(uri, "# Heron\n\nQuokka.\n", title="Bilby", summary="Numbat.", classification="confidential")
    records = [one for one in await suite.records(target="put_document") if one["arguments"].get("uri") == uri]
    assert {record["kind"] for record in records} == {"intent", "outcome"}
    for record in records:
        assert record["arguments"]["content"] == record["arguments"]["title"] == "[hidden]"
        assert not any(word in str(record) for word in ("Heron", "Quokka", "Bilby", "Numbat"))


async def test_a_picture_among_what_is_found_does_not_spoil_an_answer(suite: Suite) -> None:
    where, word = some_collection(), f"w{uuid4().hex}"
    desk = Desk(suite)
    picture = {"content_base64": b64encode(PNG).decode(), "title": word}
    assert "document" in await desk.call("put_document", uri=f"doc://{where}/a.png", **picture)
    await desk.put(f"doc://{where}/b.md", f"# Text\n\nOf {word}.\n")
    params = {"name": "answer_from_documents", "arguments": {"question": word}}
    token = suite.token("manager", "documents")
    said = (await suite.post(token, "prompts/get", params, server="documents")).json()
    assert f"Of {word}." in str(said["result"]["messages"])


def test_readers_are_spelt_with_their_issuer_once() -> None:
    issuer = "https://idp.example"
    spelt = {
        "user:ada": f"user:ada@{issuer}",
        "user:auth0|ada@example.com": f"user:auth0|ada@example.com@{issuer}",
        "user:urn:x:ada@example.com": f"user:urn:x:ada@example.com@{issuer}",
        "user:ada@https://other.example/tenant": "user:ada@https://other.example/tenant",
        "user:local-user@stdio": "user:local-user@stdio",
        "role:a@b": "role:a@b",
        "tenant": "tenant",
    }
    for given, expected in spelt.items():
        assert spelt_out([given], issuer) == [expected]
        assert spelt_out([expected], issuer) == [expected]
