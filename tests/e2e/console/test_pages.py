"""Each page, in a real browser: what shuts people out, what sticks out, where the tab key leads, and how it looks."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Literal
from uuid import uuid4

import pytest
from playwright.async_api import Browser, Page

import servers
from tests.e2e.console.browsing import overflow, shot, sign_in, tabbed, violations
from tests.e2e.console.pages import PAGES, Walked
from tests.harness import Databases, Suite, open_suite
from tests.servers.console import letters
from tests.servers.console.asking import SPOOFED, asked, decide, letter_with_html
from tests.servers.console.letters import NASTY

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("axe")]

TABLET = 768
BAR = 60
WINDOWS: tuple[tuple[int, Literal["light", "dark"]], ...] = ((1440, "light"), (TABLET, "light"), (360, "dark"))
"""Widths, and colours: the narrowest and the widest are looked through for what shuts people out."""

Looking = Callable[[Walked], Awaitable[Page]]


@pytest.fixture(scope="module")
async def suite(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Suite]:
    folder = tmp_path_factory.mktemp("data")
    served = [*servers.every(), letters.server]
    async with open_suite(await databases.fresh(), folder, databases.admin_url, served=served) as opened:
        yield opened


async def mail_asked(suite: Suite) -> str:
    """An approval of the mail server itself."""
    text = "Dear customer,\n\nyour invoice is attached; pay to DE89 3704 0044 0532 0130 00.\n"
    mail = {"sender": "support", "to": ["ada@customer.example"], "subject": "Your invoice", "text": text, "html": NASTY}
    agent = {"act": {"sub": "acme-assistant"}}
    answer = await suite.call("support", "send_email", {**mail, "idempotency_key": uuid4().hex}, "mail", **agent)
    return answer["error"]["details"]["approval_id"]


@pytest.fixture(scope="module")
async def made(suite: Suite) -> dict[str, str]:
    """Approvals in every state a page shows differently."""
    found = {
        "real": await mail_asked(suite),
        "mail": await letter_with_html(suite),
        "nasty": await asked(suite, subject=SPOOFED, text=SPOOFED + " words that go on" * 300),
        "records": await asked(suite, "move_records", record_ids=[f"R-{n:04}" for n in range(40)], to="archived"),
        "edited": await asked(suite, "send_twice", subject="Your invoice", text="Please pay within 14 days."),
        "rejected": await asked(suite, subject="Rejected one"),
        "own": await asked(suite, persona="manager", subject="A letter of the manager's own"),
        "confirm": await asked(suite, "close_record", "manager", record_id="R-1"),
    }
    await decide(suite, found["edited"], "manager", "approve", edited={"text": "Please pay within 30 days."})
    await decide(suite, found["rejected"], "manager", "reject", reason="The amount is not the one of the invoice.")
    return found


@pytest.fixture(scope="module")
async def looking(browser: Browser, console: str, made: dict[str, str]) -> AsyncGenerator[Looking]:
    """A page as its persona sees it; each persona signs in once."""
    pages: dict[str, Page] = {}
    async with AsyncExitStack() as stack:

        async def look(walked: Walked) -> Page:
            if walked.persona not in pages:
                context = await browser.new_context(reduced_motion="reduce", color_scheme="light")
                stack.push_async_callback(context.close)
                pages[walked.persona] = await sign_in(context, console, walked.persona, "/requests")
            page = pages[walked.persona]
            await page.set_viewport_size({"width": 1440, "height": 900})
            await page.emulate_media(color_scheme="light")
            await page.goto(console + walked.at(made))
            return page

        yield look


@pytest.mark.parametrize("walked", PAGES, ids=lambda walked: walked.name)
async def test_a_page_shuts_nobody_out_fits_every_window_and_can_be_walked_by_keys(
    walked: Walked, looking: Looking
) -> None:
    page = await looking(walked)
    await walk(page)
    for width, scheme in WINDOWS:
        await page.set_viewport_size({"width": width, "height": 900})
        await page.emulate_media(color_scheme=scheme)
        assert await overflow(page) == {"page": 0, "out": []}, width
        await shot(page, walked.name)
        if width != TABLET:
            assert await violations(page) == [], scheme


async def walk(page: Page) -> None:
    """The tab key begins with the skip link, follows the bar from left to right, and shows where it is."""
    reached = await tabbed(page, 40)
    assert reached[0]["what"] == "Skip to the content"
    assert [one for one in reached if not one["ring"] and one["tag"] != "IFRAME"] == []
    assert [one for one in reached if not one["seen"]] == []
    bar = [one["x"] for one in reached[1:] if one["y"] < BAR]
    assert bar == sorted(bar)


async def test_a_decision_is_reached_by_keys_in_the_order_it_is_read(made: dict[str, str], looking: Looking) -> None:
    page = await looking(Walked("approval", "/approvals/{mail}"))
    reached = [one["what"] for one in await tabbed(page)]
    buttons = [reached.index(name) for name in ("Approve", "Reject", "Edit first")]
    assert buttons == sorted(buttons)
    assert reached.index("Approvals") < reached.index("The mail's HTML") < buttons[0]


async def test_everything_fits_when_text_is_twice_as_large(made: dict[str, str], looking: Looking) -> None:
    page = await looking(Walked("approval", "/approvals/{mail}"))
    await page.set_viewport_size({"width": 720, "height": 900})
    await page.evaluate("() => { document.documentElement.style.fontSize = '200%'; }")
    assert await overflow(page) == {"page": 0, "out": []}
