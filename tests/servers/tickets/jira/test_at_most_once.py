"""No write that was done, or may have been, is sent twice; and in the end everybody knows."""

import random
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import anyio
import pytest

from shared.edge.outbound.reconciling import settle_left
from tests.harness import Databases, Suite
from tests.servers.tickets.jira.fake import FakeJira
from tests.servers.tickets.jira.faults import Fault, Kind
from tests.servers.tickets.jira.site import call, key, made, over_jira, wish

pytestmark = pytest.mark.anyio

OF_READS: tuple[Kind, ...] = ("error_before", "reset_before", "malformed", "html", "limited")
WRITTEN = "(/issue|/comment|/transitions|SUP-[0-9]+)$"


async def in_the_end(suite: Suite, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """What a caller is told at last, who repeats the call unchanged whenever told to."""
    with anyio.fail_after(60):
        while True:
            told = await call(suite, tool, **arguments)
            if not told.get("error", {}).get("retryable"):
                return told
            await anyio.sleep(0.05)


def certain(jira: FakeJira) -> None:
    """Each marker went out once, but for what the other side said it had not done."""
    sent = Counter(marker for each in jira.writes if not each.refused for marker in each.markers)
    assert sent, "nothing was written"
    assert {marker: times for marker, times in sent.items() if times > 1} == {}


@pytest.mark.parametrize("seed", [1, 2])
async def test_whatever_fails_nothing_is_done_twice_and_every_outcome_is_known(
    databases: Databases, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    calm: dict[str, Any] = {"answer_s": 0.4, "concurrency": 50}
    # Fewer connections than callers: none may wait for a second one while all have one.
    async with over_jira(databases, tmp_path, settings={"pool_max": 8}, **calm) as (suite, jira):
        tickets = [await made(suite, f"Ticket {number}") for number in range(4)]
        kinds: list[Kind] = [kind for kind in get_args(Kind) if kind != "redirect"]
        jira.fails(*(Fault(chance.choice(kinds), method="POST|PUT", path=WRITTEN) for _ in range(10)))
        jira.fails(*(Fault(chance.choice(OF_READS), path="(search|properties|comment|SUP-)") for _ in range(10)))
        chance.shuffle(jira.faults)
        calls: list[tuple[str, dict[str, Any]]] = []
        for number in range(16):
            ticket = chance.choice(tickets)
            one = {"ticket_id": ticket["id"], "idempotency_key": key()}
            calls.append(
                chance.choice(
                    [
                        ("create_ticket", wish(f"Wish {number}")),
                        ("comment_on_ticket", {**one, "text": f"Remark {number}"}),
                        ("update_ticket", {**one, "version": ticket["version"], "changes": {"title": f"T {number}"}}),
                        ("transition_ticket", {**one, "version": ticket["version"], "status": "open"}),
                    ]
                )
            )
        told: dict[str, dict[str, Any]] = {}

        async def tell(tool: str, arguments: dict[str, Any]) -> None:
            told[arguments["idempotency_key"]] = await in_the_end(suite, tool, arguments)

        async with anyio.create_task_group() as tasks:
            for tool, arguments in calls:
                tasks.start_soon(tell, tool, arguments)
        certain(jira)
        _agree(jira, calls, told)
        unsettled = await suite.sql("SELECT state FROM suite.sendings WHERE state IN ('sending', 'unknown')")
        assert unsettled == []


def _agree(jira: FakeJira, calls: list[tuple[str, dict[str, Any]]], told: dict[str, dict[str, Any]]) -> None:
    """What callers were told is what is there."""
    titles = Counter(each["fields"]["summary"] for each in jira.issues.kept.values())
    remarks = Counter(str(each["body"]) for several in jira.issues.comments.values() for each in several)
    for tool, arguments in calls:
        answer = told[arguments["idempotency_key"]]
        if tool == "create_ticket":
            assert titles[arguments["title"]] == ("ticket" in answer), answer
        if tool == "comment_on_ticket":
            there = sum(times for body, times in remarks.items() if f"'{arguments['text']}'" in body)
            assert there == ("comment" in answer), answer


async def test_many_who_repeat_one_call_at_once_send_it_once(databases: Databases, tmp_path: Path) -> None:
    async with over_jira(databases, tmp_path, settings={"ledger_wait_s": 0.3}) as (suite, jira):
        asked = wish("Once")
        jira.fails(Fault("reset_after", method="POST", path="/issue$"))
        answers: list[Any] = []

        async def ask() -> None:
            answers.append(await in_the_end(suite, "create_ticket", asked))

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(ask)
        assert len(jira.writes) == 1
        assert all(answer["ticket"] == answers[0]["ticket"] for answer in answers)


async def test_what_nobody_repeats_is_settled_beside_the_calls_and_recorded(
    databases: Databases, tmp_path: Path
) -> None:
    async with over_jira(databases, tmp_path, answer_s=0.3) as (suite, jira):
        jira.fails(Fault("reset_after", method="POST", path="/issue$"), Fault("reset_before", "POST", "/comment$"))
        await call(suite, "create_ticket", **wish("Found later"))
        ticket = await made(suite)
        lost: dict[str, Any] = {"ticket_id": ticket["id"], "text": "Never", "idempotency_key": key()}
        assert (await call(suite, "comment_on_ticket", **lost))["error"]["code"] == "outcome_unknown"
        opened = suite.parts.upstreams["tickets"]
        with anyio.fail_after(20):
            while await suite.sql("SELECT 1 FROM suite.sendings WHERE state IN ('sending', 'unknown')"):
                await settle_left(opened, suite.parts.writer)
                await anyio.sleep(0.05)
        rows = await suite.sql("SELECT step, state FROM suite.sendings ORDER BY sent_at")
        assert [tuple(row) for row in rows] == [("create", "done"), ("create", "done"), ("comment", "lost")]
        records = await suite.records(subject="reconciler")
        assert {record["became"] for record in records} == {"done", "lost"}
        assert (await call(suite, "comment_on_ticket", **lost))["error"]["code"] == "conflict"
        assert (await suite.verify()).problems == []


async def test_a_row_of_one_tenant_is_not_there_for_another(databases: Databases, tmp_path: Path) -> None:
    async with over_jira(databases, tmp_path) as (suite, _):
        await made(suite)
        async with suite.parts.database.transaction("globex") as transaction:
            assert await transaction.connection.fetch("SELECT 1 FROM suite.sendings") == []
        async with suite.parts.database.transaction("acme") as transaction:
            assert len(await transaction.connection.fetch("SELECT 1 FROM suite.sendings")) == 1
