"""The story: an agent asks to mail a customer, a person reads it, changes a sentence, signs in again and approves; the
mail goes out once, as it was approved, through whichever replica. And the leak of part of a plan, tried with real mail.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import anyio
import httpx2
import orjson
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from playwright.async_api import Page, expect

from compose.smtp.sink import Kept, Sink, open_sink
from servers.mail import demo
from tests.browser import Chromium
from tests.e2e.console.browsing import be, launched, shot, sign_in
from tests.e2e.fleet import Drill, open_drill
from tests.harness import ERAS, MODERN, Databases, Suite, open_suite

pytestmark = pytest.mark.anyio

LETTER = "doc://handbook/inbox/supplier-letter.md"
DISCOUNTS = "doc://handbook/sales/discounts.md"
REPLICAS = 3
SETTINGS: dict[str, Any] = {
    **{"smtp__host": "127.0.0.1", "smtp__security": "none", "mail__poll_s": 0.1, "approval_escalate_s": 3600},
}
TRAIL = """
SELECT server, target, outcome, subject, convert_from(body, 'UTF8')::jsonb AS body FROM suite.audit
WHERE convert_from(body, 'UTF8') LIKE '%' || $1 || '%' ORDER BY at
"""


@asynccontextmanager
async def agent_of(drill: Drill, persona: str, era: str, program_name: str) -> AsyncGenerator[Client]:
    """An agent that acts for somebody, by a real client through the balancer."""
    token = drill.token(persona, "mail", act={"sub": program_name}, client_id=program_name)
    headers = {"Authorization": f"Bearer {token}"}
    mode = "legacy" if era == "legacy" else MODERN
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30, transport=drill.patient()) as http,
        Client(streamable_http_client(drill.url("mail"), http_client=http), mode=mode) as client,
    ):
        yield client


async def call(client: Client, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    answer: Any = await client.call_tool(tool, arguments)
    return answer.structured_content


async def arrived(sink: Sink, subject: str, most_s: float = 20) -> list[Kept]:
    """The mails of that subject, once there is one."""
    with anyio.fail_after(most_s):
        while not (found := [one for one in sink.mails if one.message["Subject"] == subject]):
            await anyio.sleep(0.05)
    return found


async def decide_with_an_edit(page: Page, before: str, after: str) -> None:
    """In the console: change a sentence, look at the difference, and approve it, through another sign-in."""
    await page.get_by_role("link", name="Edit first").click()
    text = page.get_by_label("Text", exact=True)
    await text.fill((await text.input_value()).replace(before, after))
    await page.get_by_role("button", name="Look at the changes").click()
    await expect(page.locator("ins").first).to_be_visible()
    await shot(page, "story-changes")
    await page.get_by_role("button", name="Approve with these changes").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in once more")
    await shot(page, "story-sign-in-again")
    await page.get_by_role("link", name="Sign in again").click()
    await be(page, "manager")
    await page.get_by_role("button", name="Look at the changes").click()
    await page.get_by_role("button", name="Approve with these changes").click()


@pytest.fixture(scope="module")
async def sink() -> AsyncGenerator[Sink]:
    async with open_sink(Sink()) as opened:
        yield opened


@pytest.fixture(scope="module")
async def drill(sink: Sink, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Drill]:
    names = ("customers", "mail", "console")
    folder = tmp_path_factory.mktemp("story")
    opening = open_drill(folder, names=names, replicas=REPLICAS, smtp__port=sink.port, **SETTINGS)
    async with opening as opened:
        await demo.seed(opened.urls.owner)
        yield opened


@pytest.mark.parametrize("era", ERAS)
async def test_an_agent_asks_a_person_edits_and_approves_and_one_mail_arrives(
    drill: Drill,
    sink: Sink,
    program: Chromium,
    era: str,
) -> None:
    subject = f"About your order {uuid4().hex[:8]}"
    [customer] = await drill.sql(
        "SELECT id, email FROM customers.customers WHERE tenant_id = 'acme' AND email IS NOT NULL"
        " AND status <> 'archived' AND merged_into IS NULL ORDER BY id LIMIT 1"
    )
    mail = {
        "sender": "support",
        "to": [customer["id"]],
        "subject": subject,
        "text": "We are sorry. Your order will arrive tomorrow for sure.",
        "idempotency_key": f"story-{uuid4().hex}",
    }
    async with launched(program) as browser:
        console = drill.url("console")
        bobs = await browser.new_context(ignore_https_errors=True, viewport={"width": 1440, "height": 900})
        bob = await sign_in(bobs, console, "manager", "/approvals")
        await expect(bob.locator("#live")).to_have_text("Live")
        async with agent_of(drill, "support", era, "support-assistant") as agent:
            told = (await call(agent, "send_email", mail))["error"]
        assert told["code"] == "needs_approval", told
        assert customer["email"] not in orjson.dumps(told).decode()
        approval_id = told["details"]["approval_id"]
        anns = await browser.new_context(ignore_https_errors=True, viewport={"width": 360, "height": 800})
        ann = await sign_in(anns, console, "support", f"/requests/{approval_id}")
        await shot(ann, "story-request")

        await bob.locator(f'a[href$="{approval_id}"]').first.click()  # it came by itself: the page was not loaded again
        await expect(bob.get_by_text(customer["email"]).first).to_be_visible()
        await shot(bob, "story-approval")
        assert [one for one in sink.mails if one.message["Subject"] == subject] == []
        await decide_with_an_edit(bob, "tomorrow for sure", "within five days")
        await expect(bob.locator("#stand")).to_contain_text("Done")
        await expect(ann.locator("#stand")).to_contain_text("Done")
        await shot(bob, "story-done")

    [letter] = await arrived(sink, subject)
    assert letter.recipients == (customer["email"],)
    body = letter.message.get_body(("plain",))
    assert body is not None
    assert "within five days" in body.get_content()
    assert "tomorrow" not in body.get_content()

    async with agent_of(drill, "support", era, "support-assistant") as agent:
        answer = await call(agent, "send_email", mail)
        with anyio.fail_after(15):
            while (status := await call(agent, "get_email_status", {"mail_id": answer["id"]}))["state"] != "sent":
                await anyio.sleep(0.1)
    assert "within five days" in answer["text"]
    assert status["id"] == answer["id"]
    assert len(await arrived(sink, subject)) == 1
    await the_trail_is_whole(drill, approval_id, answer["id"])


async def the_trail_is_whole(drill: Drill, approval_id: str, mail_id: str) -> None:
    """Request, decision, edit and sending are on record, and the chain is intact."""
    records = await drill.sql(TRAIL, approval_id)
    told = [(one["server"], one["target"], one["outcome"]) for one in records]
    assert ("mail", "send_email", "needs_approval") in told
    assert ("console", "approve", "step_up") in told
    assert ("console", "approve", "ok") in told
    done = [orjson.loads(one["body"]) if isinstance(one["body"], str) else one["body"] for one in records]
    edited = [one for one in done if one.get("edited") == ["text"] and one.get("outcome") == "ok"]
    assert edited
    assert edited[0]["approvers"] == ["acme-sales-manager"]
    assert edited[0]["subject"] == "acme-support-agent"
    sent = await drill.sql(TRAIL, mail_id)
    assert "sent" in {one["outcome"] for one in sent}
    assert (await drill.verify()).problems == []


@pytest.fixture(scope="module")
async def house(sink: Sink, databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Suite]:
    urls, folder = await databases.fresh(), tmp_path_factory.mktemp("leak")
    settings = {name: value for name, value in SETTINGS.items() if "__" not in name}
    smtp = {"host": "127.0.0.1", "port": sink.port, "security": "none"}
    async with open_suite(urls, folder, databases.admin_url, smtp=smtp, mail={"poll_s": 0.1}, **settings) as opened:
        yield opened


async def test_what_outsiders_talked_a_model_into_sending_out_is_not_sent(house: Suite, sink: Sink) -> None:
    """Part 4's story with real mail: a person's own program, an outsider's words, a secret plan."""
    sub = f"person-{uuid4().hex}"
    for uri in (LETTER, DISCOUNTS):
        read = await house.call("manager", "read_section", {"uri": uri}, "documents", sub=sub)
        assert "text" in read, read
    subject = f"Leak {uuid4().hex[:8]}"
    mail: dict[str, Any] = {"sender": "support", "to": ["billing@supplier.example"], "subject": subject}
    mail |= {"text": read["text"][:400], "idempotency_key": uuid4().hex}
    told = (await house.call("manager", "send_email", mail, "mail", sub=sub))["error"]
    assert told["code"] == "needs_approval"
    assert "suite-exfiltration" in told["details"]["policies"]
    [record] = [one for one in await house.records(target="send_email", subject=sub) if one.get("outcome")]
    assert (record["outcome"], {*record["seen"]} >= {"confidential", "untrusted"}) == ("needs_approval", True)
    inbox = await house.sql("SELECT id FROM suite.approvals WHERE subject = $1", sub)
    assert [one["id"] for one in inbox] == [told["details"]["approval_id"]]
    assert [one for one in sink.mails if one.message["Subject"] == subject] == []
