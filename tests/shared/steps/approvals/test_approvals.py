"""A call that people have to approve: asked for once, shown as it will be done, done once, and by nobody else."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
import pytest

from shared.core.approvals import ApprovalState
from tests.harness import Databases, modern, modern_headers
from tests.treasury import tools
from tests.treasury.house import Treasury, open_treasury

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def opened(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Treasury]:
    async with open_treasury(databases, tmp_path_factory.mktemp("treasury")) as [treasury]:
        yield treasury


@pytest.fixture
async def treasury(opened: Treasury) -> AsyncGenerator[Treasury]:
    yield opened.fresh()
    await opened.suite.sql("DELETE FROM treasury.payments")
    await opened.suite.sql("DELETE FROM suite.approvals")
    await opened.suite.sql("DELETE FROM suite.approval_queue")
    await opened.suite.sql("UPDATE treasury.accounts SET version = 1, rate = 2")
    tools.broken.clear()


# Asking


async def test_a_call_that_needs_people_is_not_done_and_says_where_they_decide(treasury: Treasury) -> None:
    told = await treasury.pay()
    details = told["details"]
    assert (told["code"], told["retryable"], details["approvals"], details["missing"]) == (
        "needs_approval",
        False,
        1,
        1,
    )
    assert details["review_url"] == f"{treasury.suite.settings.base_url}/console/approvals/{details['approval_id']}"
    assert details["review_url"] in told["message"]
    assert await treasury.payments() == []


async def test_people_are_shown_what_a_dry_run_answers(treasury: Treasury) -> None:
    kept = await treasury.asked(5000, note="paper")
    assert kept.arguments == {"payee": "printer", "amount": 5000, "note": "paper"}
    assert (kept.rehearsal["amount"], kept.rehearsal["rate"], kept.bases) == (5000, 2, {"account main": "1"})
    assert kept.rehearsal["iban"].startswith("IBAN-printer")
    assert (kept.subject, kept.needed) == ("acme-sales-manager", 1)
    assert "treasury-very-large" in kept.policies


async def test_repeating_it_asks_nobody_again(treasury: Treasury) -> None:
    kept = await treasury.asked()
    again = await treasury.asked()
    assert again.id == kept.id
    assert len(await treasury.inbox.waiting("acme")) == 1


async def test_at_the_same_time_it_is_asked_for_once(treasury: Treasury) -> None:
    found: list[str] = []

    async def ask() -> None:
        found.append((await treasury.asked()).id)

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(ask)
    assert len({*found}) == 1
    assert len(await treasury.inbox.waiting("acme")) == 1


async def test_without_a_key_the_same_arguments_are_the_same_call(treasury: Treasury) -> None:
    kept = await treasury.asked(idempotency_key=None)
    assert (await treasury.asked(idempotency_key=None)).id == kept.id
    assert (await treasury.asked(5001, idempotency_key=None)).id != kept.id


async def test_a_key_that_waits_takes_no_other_arguments(treasury: Treasury) -> None:
    await treasury.asked()
    assert (await treasury.pay(5001))["code"] == "key_reused"


async def test_what_would_fail_is_not_put_before_people(treasury: Treasury) -> None:
    assert (await treasury.pay(payee="nobody"))["code"] == "conflict"
    assert await treasury.inbox.waiting("acme") == []


async def test_a_dry_run_asks_nobody_and_says_whose_word_is_needed(treasury: Treasury) -> None:
    shown = await treasury.pay(dry_run=True)
    assert shown["amount"] == 5000
    assert await treasury.inbox.waiting("acme") == []


async def test_only_so_many_calls_of_one_caller_wait(treasury: Treasury) -> None:
    most = treasury.suite.settings.approvals_per_user
    for number in range(most):
        await treasury.fresh().asked(2000 + number)
    told = await treasury.fresh().pay()
    assert (told["code"], told["details"]["limit"]) == ("rate_limited", "approvals")


# Doing


async def test_what_is_approved_is_done_once_and_the_caller_that_repeats_it_is_answered(treasury: Treasury) -> None:
    kept = await treasury.asked(note="paper")
    decided = await treasury.decide(kept, reason="fine")
    assert decided.state is ApprovalState.APPROVED
    done = await treasury.settled(kept)
    assert done.state is ApprovalState.DONE
    assert await treasury.payments() == [(5000, "paper")]
    answer = await treasury.pay(note="paper")
    assert (answer["amount"], answer["note"], answer["iban"]) == (5000, "paper", "***")
    assert await treasury.payments() == [(5000, "paper")]


async def test_it_is_done_with_what_people_were_shown_of_other_systems(treasury: Treasury) -> None:
    kept = await treasury.asked()
    asked = len(tools.asked_elsewhere)
    await treasury.decide(kept)
    await treasury.settled(kept)
    claims = {"scopes": ["treasury:write", "treasury:pii"]}
    assert (await treasury.pay(claims=claims))["iban"] == kept.rehearsal["iban"]
    assert len(tools.asked_elsewhere) == asked


async def test_two_people_have_to_approve_what_needs_two(treasury: Treasury) -> None:
    kept = await treasury.asked(50_000)
    one = await treasury.decide(kept)
    assert (one.state, len(one.approvers)) == (ApprovalState.PENDING, 1)
    assert (await treasury.pay(50_000))["details"]["missing"] == 1
    assert await treasury.payments() == []
    await treasury.decide(kept, by="acme-auditor")
    assert (await treasury.settled(kept)).state is ApprovalState.DONE
    assert await treasury.payments() == [(50_000, "")]


async def test_what_somebody_edited_is_done_and_the_change_is_kept(treasury: Treasury) -> None:
    kept = await treasury.asked(5000, note="please hurry")
    edited = {"payee": "printer", "amount": 4000, "note": "calmly"}
    decided = await treasury.decide(kept, edited=edited)
    assert decided.decisions[0].edited == {"amount": 4000, "note": "calmly"}
    assert (await treasury.settled(kept)).state is ApprovalState.DONE
    assert await treasury.payments() == [(4000, "calmly")]
    answer = await treasury.pay(5000, note="please hurry")
    assert (answer["amount"], answer["note"]) == (4000, "calmly")
    *_, outcome = [one for one in await treasury.records(kept) if one.get("outcome") == "ok"]
    assert (outcome["edited"], outcome["approvers"]) == (["amount", "note"], ["acme-approver"])


async def test_after_an_edit_the_others_have_to_approve_anew(treasury: Treasury) -> None:
    kept = await treasury.asked(50_000)
    await treasury.decide(kept)
    edited = {"payee": "printer", "amount": 49_000}
    changed = await treasury.decide(kept, by="acme-auditor", edited=edited)
    assert (changed.state, [one.subject for one in changed.approvers]) == (ApprovalState.PENDING, ["acme-auditor"])
    await treasury.decide(changed)
    assert (await treasury.settled(kept)).state is ApprovalState.DONE
    assert await treasury.payments() == [(49_000, "")]


async def test_what_fails_for_a_while_is_done_when_that_is_over(treasury: Treasury) -> None:
    tools.broken["printer"] = 1
    kept = await treasury.asked()
    await treasury.decide(kept)
    assert (await treasury.settled(kept)).state is ApprovalState.DONE
    assert await treasury.payments() == [(5000, "")]


# Not doing


async def test_a_rejection_is_told_with_its_reason(treasury: Treasury) -> None:
    kept = await treasury.asked()
    await treasury.decide(kept, verdict="reject", reason="too dear")
    told = await treasury.pay()
    assert (told["code"], told["details"]["reason"], told["retryable"]) == ("rejected", "too dear", False)
    assert (await treasury.pay(idempotency_key=treasury.fresh().key))["code"] == "needs_approval"
    assert await treasury.payments() == []


async def test_what_nobody_decides_expires(databases: Databases, tmp_path: Path) -> None:
    async with open_treasury(databases, tmp_path, approval_ttl_s=60, approval_escalate_s=30) as [treasury]:
        kept = await treasury.asked()
        await treasury.suite.sql("UPDATE suite.approval_queue SET due_at = now() WHERE task = 'escalate'")
        with anyio.fail_after(10):
            while not (now := await treasury.inbox.one("acme", kept.id)) or now.escalated_at is None:
                await anyio.sleep(0.02)
        await treasury.suite.sql("UPDATE suite.approvals SET expires_at = now()")
        await treasury.suite.sql("UPDATE suite.approval_queue SET due_at = now() WHERE task = 'expire'")
        assert (await treasury.settled(kept)).state is ApprovalState.EXPIRED
        told = await treasury.pay()
        assert (told["code"], told["details"]["status"]) == ("approval_lapsed", "expired")


async def test_who_asked_can_give_it_up_and_nobody_else(treasury: Treasury) -> None:
    kept = await treasury.asked()
    params: dict[str, Any] = {"taskId": kept.id}
    extension: dict[str, Any] = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
    meta = {"_meta": {"io.modelcontextprotocol/clientCapabilities": extension}}

    async def cancel(persona: str) -> dict[str, Any]:
        token = treasury.suite.token(persona, "treasury", scopes=["treasury:write"])
        headers = {**modern_headers("tasks/cancel", params), "Mcp-Name": kept.id, "Authorization": f"Bearer {token}"}
        async with treasury.suite.http() as http:
            body = modern("tasks/cancel", {**params, **meta})
            return (await http.post(treasury.suite.url("treasury"), json=body, headers=headers)).json()

    assert (await cancel("support"))["error"]["code"] == -32602
    assert "result" in await cancel("manager")
    told = await treasury.pay()
    assert (told["code"], told["details"]["status"]) == ("approval_lapsed", "cancelled")


async def test_the_caller_confirms_at_the_console_where_the_client_cannot_ask(treasury: Treasury) -> None:
    kept = await treasury.asked(500)
    assert kept.kind == "confirm"
    own = {"issuer": kept.issuer}
    await treasury.decide(kept, by="acme-sales-manager", who=own)
    assert (await treasury.settled(kept)).state is ApprovalState.DONE
    assert await treasury.payments() == [(500, "")]


async def test_the_whole_story_is_in_the_audit(treasury: Treasury) -> None:
    kept = await treasury.asked()
    await treasury.decide(kept)
    await treasury.settled(kept)
    await treasury.pay()
    outcomes = [one["outcome"] for one in await treasury.records(kept) if one["kind"] == "outcome"]
    assert outcomes[-1] == "needs_approval"
    assert outcomes.count("ok") == 2
    assert (await treasury.suite.verify()).problems == []
