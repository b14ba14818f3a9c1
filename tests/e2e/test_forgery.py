"""Approvals that nobody gave: each way to forge one is tried over the wire, refused, and on record."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import anyio
import asyncpg
import httpx
import pytest

import servers
from shared.core.approvals import ApprovalState, Kept
from shared.core.errors import NotFound
from shared.state.database import connect
from shared.steps.policy import context
from tests.harness import Databases, modern, modern_headers
from tests.reporting import say
from tests.shared.edge.web.browsing import Browser, Forms
from tests.treasury.house import Treasury, open_treasury

pytestmark = pytest.mark.anyio

MANAGER = "acme-sales-manager"


@dataclass
class Attempt:
    """One try, with whoever is signed in for it."""

    treasury: Treasury
    browsers: list[Browser] = field(default_factory=list[Browser])

    @property
    def site(self) -> str:
        return f"{self.treasury.suite.settings.base_url}/console"

    async def browser(self, persona: str, *, strong: bool = True, at: str = "/requests") -> Browser:
        """Somebody who signed in at the console, by default with two factors just now."""
        browser = Browser(self.site)
        self.browsers.append(browser)
        await browser.sign_in(persona, at, second_factor=strong)
        return browser

    async def opens(self, kept: Kept, persona: str = "approver", *, strong: bool = True) -> Browser:
        browser = await self.browser(persona, strong=strong)
        await browser.get(f"/approvals/{kept.id}")
        return browser

    async def approve(self, browser: Browser, kept: Kept, **form: str) -> httpx.Response:
        return await browser.post(f"/approvals/{kept.id}/approve", form)

    async def state(self, kept: Kept) -> ApprovalState:
        now = await self.treasury.inbox.one(kept.tenant, kept.id)
        assert now is not None
        return now.state

    async def last(self, target: str = "approve") -> dict[str, Any]:
        records = [one for one in await self.treasury.suite.records(target=target) if one.get("outcome")]
        return records[0]


Row = Callable[[Attempt], Awaitable[None]]
ROWS: dict[str, Row] = {}


def row(run: Row) -> Row:
    ROWS[getattr(run, "__name__", "").replace("_", " ")] = run
    return run


def _csrf(browser: Browser) -> dict[str, str]:
    """What every form of the browser's last page proves that it is by."""
    assert browser.page is not None
    return Forms(browser.page.text).to("/logout")


async def refused(attempt: Attempt, kept: Kept, answer: httpx.Response, status: int, outcome: str | None) -> None:
    assert answer.status_code == status, answer.text
    assert await attempt.state(kept) is ApprovalState.PENDING
    if outcome is not None:
        assert (await attempt.last())["outcome"] == outcome


def _six_minutes(*_: object) -> int:
    return 360


# Who decides


@row
async def whoever_asked_approves_it(attempt: Attempt) -> None:
    kept = await attempt.treasury.asked()
    browser = await attempt.browser("manager")
    answer = await browser.send(f"/approvals/{kept.id}/approve", {**_csrf(browser), "payload": kept.payload})
    await refused(attempt, kept, answer, 403, "denied")


@row
async def whoever_asked_confirms_it_as_if_that_were_enough(attempt: Attempt) -> None:
    kept = await attempt.treasury.asked()
    browser = await attempt.opens(kept, "manager")
    answer = await browser.send(f"/requests/{kept.id}/confirm", {**_csrf(browser), "payload": kept.payload})
    await refused(attempt, kept, answer, 403, None)
    assert (await attempt.last("confirm"))["outcome"] == "denied"


@row
async def the_agent_that_asked_for_somebody_approves_it(attempt: Attempt) -> None:
    claims = {"sub": "acme-auditor", "act": {"sub": "acme-approver"}}
    kept = await attempt.treasury.asked(claims=claims)
    browser = await attempt.browser("approver")
    answer = await browser.send(f"/approvals/{kept.id}/approve", {**_csrf(browser), "payload": kept.payload})
    await refused(attempt, kept, answer, 403, "denied")


@row
async def somebody_of_another_tenant_approves_it(attempt: Attempt) -> None:
    kept = await attempt.treasury.asked()
    browser = await attempt.browser("outsider")
    answer = await browser.send(f"/approvals/{kept.id}/approve", {**_csrf(browser), "payload": kept.payload})
    await refused(attempt, kept, answer, 404, "not_found")


@row
async def somebody_without_the_right_approves_it(attempt: Attempt) -> None:
    kept = await attempt.treasury.asked()
    browser = await attempt.browser("support")
    answer = await browser.send(f"/approvals/{kept.id}/approve", {**_csrf(browser), "payload": kept.payload})
    assert answer.status_code in {403, 404}, answer.text
    assert await attempt.state(kept) is ApprovalState.PENDING


@row
async def the_same_person_approves_twice_where_two_are_needed(attempt: Attempt) -> None:
    kept = await attempt.treasury.asked(50_000)
    browser = await attempt.opens(kept)
    assert (await attempt.approve(browser, kept)).status_code == 303
    await browser.get("/requests")
    answer = await browser.send(f"/approvals/{kept.id}/approve", {**_csrf(browser), "payload": kept.payload})
    await refused(attempt, kept, answer, 409, "conflict")


# How they signed in


@row
async def with_one_factor(attempt: Attempt) -> None:
    kept = await attempt.treasury.asked(claims={"sub": "acme-somebody"})
    browser = await attempt.opens(kept, "manager", strong=False)
    answer = await attempt.approve(browser, kept)
    await refused(attempt, kept, answer, 401, "step_up")
    assert "acr_values=aal2" in answer.text


@row
async def with_a_sign_in_of_six_minutes_ago(attempt: Attempt) -> None:
    kept = await attempt.treasury.asked()
    browser = await attempt.opens(kept)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(context, "_age_s", _six_minutes)
        answer = await attempt.approve(browser, kept)
    await refused(attempt, kept, answer, 401, "step_up")
    assert "max_age=300" in answer.text


# By which door


@row
async def by_a_stolen_link(attempt: Attempt) -> None:
    told = await attempt.treasury.pay()
    kept = await attempt.treasury.asked()
    async with httpx.AsyncClient() as http:
        opened = await http.get(told["details"]["review_url"])
        pushed = await http.post(f"{told['details']['review_url']}/approve", data={"payload": kept.payload})
    assert opened.status_code == 303
    assert "/idp/" in opened.headers["location"] or "/login" in opened.headers["location"]
    assert pushed.status_code in {401, 403}
    assert await attempt.state(kept) is ApprovalState.PENDING


@row
async def by_a_form_without_its_token(attempt: Attempt) -> None:
    kept = await attempt.treasury.asked()
    browser = await attempt.opens(kept)
    answer = await browser.send(f"/approvals/{kept.id}/approve", {"payload": kept.payload})
    await refused(attempt, kept, answer, 403, None)


@row
async def by_a_form_with_the_token_of_somebody_else(attempt: Attempt) -> None:
    kept = await attempt.treasury.asked()
    other = await attempt.opens(kept, "admin")
    browser = await attempt.opens(kept)
    answer = await browser.send(f"/approvals/{kept.id}/approve", {**_csrf(other), "payload": kept.payload})
    await refused(attempt, kept, answer, 403, None)


@row
async def by_a_page_of_another_site(attempt: Attempt) -> None:
    kept = await attempt.treasury.asked()
    browser = await attempt.opens(kept)
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    answer = await browser.post(f"/approvals/{kept.id}/approve", {}, **foreign)
    await refused(attempt, kept, answer, 403, None)


@row
async def by_a_link_that_decides(attempt: Attempt) -> None:
    kept = await attempt.treasury.asked()
    browser = await attempt.opens(kept)
    answer = await browser.get(f"/approvals/{kept.id}/approve?payload={kept.payload}")
    await refused(attempt, kept, answer, 405, None)


@row
async def by_the_database_role_of_those_who_serve(attempt: Attempt) -> None:
    kept = await attempt.treasury.asked()
    connection = await connect(attempt.treasury.suite.urls.app, "test")
    try:
        await connection.execute("SELECT set_config('app.tenant', 'acme', false)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(
                "INSERT INTO suite.approval_decisions (approval_id, issuer, subject, verdict, payload)"
                " VALUES ($1, 'i', 'acme-approver', 'approve', $2)",
                kept.id,
                kept.payload,
            )
        for forged in ("state = 'approved'", "needed = 0", "payload = 'x'", "subject = 'somebody'"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"UPDATE suite.approvals SET {forged} WHERE id = $1", kept.id)
    finally:
        await connection.close()
    assert await attempt.state(kept) is ApprovalState.PENDING


@row
async def by_the_consoles_own_role_for_whoever_asked(attempt: Attempt) -> None:
    kept = await attempt.treasury.asked()
    connection = await connect(attempt.treasury.suite.urls.console, "test")
    try:
        await connection.execute("SELECT set_config('app.tenant', 'acme', false)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(
                "INSERT INTO suite.approval_decisions (approval_id, issuer, subject, verdict, payload)"
                " VALUES ($1, $2, $3, 'approve', $4)",
                kept.id, kept.issuer, kept.subject, kept.payload,
            )  # fmt: skip
    finally:
        await connection.close()
    assert await attempt.state(kept) is ApprovalState.PENDING


@row
async def by_a_clients_accept(attempt: Attempt) -> None:
    """Whatever a client says in its user's name: it is the caller's own word."""
    kept = await attempt.treasury.asked()
    arguments = {**kept.arguments, "idempotency_key": attempt.treasury.key}
    said = {"confirm": {"action": "accept", "content": {"confirmed": True}}}
    params: dict[str, Any] = {"name": "pay", "arguments": arguments, "inputResponses": said}
    token = attempt.treasury.suite.token("manager", "treasury", scopes=["treasury:write"], acr="aal2")
    answer = (await attempt.treasury.suite.post(token, "tools/call", params, server="treasury")).json()
    assert answer["result"]["structuredContent"]["error"]["code"] == "needs_approval"
    assert (await attempt.treasury.records(kept))[0]["outcome"] == "needs_approval"


@row
async def by_a_tool_of_the_console(attempt: Attempt) -> None:
    """Its actions are tools, but not of MCP."""
    suite = attempt.treasury.suite
    token = suite.provider.mint("approver", f"{suite.settings.base_url}/console", acr="aal2")
    params: dict[str, Any] = {"name": "approve", "arguments": {}}
    async with suite.http() as http:
        for path in ("/console", "/console/mcp", "/console/"):
            headers = modern_headers("tools/call", params) | {"Authorization": f"Bearer {token}"}
            answer = await http.post(suite.settings.base_url + path, json=modern("tools/call", params), headers=headers)
            assert answer.status_code in {401, 403, 404, 405}, (path, answer.status_code)


# What was decided on


@row
async def an_approval_that_nobody_asked_for(attempt: Attempt) -> None:
    kept = await attempt.treasury.asked()
    browser = await attempt.browser("approver")
    invented = f"A-{'0' * 26}"
    answer = await browser.send(f"/approvals/{invented}/approve", {**_csrf(browser), "payload": kept.payload})
    await refused(attempt, kept, answer, 404, "not_found")


@row
async def a_decision_that_is_replayed(attempt: Attempt) -> None:
    kept = await attempt.treasury.asked()
    browser = await attempt.opens(kept)
    assert (await attempt.approve(browser, kept)).status_code == 303
    await attempt.treasury.settled(kept)
    await browser.get("/requests")
    answer = await browser.send(f"/approvals/{kept.id}/approve", {**_csrf(browser), "payload": kept.payload})
    assert (answer.status_code, (await attempt.last())["outcome"]) == (409, "conflict")
    assert len(await attempt.treasury.payments()) == 1


@row
async def after_its_time(attempt: Attempt) -> None:
    kept = await attempt.treasury.asked()
    browser = await attempt.opens(kept)
    await attempt.treasury.suite.sql("UPDATE suite.approvals SET expires_at = now() WHERE id = $1", kept.id)
    answer = await attempt.approve(browser, kept)
    assert (answer.status_code, (await attempt.last())["outcome"]) == (409, "conflict")
    assert await attempt.treasury.payments() == []


@row
async def of_another_payload_than_was_shown(attempt: Attempt) -> None:
    kept = await attempt.treasury.asked(50_000)
    browser = await attempt.opens(kept)
    await attempt.treasury.decide(kept, by="acme-auditor", edited={**kept.arguments, "note": "changed meanwhile"})
    await refused(attempt, kept, await attempt.approve(browser, kept), 409, "conflict")


@row
async def after_a_rejection(attempt: Attempt) -> None:
    kept = await attempt.treasury.asked()
    browser = await attempt.opens(kept)
    await attempt.treasury.decide(kept, by="acme-auditor", verdict="reject", reason="no")
    answer = await attempt.approve(browser, kept)
    assert (answer.status_code, await attempt.state(kept)) == (409, ApprovalState.REJECTED)


@row
async def after_it_was_cancelled(attempt: Attempt) -> None:
    kept = await attempt.treasury.asked()
    browser = await attempt.opens(kept)
    own = await attempt.browser("manager", at=f"/requests/{kept.id}")
    assert (await own.post(f"/requests/{kept.id}/cancel", {})).status_code == 303
    answer = await attempt.approve(browser, kept)
    assert (answer.status_code, await attempt.state(kept)) == (409, ApprovalState.CANCELLED)


@row
async def edited_where_nothing_may_be(attempt: Attempt) -> None:
    kept = await attempt.treasury.asked()
    browser = await attempt.opens(kept)
    answer = await attempt.approve(browser, kept, **{"edit.payee": "thief"})
    await refused(attempt, kept, answer, 422, "invalid")


@row
async def edited_so_that_more_people_are_needed(attempt: Attempt) -> None:
    kept = await attempt.treasury.asked()
    await attempt.treasury.decide(kept, edited={**kept.arguments, "amount": 50_000})
    assert (await attempt.treasury.settled(kept)).state is ApprovalState.VOID
    assert await attempt.treasury.payments() == []
    assert (await attempt.treasury.records(kept))[0]["outcome"] == "approval_lapsed"


@row
async def edited_into_what_policy_forbids(attempt: Attempt) -> None:
    kept = await attempt.treasury.asked()
    await attempt.treasury.decide(kept, edited={**kept.arguments, "amount": 2_000_000})
    assert (await attempt.treasury.settled(kept)).state is ApprovalState.FAILED
    assert await attempt.treasury.payments() == []


# What it is used for


@row
async def under_policies_that_were_changed(attempt: Attempt) -> None:
    kept = await attempt.treasury.asked()
    await attempt.treasury.suite.sql("UPDATE suite.approvals SET policy_version = 'older' WHERE id = $1", kept.id)
    await attempt.treasury.decide(kept)
    assert (await attempt.treasury.settled(kept)).state is ApprovalState.VOID
    assert (await attempt.treasury.pay())["details"]["status"] == "void"
    assert await attempt.treasury.payments() == []


@row
async def over_data_that_was_changed(attempt: Attempt) -> None:
    kept = await attempt.treasury.asked()
    await attempt.treasury.suite.sql("UPDATE treasury.accounts SET version = version + 1, rate = 9")
    await attempt.treasury.decide(kept)
    assert (await attempt.treasury.settled(kept)).state is ApprovalState.VOID
    assert (await attempt.treasury.pay())["code"] == "approval_lapsed"
    assert await attempt.treasury.payments() == []


@row
async def for_other_arguments_under_the_same_key(attempt: Attempt) -> None:
    kept = await attempt.treasury.asked()
    await attempt.treasury.decide(kept)
    await attempt.treasury.settled(kept)
    assert (await attempt.treasury.pay(6000))["code"] == "key_reused"
    assert await attempt.treasury.payments() == [(5000, "")]


@row
async def a_second_time_under_another_key(attempt: Attempt) -> None:
    kept = await attempt.treasury.asked()
    await attempt.treasury.decide(kept)
    await attempt.treasury.settled(kept)
    assert (await attempt.treasury.pay(idempotency_key="another-key"))["code"] == "needs_approval"


@row
async def by_somebody_else_with_the_same_key(attempt: Attempt) -> None:
    kept = await attempt.treasury.asked()
    await attempt.treasury.decide(kept)
    await attempt.treasury.settled(kept)
    told = await attempt.treasury.pay(claims={"sub": "acme-thief"})
    assert told["code"] == "needs_approval"
    assert told["details"]["approval_id"] != kept.id


@row
async def by_another_program_of_the_same_person(attempt: Attempt) -> None:
    kept = await attempt.treasury.asked()
    told = await attempt.treasury.pay(claims={"client_id": "another-program"})
    assert told["details"]["approval_id"] != kept.id


@row
async def for_somebody_who_was_stopped_since(attempt: Attempt) -> None:
    claims = {"sub": "acme-stopped"}
    kept = await attempt.treasury.asked(claims=claims)
    await attempt.treasury.suite.sql(
        "INSERT INTO suite.switches (kind, name, tenant, reason, set_by) VALUES ('user', $1, 'acme', 'left', 'test')",
        "acme-stopped",
    )
    with anyio.fail_after(10):
        while (await attempt.treasury.pay(claims=claims)).get("code") != "suspended":
            await anyio.sleep(0.05)
    await attempt.treasury.decide(kept)
    assert (await attempt.treasury.settled(kept)).state is ApprovalState.FAILED
    assert await attempt.treasury.payments() == []


@row
async def for_somebody_who_may_not_any_more(attempt: Attempt) -> None:
    kept = await attempt.treasury.asked()
    await attempt.treasury.suite.sql(
        "UPDATE suite.approvals SET caller = jsonb_set(caller, '{subject}', '\"dismissed\"'), subject = 'dismissed'"
        " WHERE id = $1",
        kept.id,
    )
    await attempt.treasury.decide(kept)
    assert (await attempt.treasury.settled(kept)).state is ApprovalState.FAILED
    assert await attempt.treasury.payments() == []


@row
async def cancelled_by_somebody_else(attempt: Attempt) -> None:
    kept = await attempt.treasury.asked()
    browser = await attempt.browser("support")
    answer = await browser.send(f"/requests/{kept.id}/cancel", _csrf(browser))
    await refused(attempt, kept, answer, 404, None)
    assert (await attempt.last("cancel"))["outcome"] == "not_found"


@pytest.fixture(scope="module")
async def treasury(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Treasury]:
    opening = open_treasury(databases, tmp_path_factory.mktemp("forgery"), beside=[servers.load("console")])
    async with opening as [opened]:
        yield opened


@pytest.mark.parametrize("name", ROWS)
async def test_nobody_forges_an_approval(treasury: Treasury, name: str) -> None:
    attempt = Attempt(treasury.fresh())
    try:
        await ROWS[name](attempt)
        assert (await treasury.suite.verify()).problems == []
    finally:
        for browser in attempt.browsers:
            await browser.http.aclose()
        await treasury.suite.sql("DELETE FROM treasury.payments")
        await treasury.suite.sql("DELETE FROM suite.approvals")
        await treasury.suite.sql("DELETE FROM suite.approval_queue")
        await treasury.suite.sql("DELETE FROM suite.switches")


async def test_of_two_who_approve_at_the_same_time_one_does_and_it_is_done_once(treasury: Treasury) -> None:
    own = treasury.fresh()
    kept = await own.asked()
    answers: list[str] = []

    async def approve(by: str) -> None:
        with suppress(NotFound):
            try:
                answers.append(str((await own.decide(kept, by=by)).state))
            except Exception as refusal:  # noqa: BLE001 - told below
                answers.append(type(refusal).__name__)

    async with anyio.create_task_group() as tasks:
        for number in range(6):
            tasks.start_soon(approve, f"approver-{number}")
    assert sorted(answers) == ["Conflict"] * 5 + ["approved"]
    assert (await own.settled(kept)).state is ApprovalState.DONE
    assert await own.payments() == [(5000, "")]
    await treasury.suite.sql("DELETE FROM treasury.payments")


def test_the_table_is_long_enough(pytestconfig: pytest.Config) -> None:
    assert len(ROWS) >= 25
    say(pytestconfig, "forged approvals", f"{len(ROWS)} ways to forge one, each refused")
