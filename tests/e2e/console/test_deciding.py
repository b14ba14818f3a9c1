"""People decide in real browsers: what they see without reloading, through another sign-in, without a script."""

from collections.abc import AsyncGenerator
from uuid import uuid4

import pytest
from playwright.async_api import Request, expect

import servers
from tests.e2e.console.browsing import be
from tests.e2e.console.conftest import SignedIn
from tests.harness import Databases, Suite, open_suite
from tests.servers.console import letters
from tests.servers.console.asking import asked, letter_with_html

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def suite(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Suite]:
    folder = tmp_path_factory.mktemp("data")
    served = [servers.load("console"), letters.server]
    async with open_suite(await databases.fresh(), folder, databases.admin_url, served=served) as opened:
        yield opened


async def test_a_request_appears_by_itself_is_edited_and_approved_and_its_requester_sees_it(
    suite: Suite, signed_in: SignedIn
) -> None:
    approver = await signed_in("approver", "/approvals")
    await expect(approver.locator("#live")).to_have_text("Live")
    subject = f"Live {uuid4().hex[:8]}"
    approval_id = await asked(suite, subject=subject, text="Please pay within 14 days.")
    await approver.get_by_role("row", name=subject).get_by_role("link", name="Send letter").click()
    requester = await signed_in("support", f"/requests/{approval_id}", width=360)
    await expect(requester.locator("#live")).to_have_text("Live")
    await approver.get_by_role("link", name="Edit first").click()
    await approver.get_by_label("Text").fill("Please pay within 30 days.")
    await approver.get_by_role("button", name="Look at the changes").click()
    await expect(approver.locator("del")).to_contain_text("14")
    await expect(approver.locator("ins")).to_contain_text("30")
    await approver.get_by_role("button", name="Approve with these changes").click()
    await expect(approver.get_by_role("status").first).to_contain_text("You approved it.")
    await expect(approver.locator("#stand")).to_contain_text("Done")
    await expect(requester.locator("#stand")).to_contain_text("Done")
    await expect(requester.locator("#what")).to_contain_text("Edited since it was asked for")
    assert [one["text"] for one in letters.sent if one["subject"] == subject] == ["Please pay within 30 days."]


async def test_a_weak_sign_in_leads_through_a_second_factor_and_back_to_what_was_typed(
    suite: Suite, signed_in: SignedIn
) -> None:
    approval_id = await asked(suite)
    page = await signed_in("manager", f"/approvals/{approval_id}")
    await page.get_by_label("Reason").fill("The customer asked for it.")
    await page.get_by_role("button", name="Approve").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in once more")
    await page.get_by_role("link", name="Sign in again").click()
    await be(page, "manager")
    await expect(page.get_by_label("Reason")).to_have_value("The customer asked for it.")
    await expect(page.locator("#stand")).to_contain_text("Waiting")
    await page.get_by_role("button", name="Approve").click()
    await expect(page.get_by_role("status").first).to_contain_text("You approved it.")


async def test_the_html_of_a_mail_runs_nothing_loads_nothing_and_leads_nowhere(
    suite: Suite, signed_in: SignedIn
) -> None:
    approval_id = await letter_with_html(suite)
    page = await signed_in("approver", "/approvals")
    asked_for: list[str] = []

    def note(request: Request) -> None:
        asked_for.append(request.url)

    page.on("request", note)
    title = "Send letter · Console"
    await page.goto(f"{suite.url('console')}/approvals/{approval_id}")
    frame = page.frame_locator("iframe")
    await expect(frame.get_by_text("your invoice is attached")).to_be_visible()
    await frame.get_by_text("https://bank.example").click()
    assert await page.title() == title
    assert [url for url in asked_for if not url.startswith((suite.settings.base_url, "about:"))] == []


async def test_everything_can_be_done_without_a_script(suite: Suite, signed_in: SignedIn) -> None:
    subject = f"Plain {uuid4().hex[:8]}"
    approval_id = await asked(suite, subject=subject)
    page = await signed_in("approver", "/approvals", width=360, java_script_enabled=False)
    await page.locator(f'a[href$="{approval_id}"]').click()
    await page.get_by_label("Reason").fill("Not now.")
    await page.get_by_role("button", name="Reject").click()
    await expect(page.locator("#stand")).to_contain_text("Rejected")
    await expect(page.locator("#stand")).to_contain_text("Not now.")


async def test_what_is_being_typed_is_not_taken_away_when_the_page_changes(suite: Suite, signed_in: SignedIn) -> None:
    approval_id = await asked(suite, "send_twice")
    first = await signed_in("approver", f"/approvals/{approval_id}")
    second = await signed_in("manager", f"/approvals/{approval_id}")
    await expect(second.locator("#live")).to_have_text("Live")
    await second.get_by_label("Reason").fill("I am still writ")
    await first.get_by_role("button", name="Approve").click()
    await expect(second.locator("#stand")).to_contain_text("1 of 2 approvals")
    await expect(second.get_by_label("Reason")).to_have_value("I am still writ")
