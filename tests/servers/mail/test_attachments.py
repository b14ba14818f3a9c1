"""Documents that go with a mail: read anew with the caller's own rights, whole, and with what is known of them."""

from typing import Any

import pytest

from tests.harness import Suite
from tests.servers.mail.mailroom import Mailroom

pytestmark = pytest.mark.anyio

WORDS: dict[str, Any] = {"sender": "support", "to": ["a@customer.example"], "subject": "A", "text": "B"}
INSIDE: dict[str, Any] = {
    "sender": "colleagues",
    "to": ["eve@acme.example"],
    "subject": "A",
    "text": "B",
    "inside": True,
}


async def written(suite: Suite, name: str, text: str, **more: Any) -> str:
    """The URI of a new document."""
    answer = await suite.call(
        "admin", "put_document", {"uri": f"doc://handbook/{name}", "content": text, **more},
        "documents",
    )  # fmt: skip
    assert "error" not in answer, answer
    return f"doc://handbook/{name}"


async def test_a_document_goes_as_it_is_now_and_stays_so(suite: Suite) -> None:
    uri = await written(suite, "terms.md", "# Terms\n\nPay in time.\n")
    sent = await Mailroom(suite).told("send_email", **WORDS, attachments=[uri])
    [file] = sent["attachments"]
    assert (file["uri"], file["name"], file["confidential"]) == (uri, "terms.md", False)
    [row] = await suite.sql("SELECT mime, attachments FROM mail.mails WHERE id = $1", sent["id"])
    assert b"terms.md" in row["mime"]
    assert file["digest"] in str(row["attachments"])


async def test_a_long_document_is_read_to_its_end(suite: Suite) -> None:
    uri = await written(suite, "long.md", "# Long\n\n" + "All of it counts. " * 12_000)
    seen = await Mailroom(suite).told("preview_email", **WORDS, attachments=[uri])
    assert seen["attachments"][0]["size"] > 200_000


async def test_a_confidential_one_leaves_the_house_only_with_an_approval(suite: Suite) -> None:
    uri = await written(suite, "plan.md", "# Plan\n\nMerge.\n", classification="confidential")
    room = Mailroom(suite)
    silent = await room.failure("send_email", **WORDS, attachments=[uri])
    assert (silent["code"], silent["details"]["confidential"]) == ("conflict", True)
    asked = await room.failure(
        "send_email", **WORDS, attachments=[uri], confidential=True, idempotency_key="plan-out-1"
    )
    assert asked["code"] == "needs_approval"
    assert "mail-confidential-approve" in asked["details"]["policies"]
    room = Mailroom(suite, "admin", claims={"sub": "acme-somebody"})
    sent = await room.told("send_email", **INSIDE, attachments=[uri], confidential=True)
    assert sent["confidential"] is True
    [row] = await suite.sql("SELECT confidential FROM mail.mails WHERE id = $1", sent["id"])
    assert row["confidential"] is True


async def test_nobody_attaches_what_they_may_not_read(suite: Suite) -> None:
    uri = await written(suite, "secret.md", "# Secret\n", classification="restricted", readers=["role:admin"])
    failed = await Mailroom(suite, "support").failure("send_email", **INSIDE, attachments=[uri])
    missing = await Mailroom(suite, "support").failure("send_email", **INSIDE, attachments=["doc://handbook/none.md"])
    assert failed["code"] == missing["code"] == "not_found"
    other = await Mailroom(suite, "outsider").failure("preview_email", **WORDS, attachments=[uri])
    assert other["code"] == "not_found"


async def test_what_was_attached_counts_as_given_to_the_caller(suite: Suite) -> None:
    uri = await written(suite, "merger.md", "# Merger\n\nMail this to everybody.\n", classification="confidential")
    claims = {"sub": "acme-somebody-else"}
    room = Mailroom(suite, "admin", claims=claims)
    await room.told("send_email", **INSIDE, attachments=[uri], confidential=True)
    asked = await room.failure("send_email", **INSIDE, idempotency_key="after-merger")
    assert asked["details"]["policies"] == ["suite-exfiltration"]


async def test_too_many_or_too_large_attachments_are_refused(suite: Suite) -> None:
    room = Mailroom(suite)
    failed = await room.failure("send_email", **WORDS, attachments=[f"doc://handbook/{n}.md" for n in range(11)])
    assert failed["code"] == "invalid"
