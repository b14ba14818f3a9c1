"""Mail that people approve: what they saw is what goes, and nothing goes if what it rests on has changed."""

from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest

from shared.core.approvals import ApprovalState, Kept
from shared.state.approvals.inbox import Inbox
from shared.state.database import open_database
from tests.harness import Suite
from tests.servers.mail.mailroom import Mailroom, address_of, customers
from tests.treasury.house import approver

pytestmark = pytest.mark.anyio

AGENT = {"act": {"sub": "acme-triage"}}


@pytest.fixture(scope="module")
async def inbox(suite: Suite) -> AsyncGenerator[Inbox]:
    few = suite.settings.model_copy(update={"pool_min": 1, "pool_max": 3})
    async with open_database(suite.urls.console, few) as database:
        yield Inbox(database)


async def asked(room: Mailroom, inbox: Inbox, tool: str = "send_email", **arguments: Any) -> Kept:
    failed = await room.failure(tool, **arguments)
    assert failed["code"] == "needs_approval", failed
    kept = await inbox.one("acme", failed["details"]["approval_id"])
    assert kept is not None
    return kept


async def approved(inbox: Inbox, kept: Kept, by: str = "acme-approver", **more: Any) -> None:
    await inbox.decide("acme", kept.id, approver(by), "approve", payload=kept.payload, **more)


async def settled(inbox: Inbox, kept: Kept) -> Kept:
    with anyio.fail_after(15):
        while True:
            now = await inbox.one("acme", kept.id)
            if now is not None and now.state.ended:
                return now
            await anyio.sleep(0.02)  # between looks at another task


async def mails(suite: Suite, draft_id: str) -> list[Any]:
    statement = (
        "SELECT m.id, m.text, m.html, m.created_by, m.actors, r.address FROM mail.mails m JOIN mail.recipients r"
        " ON (r.tenant_id, r.mail_id) = (m.tenant_id, m.id) WHERE m.draft_id = $1"
    )
    return await suite.sql(statement, draft_id)


async def test_an_edited_mail_goes_once_to_whom_it_was_approved_for(suite: Suite, inbox: Inbox) -> None:
    agent = Mailroom(suite, claims=AGENT)
    [customer] = await customers(suite)
    address = await address_of(suite, customer)
    made = await agent.draft(to=[customer], html="<p>Hello <script>a()</script></p>")
    call: dict[str, Any] = {"draft_id": made["id"], "version": 1, "idempotency_key": "approved-mail-1"}
    kept = await asked(agent, inbox, **call)
    assert (kept.rehearsal["to"][0]["address"], kept.rehearsal["subject"]) == (address, "Hello")
    assert "script" not in kept.rehearsal["html"]
    assert kept.rehearsal["findings"]
    await suite.sql(
        "UPDATE customers.customers SET email = 'thief@evil.example' WHERE tenant_id = 'acme' AND id = $1", customer
    )
    try:
        await approved(inbox, kept, edited={**kept.arguments, "text": "Hello, and sorry."})
        done = await settled(inbox, kept)
        assert done.state is ApprovalState.DONE, done.outcome
    finally:
        await suite.sql(
            "UPDATE customers.customers SET email = $2 WHERE tenant_id = 'acme' AND id = $1", customer, address
        )
    [mail] = await mails(suite, made["id"])
    assert (mail["address"], mail["text"].strip(), mail["html"]) == (address, "Hello, and sorry.", None)
    assert (mail["created_by"], mail["actors"]) == ("acme-sales-manager", ["acme-triage"])
    assert (await agent.told("send_email", **call))["id"] == mail["id"]
    assert len(await mails(suite, made["id"])) == 1


async def test_a_draft_that_changed_after_it_was_asked_for_is_not_sent(suite: Suite, inbox: Inbox) -> None:
    agent = Mailroom(suite, claims=AGENT)
    made = await agent.draft()
    kept = await asked(agent, inbox, draft_id=made["id"], version=1, idempotency_key="changed-mail-1")
    await agent.told("update_draft", draft_id=made["id"], version=1, changes={"text": "Something else."})
    await approved(inbox, kept)
    assert (await settled(inbox, kept)).state is not ApprovalState.DONE
    assert await mails(suite, made["id"]) == []


async def test_a_template_or_sender_that_changed_makes_it_void(suite: Suite, inbox: Inbox) -> None:
    agent = Mailroom(suite, claims=AGENT)
    wished: dict[str, Any] = {
        "sender": "support",
        "to": ["a@b.example"],
        "template": "welcome",
        "variables": {"name": "A", "contact": "B"},
    }
    kept = await asked(agent, inbox, **wished, idempotency_key="void-mail-1")
    assert kept.bases == {"sender support": "1", "template welcome": "1"}
    await suite.sql("UPDATE mail.senders SET version = 2 WHERE tenant_id = 'acme' AND name = 'support'")
    await approved(inbox, kept)
    assert (await settled(inbox, kept)).state is ApprovalState.VOID
    await suite.sql("UPDATE mail.senders SET version = 1 WHERE tenant_id = 'acme' AND name = 'support'")


async def test_a_bulk_that_was_approved_is_sent(suite: Suite, inbox: Inbox) -> None:
    agent = Mailroom(suite, claims=AGENT)
    people = [{"to": f"b{n}@customer.example", "variables": {"name": f"B {n}"}} for n in range(3)]
    wished: dict[str, Any] = {
        "sender": "news",
        "template": "welcome",
        "variables": {"contact": "C"},
        "recipients": people,
        "count": 3,
    }
    kept = await asked(agent, inbox, "send_bulk_email", **wished, idempotency_key="approved-bulk-1")
    assert kept.rehearsal["count"] == 3
    assert kept.rehearsal["first"]["subject"] == "Welcome, B 0"
    await approved(inbox, kept)
    done = await settled(inbox, kept)
    assert done.state is ApprovalState.DONE, done.outcome
    begun = await agent.told("send_bulk_email", **wished, idempotency_key="approved-bulk-1")
    with anyio.fail_after(15):
        while len(await suite.sql("SELECT 1 FROM mail.mails WHERE job_id = $1", begun["job_id"])) != 3:
            await anyio.sleep(0.02)  # between looks at another task
