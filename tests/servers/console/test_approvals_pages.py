"""The approvals over real HTTP: what people are shown, and what becomes of what they decide."""

import html
import re
from typing import Any
from uuid import uuid4

import anyio
import pytest

import servers
from servers.console.server import PERSONAL
from tests.harness import Suite
from tests.servers.console import letters
from tests.servers.console.asking import LETTER, ask, asked, decide, letter_with_html, send_decision, step_up
from tests.shared.edge.web.browsing import Browser, Forms

pytestmark = pytest.mark.anyio

TAGS = re.compile(r"<[^>]+>")


def words(page: str) -> str:
    """What a reader reads of a page, on one line."""
    return " ".join(html.unescape(TAGS.sub(" ", page)).split())


async def ended(office: Suite, persona: str, approval_id: str) -> str:
    """The state that the requester's page tells, once it is final."""
    async with Browser(office.url("console")) as browser:
        await browser.sign_in(persona, "/requests")
        with anyio.fail_after(15):
            while True:
                told = words((await browser.get(f"/requests/{approval_id}")).text)
                found = re.search(r"Where it stands (Done|Failed|Rejected|Cancelled|Void|Expired)", told)
                if found:
                    return found[1]
                await anyio.sleep(0.05)


async def test_a_waiting_letter_is_listed_with_who_asked_and_through_whom(office: Suite, approver: Browser) -> None:
    approval_id = await asked(office, subject="To be listed")
    told = (await approver.get("/approvals")).text
    row = next(part for part in told.split("<tr")[1:] if approval_id in part)
    assert "Send letter letters To be listed" in words(row)
    assert "acme-support-agent through acme-assistant" in words(row)
    assert "0 of 1" in words(row)


async def test_an_approved_letter_goes_once_and_the_repeated_call_is_told_so(office: Suite, approver: Browser) -> None:
    key, subject = uuid4().hex, f"Goes {uuid4().hex}"
    waits = await ask(office, key=key, subject=subject)
    approval_id = waits["error"]["details"]["approval_id"]
    page = await approver.get(f"/approvals/{approval_id}")
    answer = await send_decision(approver, page, "approve", {"reason": ""})
    assert answer.headers["location"] == f"/console/approvals/{approval_id}"
    assert "You approved it. It is being done now" in words((await approver.get(f"/approvals/{approval_id}")).text)
    assert await ended(office, "support", approval_id) == "Done"
    again = await ask(office, key=key, subject=subject)
    assert again["subject"] == subject
    assert [one for one in letters.sent if one["subject"] == subject] == [{**again_text(again), "subject": subject}]


def again_text(answer: dict[str, Any]) -> dict[str, str]:
    return {"text": answer["text"]}


async def test_an_edit_is_looked_at_word_by_word_before_it_is_approved_and_kept(
    office: Suite, approver: Browser
) -> None:
    subject = f"Edited {uuid4().hex}"
    approval_id = await asked(office, subject=subject, text="Pay within 14 days.")
    page = await approver.get(f"/approvals/{approval_id}/edit")
    form = {**Forms(page.text).to("/edit"), "edit.subject": subject, "edit.text": "Pay within 30 days."}
    looked = await approver.send(f"/approvals/{approval_id}/edit", form)
    assert looked.status_code == 200
    assert re.search(r"<del>.*14.*</del><ins>.*30.*</ins>", looked.text)
    assert "edit.subject" not in Forms(looked.text).to("/approve"), "what was not changed is not sent"
    answer = await send_decision(approver, looked, "approve", {"reason": "The terms are 30 days."})
    assert answer.status_code == 303, answer.text
    assert await ended(office, "support", approval_id) == "Done"
    assert {"subject": subject, "text": "Pay within 30 days."} in letters.sent
    for path in (f"/approvals/{approval_id}", "/history"):
        assert approval_id in (await approver.get(path)).text
    told = (await approver.get(f"/approvals/{approval_id}")).text
    assert "acme-approver approved with changes" in words(told)
    assert re.search(r"<del>.*14.*</del><ins>.*30.*</ins>", told)


async def test_an_edit_that_changes_nothing_is_not_approved(office: Suite, approver: Browser) -> None:
    approval_id = await asked(office)
    page = await approver.get(f"/approvals/{approval_id}/edit")
    form = {**Forms(page.text).to("/edit"), **{f"edit.{name}": LETTER[name] for name in ("subject", "text")}}
    looked = await approver.send(f"/approvals/{approval_id}/edit", form)
    assert looked.status_code == 422
    assert "Nothing is changed yet" in words(looked.text)


async def test_only_what_the_tool_declares_may_be_edited_and_within_its_own_rules(
    office: Suite, approver: Browser
) -> None:
    approval_id = await asked(office)
    page = await approver.get(f"/approvals/{approval_id}")
    moved = await send_decision(approver, page, "approve", {"edit.to": "me@elsewhere.example"})
    assert moved.status_code == 422
    assert "to may not be changed before approving" in words(moved.text)
    longer = await send_decision(approver, page, "approve", {"edit.subject": "x" * 201})
    assert longer.status_code == 422
    assert "subject: String should have at most 200 characters" in words(longer.text)
    assert "Where it stands Waiting" in words((await approver.get(f"/approvals/{approval_id}")).text)


async def test_after_an_edit_whoever_approved_before_has_to_do_so_again(office: Suite, approver: Browser) -> None:
    approval_id = await asked(office, "send_twice", text="Pay within 14 days.")
    page, other_tab = [await approver.get(f"/approvals/{approval_id}") for _ in range(2)]
    assert (await send_decision(approver, page, "approve", {})).status_code == 303
    assert "1 of 2 approvals" in words((await approver.get(f"/approvals/{approval_id}")).text)
    await decide(office, approval_id, "manager", "approve", edited={"text": "Pay within 30 days."})
    told = (await approver.get(f"/approvals/{approval_id}")).text
    assert "1 of 2 approvals" in words(told)
    assert "of an earlier version, which does not count any more" in words(told)
    assert "acme-sales-manager approved with changes" in words(told)
    stale = await send_decision(approver, other_tab, "approve", {})
    assert (stale.status_code, "It was changed since you were shown it" in words(stale.text)) == (409, True)
    now = await approver.get(f"/approvals/{approval_id}")
    assert (await send_decision(approver, now, "approve", {})).status_code == 303
    assert await ended(office, "support", approval_id) == "Done"


async def test_a_rejection_has_a_reason_that_whoever_asked_reads(office: Suite, approver: Browser) -> None:
    approval_id = await asked(office)
    page = await approver.get(f"/approvals/{approval_id}")
    silent = await send_decision(approver, page, "reject", {"reason": "  "})
    assert (silent.status_code, "Say why, in a few words" in words(silent.text)) == (422, True)
    given = await send_decision(approver, page, "reject", {"reason": "Not <b>this</b> customer."})
    assert given.status_code == 303
    async with Browser(office.url("console")) as browser:
        told = (await browser.sign_in("support", f"/requests/{approval_id}")).text
    assert "Not &lt;b&gt;this&lt;/b&gt; customer." in told
    late = await send_decision(approver, page, "approve", {})
    assert (late.status_code, "It is rejected already" in words(late.text)) == (409, True)


async def test_nobody_is_offered_their_own_request_and_a_forged_form_is_refused(office: Suite) -> None:
    approval_id = await asked(office, persona="manager")
    async with Browser(office.url("console")) as browser:
        page = await browser.sign_in("manager", f"/approvals/{approval_id}")
        assert "Nobody approves their own request" in words(page.text)
        assert not [action for action, _ in Forms(page.text).found if action.endswith(("/approve", "/reject"))]
        payload = await office.sql("SELECT payload FROM suite.approvals WHERE id = $1", approval_id)
        forged = {**Forms(page.text).to("/cancel"), "payload": payload[0]["payload"]}
        first = await browser.send(f"/approvals/{approval_id}/approve", forged)
        assert first.status_code == 401
        page = await step_up(browser, first, "manager")
        forged = {**Forms(page.text).to("/cancel"), "payload": payload[0]["payload"]}
        refused = await browser.send(f"/approvals/{approval_id}/approve", forged)
    assert (refused.status_code, "You asked for this yourself" in words(refused.text)) == (403, True)
    assert (await office.sql("SELECT state FROM suite.approvals WHERE id = $1", approval_id))[0]["state"] == "pending"


async def test_one_s_own_request_can_be_cancelled_and_nobody_else_s(office: Suite, approver: Browser) -> None:
    approval_id = await asked(office, subject="To be given up")
    async with Browser(office.url("console")) as browser:
        listed = await browser.sign_in("support", "/requests")
        assert approval_id in listed.text
        page = await browser.get(f"/requests/{approval_id}")
        assert (await browser.post(f"/requests/{approval_id}/cancel")).status_code == 303
        told = words((await browser.get(f"/requests/{approval_id}")).text)
    assert page.status_code == 200
    assert "You cancelled this request. Nothing was done." in told
    assert "Where it stands Cancelled" in told
    other = await asked(office)
    stranger = await approver.get("/approvals")
    fields = Forms(stranger.text).to("/logout")
    assert (await approver.send(f"/requests/{other}/cancel", fields)).status_code == 404


async def test_what_an_agent_does_in_one_s_name_is_confirmed_by_oneself_alone(office: Suite, approver: Browser) -> None:
    approval_id = await asked(office, "close_record", "manager", record_id="R-7")
    assert approval_id not in (await approver.get("/approvals")).text
    async with Browser(office.url("console")) as browser:
        page = await browser.sign_in("manager", f"/requests/{approval_id}")
        assert "An agent wants to do this in your name" in words(page.text)
        answer = await browser.post(f"/requests/{approval_id}/confirm")
    assert answer.status_code == 303, answer.text
    assert await ended(office, "manager", approval_id) == "Done"


async def test_another_tenant_is_told_that_there_is_no_such_approval(office: Suite) -> None:
    approval_id = await asked(office)
    async with Browser(office.url("console")) as browser:
        page = await browser.sign_in("outsider", f"/approvals/{approval_id}")
        assert (page.status_code, "There is no approval" in words(page.text)) == (404, True)
        assert approval_id not in (await browser.get("/approvals")).text


async def test_who_may_not_decide_is_shown_no_list_and_no_approval(office: Suite) -> None:
    approval_id = await asked(office, persona="manager")
    async with Browser(office.url("console")) as browser:
        page = await browser.sign_in("support", "/")
        assert page.status_code in {200, 303}
        assert [(await browser.get(path)).status_code for path in ("/approvals", f"/approvals/{approval_id}")] == [
            404,
            404,
        ]
        assert (await browser.get(f"/requests/{approval_id}")).status_code == 404


async def test_addresses_are_masked_for_who_may_not_see_them_and_said_to_be(office: Suite, approver: Browser) -> None:
    approval_id = await asked(office)
    told = (await approver.get(f"/approvals/{approval_id}")).text
    assert "ada@customer.example" not in told
    assert "Parts are hidden from you" in words(told)


def test_the_console_knows_the_right_to_personal_data_of_every_server() -> None:
    assert {f"{server.name}:pii" for server in servers.every() if server.web is None} <= set(PERSONAL)


async def test_a_masked_field_cannot_be_edited_or_the_mask_would_go_out(office: Suite, approver: Browser) -> None:
    approval_id = await asked(office, text="Call ada@customer.example about it.")
    page = await approver.get(f"/approvals/{approval_id}/edit")
    assert "edit.subject" in page.text
    assert "edit.text" not in page.text
    assert "masked for you, so you cannot change it" in words(page.text)


async def test_outsiders_words_cannot_pass_for_the_console_s(office: Suite, approver: Browser) -> None:
    approval_id = await asked(
        office, subject="Safe\u202e\u200b", text='</div></section><h1>Approved</h1><a href="https://x.example">go</a>'
    )
    told = (await approver.get(f"/approvals/{approval_id}")).text
    assert "\u202e" not in told
    assert "\u200b" not in told
    assert 'title="right-to-left override">U+202E</span>' in told
    assert "<h1>Approved</h1>" not in told
    assert "https://x.example" not in Forms(told).links


async def test_the_html_of_a_mail_is_shown_in_a_sandbox_that_loads_nothing(office: Suite, approver: Browser) -> None:
    approval_id = await letter_with_html(office)
    told = (await approver.get(f"/approvals/{approval_id}")).text
    frame = re.search(r'<iframe[^>]*sandbox="" srcdoc="([^"]*)"', told)
    assert frame is not None
    inside = html.unescape(frame[1])
    assert "<script" not in inside
    assert "href=" not in inside
    assert "tracker.example" not in inside
    assert "default-src 'none'" in inside
    assert "https://bank.example https://phish.example/pay" in words(told), "where links lead is told beside it"


async def test_a_decision_is_in_the_audit_with_who_and_about_what(office: Suite, approver: Browser) -> None:
    approval_id = await asked(office)
    page = await approver.get(f"/approvals/{approval_id}")
    await send_decision(approver, page, "approve", {"reason": "agreed"})
    found = await office.records(target="approve", subject="acme-approver")
    [decided] = [one for one in found if approval_id in str(one) and one.get("outcome") == "ok"]
    assert decided["server"] == "console"
