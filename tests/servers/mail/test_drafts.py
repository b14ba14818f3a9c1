"""Drafts: begun, changed version by version, read as resources, and nobody else's business."""

from typing import Any

import pytest

from tests.harness import Suite
from tests.servers.mail.mailroom import Mailroom, customers

pytestmark = pytest.mark.anyio


async def test_a_draft_is_begun_changed_and_read(suite: Suite) -> None:
    room = Mailroom(suite)
    made = await room.draft(cc=["bob@customer.example"])
    assert (made["version"], made["to"], made["mail_id"]) == (1, ["ada@customer.example"], None)
    changed = await room.told(
        "update_draft", draft_id=made["id"], version=1, changes={"subject": "Good day", "cc": [], "text": None}
    )
    assert changed["draft"] | {"updated_at": ""} == made | {
        "version": 2, "subject": "Good day", "cc": [], "text": None, "updated_at": "",
    }  # fmt: skip
    again = await room.told("update_draft", draft_id=made["id"], version=2, changes={"subject": "Good day"})
    assert again["draft"]["version"] == 2
    read = await room.read(f"mail://{made['id']}")
    assert '"subject":"Good day"' in read["contents"][0]["text"].replace('": ', '":')


async def test_variables_are_merged_by_name(suite: Suite) -> None:
    room = Mailroom(suite)
    made = await room.draft(template="welcome", variables={"name": "Ada", "contact": "Bob"}, subject=None, text=None)
    changed = await room.told(
        "update_draft", draft_id=made["id"], version=1, changes={"variables": {"name": None, "contact": "Eve"}}
    )
    assert changed["draft"]["variables"] == {"contact": "Eve"}


async def test_who_did_not_see_the_last_change_is_told_to_look_again(suite: Suite) -> None:
    room = Mailroom(suite)
    made = await room.draft()
    await room.told("update_draft", draft_id=made["id"], version=1, changes={"subject": "A"})
    for tool, arguments in {
        "update_draft": {"changes": {"subject": "B"}},
        "send_email": {},
        "preview_email": {},
    }.items():
        failed = await room.failure(tool, draft_id=made["id"], version=1, **arguments)
        assert (failed["code"], failed["details"]["current_version"]) == ("conflict", 2)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"sender": "nobody"}, "not_found"),
        ({"template": "nothing"}, "not_found"),
        ({place: [f"{place}{n}@customer.example" for n in range(30)] for place in ("to", "cc")}, "invalid"),
        ({"to": ["no address"]}, "invalid"),
        ({"subject": "Two\nlines"}, "invalid"),
        ({"subject": "Hidden\u202eorder"}, "invalid"),
        ({"text": "a\0b"}, "invalid"),
        ({"attachments": ["https://www.example.com/a"]}, "invalid"),
        ({"variables": {"a": {"b": 1}}}, "invalid"),
    ],
)  # fmt: skip
async def test_what_no_mail_can_be_is_refused_at_once(suite: Suite, fields: dict[str, Any], code: str) -> None:
    wished = {"sender": "support", "subject": "Hello", "text": "Good day.", **fields}
    assert (await Mailroom(suite).failure("draft_email", **wished))["code"] == code


async def test_a_dry_run_shows_the_same_and_keeps_nothing(suite: Suite) -> None:
    room = Mailroom(suite)
    tried = await room.draft(dry_run=True)
    assert (await room.read(f"mail://{tried['id']}"))["error"]
    made = await room.draft(idempotency_key="draft-once-1")
    assert {**tried, "id": "", "updated_at": ""} == {**made, "id": "", "updated_at": ""}
    assert await room.draft(idempotency_key="draft-once-1") == made


async def test_another_tenant_sees_and_changes_nothing(suite: Suite) -> None:
    made = await Mailroom(suite).draft()
    other = Mailroom(suite, "outsider")
    assert (await other.failure("update_draft", draft_id=made["id"], version=1, changes={"subject": "A"}))[
        "code"
    ] == "not_found"
    assert (await other.failure("send_email", draft_id=made["id"], version=1))["code"] == "not_found"
    missing = await other.read(f"mail://D-{'0' * 26}")
    assert (await other.read(f"mail://{made['id']}"))["error"]["message"].replace(made["id"], "") == missing["error"][
        "message"
    ].replace(f"D-{'0' * 26}", "")


async def test_addresses_are_masked_for_whoever_may_not_see_them(suite: Suite) -> None:
    [customer] = await customers(suite)
    made = await Mailroom(suite).draft(to=["ada@customer.example", customer])
    support = await Mailroom(suite, "support").read(f"mail://{made['id']}")
    assert "ada@" not in str(support)
    assert "a***@customer.example" in str(support)
    assert customer in str(support)
    assert "ada@customer.example" in str(await Mailroom(suite, "approver").read(f"mail://{made['id']}"))
    assert "ada@" not in str(await Mailroom(suite, "auditor").read(f"mail://{made['id']}"))
