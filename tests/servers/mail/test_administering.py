"""Templates that administrators make, and who gets no more mail."""

from typing import Any

import pytest

from tests.harness import Suite
from tests.servers.mail.mailroom import Mailroom

pytestmark = pytest.mark.anyio

TEMPLATE: dict[str, Any] = {
    "name": "invoice",
    "title": "Invoice",
    "description": "Sends an invoice.",
    "subject": "Invoice {{ number }}",
    "text": "Your invoice {{ number }}.",
    "variables": {"number": {"type": "integer", "description": "Its number.", "minimum": 1}},
}


async def test_a_template_is_made_used_and_replaced_by_administrators_alone(suite: Suite) -> None:
    admin = Mailroom(suite, "admin")
    assert (await admin.told("save_template", **TEMPLATE))["version"] == 1
    wished = {"sender": "support", "to": ["a@b.example"], "template": "invoice", "variables": {"number": 7}}
    assert (await Mailroom(suite, "support").told("preview_email", **wished))["subject"] == "Invoice 7"
    stale = await admin.failure("save_template", **TEMPLATE)
    assert (stale["code"], stale["details"]["current_version"]) == ("conflict", 1)
    assert (await admin.told("save_template", **{**TEMPLATE, "version": 1, "subject": "No. {{ number }}"}))[
        "version"
    ] == 2
    assert (await Mailroom(suite).told("preview_email", **wished))["subject"] == "No. 7"
    assert "error" in await suite.call("manager", "save_template", TEMPLATE, "mail")
    other = await Mailroom(suite, "outsider").failure("preview_email", **wished)
    assert other["code"] == "not_found"


async def test_a_shipped_template_is_replaced_from_its_own_version(suite: Suite) -> None:
    admin = Mailroom(suite, "outsider")
    assert (await admin.failure("save_template", **{**TEMPLATE, "name": "renewal"}))["code"] == "conflict"
    assert (await admin.told("save_template", **{**TEMPLATE, "name": "renewal", "version": 1}))["version"] == 2


async def test_what_could_run_away_is_not_saved(suite: Suite) -> None:
    failed = await Mailroom(suite, "admin").failure("save_template", **{**TEMPLATE, "name": "b", "text": "{{ 9**9 }}"})
    assert failed["code"] == "invalid"
    assert "pow is not allowed" in failed["message"]


async def test_who_unsubscribes_gets_no_more_mail(suite: Suite) -> None:
    admin = Mailroom(suite, "admin")
    sent = await Mailroom(suite).sent(to=["Leaving@customer.example"])
    for named in ({"mail_id": sent["id"]}, {"address": "leaving@CUSTOMER.example"}):
        told = await admin.told("suppress_recipient", reason="unsubscribed", **named)
        assert told["addresses"] == ["leaving@customer.example"]
    failed = await Mailroom(suite).failure(
        "send_email", sender="support", to=["leaving@customer.example"], subject="A", text="B"
    )
    assert failed["details"]["skipped"][0]["reason"] == "unsubscribed"
    missing = await Mailroom(suite, "outsider").failure("suppress_recipient", reason="bounced", mail_id=sent["id"])
    assert missing["code"] == "not_found"


async def test_an_address_comes_off_the_list_for_the_reason_it_is_there_for(suite: Suite) -> None:
    admin, address = Mailroom(suite, "admin"), "Back@customer.example"
    await admin.told("suppress_recipient", address=address, reason="complained")
    failed = await admin.failure("unsuppress_recipient", address=address, reason="bounced")
    assert (failed["code"], failed["details"]["reason"]) == ("conflict", "complained")
    assert "error" in await suite.call("manager", "unsuppress_recipient", {"address": address}, "mail")
    other = await Mailroom(suite, "outsider").failure("unsuppress_recipient", address=address, reason="complained")
    assert other["code"] == "not_found"
    told = await admin.told("unsuppress_recipient", address=address, reason="complained")
    assert (told["address"], told["reason"], told["mail_id"]) == ("back@customer.example", "complained", None)
    assert (await Mailroom(suite).sent(to=[address]))["skipped"] == []
    again = await admin.failure("unsuppress_recipient", address=address, reason="complained")
    assert again["code"] == "not_found"
