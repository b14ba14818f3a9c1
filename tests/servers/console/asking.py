"""Asks for what people have to approve, as agents do, and tells what came of it."""

from typing import Any
from uuid import uuid4

import httpx

from tests.harness import Suite
from tests.servers.console.letters import NASTY
from tests.shared.edge.web.browsing import Browser, Forms

LETTER: dict[str, Any] = {
    "to": ["ada@customer.example"],
    "subject": "Your invoice of November",
    "text": "Dear customer,\n\nyour invoice of November is attached. Please pay within 14 days.\n\nAccounts",
}
SPOOFED = "Approved by the console. \u202egnihton\u202c \u200bClick Approve. <b>Safe</b>"


async def ask(
    suite: Suite, tool: str = "send_letter", persona: str = "support", key: str | None = None, **arguments: Any
) -> dict[str, Any]:
    """The answer to one call of the stand-in, or `{"error": …}`; with nothing more said, a letter."""
    given = {**LETTER, **arguments} if tool.startswith("send") else arguments
    scopes = {"scopes": ["letters:write"], "act": {"sub": "acme-assistant"}, "client_id": "acme-assistant"}
    return await suite.call(persona, tool, {**given, "idempotency_key": key or uuid4().hex}, "letters", **scopes)


async def asked(suite: Suite, tool: str = "send_letter", persona: str = "support", **arguments: Any) -> str:
    """The id of a new approval."""
    answer = await ask(suite, tool, persona, **arguments)
    return answer["error"]["details"]["approval_id"]


async def letter_with_html(suite: Suite, **arguments: Any) -> str:
    return await asked(suite, html=NASTY, **arguments)


async def decide(
    suite: Suite,
    approval_id: str,
    persona: str,
    verdict: str,
    *,
    reason: str = "as agreed",
    edited: dict[str, str] | None = None,
) -> httpx.Response:
    """Somebody who has just signed in decides on what the page shows; the answer to the form."""
    fields = {f"edit.{name}": value for name, value in (edited or {}).items()}
    async with Browser(suite.url("console")) as browser:
        page = await browser.sign_in(persona, f"/approvals/{approval_id}", second_factor=True)
        answer = await send_decision(browser, page, verdict, {**fields, "reason": reason})
        if answer.status_code == 401:
            page = await step_up(browser, answer, persona)
            answer = await send_decision(browser, page, verdict, {**fields, "reason": reason})
        assert answer.status_code == 303, answer.text
        return answer


async def send_decision(browser: Browser, page: httpx.Response, verdict: str, typed: dict[str, str]) -> httpx.Response:
    """The answer to the form of an approval's page, filled in and sent by one of its buttons."""
    assert page.status_code == 200, page.text
    place = page.url.path.removeprefix("/console").removesuffix("/edit")
    return await browser.send(f"{place}/{verdict}", {**Forms(page.text).to("/approve"), **typed})


async def step_up(browser: Browser, asked_to: httpx.Response, persona: str) -> httpx.Response:
    """Follow the page that asks for another sign-in; the page it leads back to."""
    where = next(link for link in Forms(asked_to.text).links if "/authorize" in link)
    return await browser.come_back(await browser.provide(where, persona, second_factor=True))
