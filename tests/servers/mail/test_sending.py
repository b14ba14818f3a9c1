"""Sending one mail: what was looked at is what goes, to whom it may go, and only as often as it was asked for."""

from typing import Any

import orjson
import pytest

from servers.mail.recipients import Person, unshown
from servers.mail.safety.addresses import checked_address
from tests.harness import Suite
from tests.servers.mail.mailroom import NO, Mailroom, address_of, customers

pytestmark = pytest.mark.anyio

ROWS = "SELECT * FROM mail.mails WHERE tenant_id = 'acme' AND id = $1"
OF_MAIL = "SELECT kind, address, customer_id FROM mail.recipients WHERE tenant_id = 'acme' AND mail_id = $1 ORDER BY n"
INSIDE: dict[str, Any] = {"sender": "colleagues", "to": ["eve@acme.example"], "inside": True}


async def test_a_mail_goes_as_the_preview_shows_it(suite: Suite) -> None:
    room = Mailroom(suite)
    [customer] = await customers(suite)
    html = "<p>Good <b>day</b></p><script>alert(1)</script><img src='https://t.example/p.gif' width=1 height=1>"
    made = await room.draft(to=[customer], cc=["bob@customer.example"], html=html, text=None)
    seen = await room.told("preview_email", draft_id=made["id"], version=1)
    assert "script" not in seen["html"]
    assert "t.example" not in seen["html"]
    assert {"script", "remote_image"} & {found["kind"] for found in seen["findings"]} or len(seen["findings"]) > 1
    assert (seen["blocked"], seen["outside"], seen["confidential"]) == (False, True, False)
    sent = await room.told("send_email", draft_id=made["id"], version=1)
    shown = {name: sent[name] for name in ("sender", "to", "cc", "subject", "text", "html", "findings")}
    assert shown == {name: seen[name] for name in shown}
    [row] = await suite.sql(ROWS, sent["id"])
    assert (row["text"], row["html"], row["draft_id"], row["draft_version"]) == (
        seen["text"], seen["html"], made["id"], 1,
    )  # fmt: skip
    assert b"<script" not in row["mime"]
    assert sent["id"].lower().encode() in row["message_id"].lower().encode()
    to, cc = await suite.sql(OF_MAIL, sent["id"])
    assert (to["address"], to["customer_id"]) == (await address_of(suite, customer), customer)
    assert (cc["kind"], cc["address"]) == ("cc", "bob@customer.example")


async def test_what_was_sent_stays_as_it_was_and_is_not_sent_again(suite: Suite) -> None:
    room = Mailroom(suite)
    made = await room.draft()
    arguments = {"draft_id": made["id"], "version": 1, "idempotency_key": "send-once-key"}
    sent = await room.told("send_email", **arguments)
    assert await room.told("send_email", **arguments) == sent
    for tool, more in {"send_email": {}, "update_draft": {"changes": {"subject": "B"}}}.items():
        failed = await room.failure(tool, draft_id=made["id"], version=1, **more)
        assert (failed["code"], failed["details"]["mail_id"]) == ("conflict", sent["id"])
    [row] = await suite.sql("SELECT count(*) AS mails FROM mail.mails WHERE draft_id = $1", made["id"])
    assert row["mails"] == 1


async def test_words_of_the_call_go_in_place_of_the_drafts(suite: Suite) -> None:
    room = Mailroom(suite)
    made = await room.draft(html="<p>Old</p>", text="Old")
    over = {"draft_id": made["id"], "version": 1, "dry_run": True}
    assert (await room.told("send_email", **over))["html"].strip() == "<p>Old</p>"
    text = await room.told("send_email", **over, text="New words.")
    assert (text["text"].strip(), text["html"], text["subject"]) == ("New words.", None, "Hello")
    html = await room.told("send_email", **over, html="<p>New <b>words</b></p>", subject="Other")
    assert "New" in html["text"]
    assert "Old" not in html["text"]
    assert html["subject"] == "Other"


async def test_a_template_is_filled_in_with_the_name_the_customer_is_kept_under(suite: Suite) -> None:
    [customer] = await customers(suite)
    [kept] = await suite.sql("SELECT name FROM customers.customers WHERE tenant_id = 'acme' AND id = $1", customer)
    sent = await Mailroom(suite).told(
        "send_email", sender="support", to=[customer], template="welcome", variables={"contact": "Bob & Eve"}
    )
    assert sent["subject"] == f"Welcome, {kept['name']}"
    assert "Bob &amp; Eve" in sent["html"]
    assert "Bob & Eve" in sent["text"]
    [row] = await suite.sql(ROWS, sent["id"])
    assert (row["template"], row["template_version"]) == ("welcome", 1)


async def test_a_person_says_yes_before_it_leaves_the_house(suite: Suite) -> None:
    refused = await Mailroom(suite, said=NO).failure(
        "send_email", sender="support", to=["a@b.example"], subject="A", text="B"
    )
    assert refused["code"] == "declined"
    unasked = await suite.call("manager", "send_email", {**INSIDE, "subject": "A", "text": "B"}, "mail")
    assert unasked["state"] == "queued"
    lied = await Mailroom(suite).failure(
        "send_email", **{**INSIDE, "to": ["a@b.example"], "sender": "support"}, subject="A", text="B"
    )
    assert (lied["code"], lied["details"]["outside"]) == ("conflict", True)


async def test_an_agent_needs_an_approval_to_write_to_outsiders(suite: Suite) -> None:
    agent = Mailroom(suite, claims={"act": {"sub": "acme-triage"}})
    made = await agent.draft()
    failed = await agent.failure("send_email", draft_id=made["id"], version=1, idempotency_key="agent-asks-1")
    assert failed["code"] == "needs_approval", failed
    assert "mail-outside-approve" in failed["details"]["policies"]
    [row] = await suite.sql("SELECT count(*) AS mails FROM mail.mails WHERE draft_id = $1", made["id"])
    assert row["mails"] == 0
    assert (await agent.told("send_email", draft_id=made["id"], version=1, dry_run=True))["subject"] == "Hello"


async def test_who_is_on_the_suppression_list_gets_nothing_and_the_others_do(suite: Suite) -> None:
    room = Mailroom(suite)
    sent = await room.sent(to=["Gone@customer.example", "ada@customer.example"], cc=["no-more@customer.example"])
    assert [one["address"] for one in sent["to"]] == ["ada@customer.example"]
    assert sent["cc"] == []
    assert {one["address"].lower(): one["reason"] for one in sent["skipped"]} == {
        "gone@customer.example": "bounced", "no-more@customer.example": "unsubscribed",
    }  # fmt: skip
    assert len(await suite.sql(OF_MAIL, sent["id"])) == 1
    failed = await room.failure("send_email", sender="support", to=["gone@customer.example"], subject="A", text="B")
    assert (failed["code"], failed["details"]["skipped"]) == ("conflict", [{"customer_id": None, "reason": "bounced"}])
    seen = await room.told("preview_email", sender="support", to=["gone@customer.example"], subject="A", text="B")
    assert (seen["blocked"], seen["skipped"][0]["reason"]) == (True, "bounced")


async def test_denied_domains_and_those_a_sender_may_not_write_to_are_refused(suite: Suite) -> None:
    room = Mailroom(suite)
    words = {"subject": "A", "text": "B"}
    for address in ("a@evil.example", "a@deep.evil.example"):
        failed = await room.failure("send_email", sender="support", to=[address], **words)
        assert (failed["code"], bool(failed["details"]["findings"])) == ("invalid", True)
    failed = await room.failure("send_email", sender="colleagues", to=["a@customer.example"], **words)
    assert (failed["code"], failed["details"]["domains"]) == ("invalid", ["customer.example"])
    failed = await room.failure("send_email", sender="boss", to=["a@customer.example"], **words)
    assert failed["code"] == "not_found"
    assert "support" in failed["message"]


async def test_with_allowed_domains_all_others_are_refused(suite: Suite) -> None:
    await suite.sql(
        "INSERT INTO mail.domain_rules (tenant_id, domain, verdict) VALUES ('globex', 'partner.example', 'allowed')"
    )
    other = Mailroom(suite, "outsider")
    words = {"sender": "support", "subject": "A", "text": "B", "dry_run": True}
    await other.told("send_email", to=["a@partner.example", "b@globex.example"], **words)
    assert (await other.failure("send_email", to=["a@customer.example"], **words))["code"] == "invalid"


async def test_customers_are_written_to_without_their_address_being_shown(suite: Suite) -> None:
    [customer] = await customers(suite)
    address = await address_of(suite, customer)
    support = Mailroom(suite, "support")
    sent = await support.told("send_email", sender="support", to=[customer], subject="A", text="B")
    status = await support.told("get_email_status", mail_id=sent["id"])
    listed = await support.told("list_emails", mine=True)
    whole = await support.read(f"mail://{sent['id']}")
    for answer in (sent, status, listed, whole):
        assert address not in orjson.dumps(answer).decode()
    assert address in str(await Mailroom(suite).told("get_email_status", mail_id=sent["id"]))
    await suite.sql(
        "INSERT INTO mail.domain_rules (tenant_id, domain, verdict) VALUES ('acme', $1, 'denied')",
        address.split("@")[1],
    )
    try:
        failed = await support.failure("send_email", sender="support", to=[customer], subject="A", text="B")
        assert failed["code"] == "invalid"
        assert address not in str(failed)
    finally:
        await suite.sql("DELETE FROM mail.domain_rules WHERE tenant_id = 'acme' AND domain = $1", address.split("@")[1])


def test_a_refusal_masks_addresses_that_were_looked_up_and_no_others() -> None:
    people = [
        Person(checked_address("ada@b.example"), customer_id="C-000001"),
        Person(checked_address("bob@b.example")),
    ]
    told = unshown("Neither ada@b.example nor bob@b.example will do.", people)
    assert told == "Neither a***@b.example nor bob@b.example will do."


async def test_customers_that_cannot_be_written_to_are_named(suite: Suite) -> None:
    [archived] = await customers(suite, 1, "status = 'archived' AND merged_into IS NULL")
    failed = await Mailroom(suite).failure(
        "send_email", sender="support", to=[archived, "C-ZZZZZZ"], subject="A", text="B"
    )
    assert failed["code"] == "not_found"
    assert failed["details"]["missing"] == [{"id": archived, "why": "archived"}, {"id": "C-ZZZZZZ", "why": "unknown"}]


@pytest.mark.parametrize(
    "fields",
    [
        {"subject": "A"},
        {"text": "B"},
        {"subject": "A", "text": "B", "variables": {"name": "A"}},
        {"template": "welcome"},
        {"template": "welcome", "variables": {"name": "A", "contact": "B", "handbook": "javascript:alert(1)"}},
    ],
)
async def test_half_a_mail_is_not_sent(suite: Suite, fields: dict[str, Any]) -> None:
    failed = await Mailroom(suite).failure("send_email", sender="support", to=["a@b.example"], **fields)
    assert failed["code"] == "invalid"


async def test_a_mail_that_waits_is_cancelled_and_its_draft_can_be_sent_again(suite: Suite) -> None:
    room = Mailroom(suite)
    made = await room.draft()
    sent = await room.told("send_email", draft_id=made["id"], version=1)
    assert (await Mailroom(suite, "outsider").failure("cancel_email", mail_id=sent["id"]))["code"] == "not_found"
    gone = await room.told("cancel_email", mail_id=sent["id"])
    assert gone == {"id": sent["id"], "state": "cancelled", "draft_id": made["id"]}
    assert (await room.told("get_email_status", mail_id=sent["id"]))["state"] == "cancelled"
    again = await room.told("send_email", draft_id=made["id"], version=1)
    await suite.sql("UPDATE mail.mails SET state = 'sent', sent_at = now() WHERE id = $1", again["id"])
    await suite.sql("DELETE FROM mail.queue WHERE mail_id = $1", again["id"])
    late = await room.failure("cancel_email", mail_id=again["id"])
    assert (late["code"], late["details"]["state"]) == ("conflict", "sent")


async def test_mails_are_listed_newest_first_page_by_page_for_one_tenant(suite: Suite) -> None:
    room = Mailroom(suite)
    made = [(await room.sent(subject=f"Listed {n}"))["id"] for n in range(3)]
    page = await room.told("list_emails", limit=2)
    assert [mail["id"] for mail in page["mails"]] == made[:0:-1]
    following = await room.told("list_emails", limit=2, cursor=page["next_cursor"])
    assert following["mails"][0]["id"] == made[0]
    assert (await Mailroom(suite, "outsider").told("list_emails"))["mails"] == []
    assert (await room.told("list_emails", state="dead"))["mails"] == []
    missing = await Mailroom(suite, "outsider").failure("get_email_status", mail_id=made[0])
    assert missing["code"] == "not_found"
