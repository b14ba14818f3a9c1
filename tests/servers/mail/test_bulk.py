"""Mail to many: checked as a whole, queued in parts, and nobody gets two or none though its worker is killed."""

import signal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
import pytest

from shared.state.database import connect
from tests.harness import Databases, Suite, modern, modern_headers
from tests.processes import Process, process
from tests.servers.mail.mailroom import ABLE, YES, Mailroom, customers
from tests.shared.edge.tasks.talking import DECLARED, Talk

pytestmark = pytest.mark.anyio

QUEUED = """
SELECT r.address, m.subject, m.mime, m.template_version, m.created_by FROM mail.mails m
JOIN mail.recipients r ON (r.tenant_id, r.mail_id) = (m.tenant_id, m.id) WHERE m.job_id = $1 ORDER BY r.address
"""
COMMON = {"contact": "Bob"}


def people(number: int, domain: str = "customer.example") -> list[dict[str, Any]]:
    return [{"to": f"p{n:05}@{domain}", "variables": {"name": f"P {n}"}} for n in range(number)]


def bulk(number: int, **more: Any) -> dict[str, Any]:
    return {
        "sender": "news",
        "template": "welcome",
        "variables": COMMON,
        "recipients": people(number),
        "count": number,
        **more,
    }


async def ended(room: Mailroom, job_id: str) -> dict[str, Any]:
    with anyio.fail_after(30):
        while True:
            job = await room.told("get_job", job_id=job_id, wait_s=5)
            if job["state"] not in {"queued", "running"}:
                return job


async def test_everybody_gets_one_mail_of_their_own(suite: Suite) -> None:
    room = Mailroom(suite)
    ids = await customers(suite, 3)
    own: list[dict[str, Any]] = [
        *({"to": one, "variables": {"contact": "Bob"}} for one in ids),
        {"to": "gone@customer.example", "variables": {"name": "Gone"}},
        {"to": "ada@customer.example", "variables": {"name": "Ada", "contact": "Eve"}},
    ]
    begun = await room.told("send_bulk_email", **bulk(5, recipients=own))
    assert (begun["count"], begun["outside"], begun["skipped"][0]["reason"]) == (4, True, "bounced")
    assert begun["first"]["to"][0]["customer_id"] == ids[0]
    job = await ended(room, begun["job_id"])
    assert (job["state"], job["done"]) == ("done", 4), job
    rows = {row["address"]: row for row in await suite.sql(QUEUED, begun["job_id"])}
    assert len(rows) == 4
    assert rows["ada@customer.example"]["subject"] == "Welcome, Ada"
    assert b"Eve" in rows["ada@customer.example"]["mime"]
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in rows["ada@customer.example"]["mime"]
    lines = (await room.read(job["parts"][0]))["contents"][0]["text"]
    assert lines.count("M-") == 4
    listed = await room.told("list_emails", job_id=begun["job_id"])
    assert len(listed["mails"]) == 4
    assert "error" in await Mailroom(suite, "admin").read(job["parts"][0])


@pytest.mark.parametrize(
    ("wished", "code"),
    [
        (bulk(2, count=3), "conflict"),
        (bulk(2, inside=True), "conflict"),
        (bulk(2, sender="support"), "invalid"),
        (bulk(2, variables={}), "invalid"),
        (bulk(1, recipients=[{"to": "a@evil.example", "variables": {"name": "A"}}]), "invalid"),
        (bulk(1, recipients=[{"to": "gone@customer.example", "variables": {"name": "A"}}]), "conflict"),
        (bulk(2, recipients=[{"to": "a@b.example"}, {"to": "A@b.example"}]), "invalid"),
        (bulk(1, recipients=None, customer_ids=["C-ZZZZZZ"]), "not_found"),
        (bulk(1, customer_ids=["C-000001"]), "invalid"),
    ],
    ids=["count", "inside", "sender", "variables", "denied", "suppressed", "twice", "unknown", "both"],
)
async def test_what_is_wrong_with_one_is_told_before_anything_is_sent(
    suite: Suite, wished: dict[str, Any], code: str
) -> None:
    failed = await Mailroom(suite).failure("send_bulk_email", **{k: v for k, v in wished.items() if v is not None})
    assert failed["code"] == code, failed


async def test_a_dry_run_checks_all_of_them_and_sends_nothing(suite: Suite) -> None:
    room = Mailroom(suite)
    tried = await room.told("send_bulk_email", **bulk(60, dry_run=True))
    assert tried["count"] == 60
    assert tried["first"]["subject"] == "Welcome, P 0"
    assert (await room.failure("get_job", job_id=tried["job_id"]))["code"] == "not_found"


async def test_more_than_a_thousand_need_an_approval_whoever_asks(suite: Suite) -> None:
    for persona in ("manager", "admin"):
        failed = await Mailroom(suite, persona).failure("send_bulk_email", **bulk(1001, idempotency_key="over-1000"))
        assert failed["code"] == "needs_approval", failed
    assert await suite.sql("SELECT 1 FROM mail.mails WHERE subject = 'Welcome, P 1000'") == []


async def test_a_bulk_that_is_cancelled_takes_back_what_waits(suite: Suite) -> None:
    room = Mailroom(suite)
    begun = await room.told("send_bulk_email", **bulk(5))
    await ended(room, begun["job_id"])
    job = await room.told("cancel_job", job_id=begun["job_id"])
    assert job["state"] == "done"
    states = await suite.sql("SELECT DISTINCT state FROM mail.mails WHERE job_id = $1", begun["job_id"])
    assert [row["state"] for row in states] == ["cancelled"]


async def test_a_task_that_is_cancelled_takes_back_what_waits_as_well(suite: Suite) -> None:
    """Whatever way it is cancelled by, done or not; what the relay has been given stays."""
    room = Mailroom(suite)
    begun = await room.told("send_bulk_email", **bulk(3))
    job_id = begun["job_id"]
    await ended(room, job_id)
    states = "SELECT state, count(*) AS n FROM mail.mails WHERE job_id = $1 GROUP BY state"
    gone = "UPDATE mail.mails SET state = 'sent' WHERE job_id = $1 AND subject = 'Welcome, P 0'"
    await suite.sql(gone, job_id)
    other = Talk(suite, suite.token("admin", "mail"))
    assert (await cancelled(other, job_id)).json()["error"]["code"] == -32602
    assert {row["state"]: row["n"] for row in await suite.sql(states, job_id)} == {"queued": 2, "sent": 1}
    talk = Talk(suite, suite.token("manager", "mail"))
    for _ in range(2):
        assert (await cancelled(talk, job_id)).json()["result"]["resultType"] == "complete"
        assert {row["state"]: row["n"] for row in await suite.sql(states, job_id)} == {"cancelled": 2, "sent": 1}


async def cancelled(talk: Talk, job_id: str) -> httpx.Response:
    params: dict[str, Any] = {"taskId": job_id, **DECLARED}
    return await talk.suite.post(talk.token, "tasks/cancel", params, server="mail", **{"Mcp-Name": job_id})


HALFWAY = """
CREATE FUNCTION mail.halfway() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN NEW; END $$;
CREATE TRIGGER halfway BEFORE INSERT ON suite.job_parts FOR EACH ROW
    WHEN (NEW.part = 2) EXECUTE FUNCTION mail.halfway();
CREATE TRIGGER halfway BEFORE INSERT ON mail.mails FOR EACH ROW
    WHEN (NEW.subject = 'Welcome, P 350') EXECUTE FUNCTION mail.halfway();
"""
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"


async def test_a_killed_worker_neither_loses_nor_doubles_a_recipient(databases: Databases, tmp_path: Path) -> None:
    """It dies when mails are queued and their part is not kept yet, and when half of a part is queued."""
    urls = await databases.fresh()
    url = urlsplit(databases.admin_url)._replace(path=urlsplit(urls.app).path).geturl()
    admin, holder = await connect(url, "drill"), await connect(url, "drill")
    wished = bulk(450, idempotency_key="bulk-killed")
    async with process(urls, tmp_path, "mail") as running:
        await running.start()
        await admin.execute(HALFWAY)
        for queued in (100, 300):
            async with holder.transaction():
                await holder.execute("SELECT pg_advisory_xact_lock(7)")
                begun = await asked(running, "send_bulk_email", wished)
                await until(admin, WAITING, 1)
                assert running.end(signal.SIGKILL) == -signal.SIGKILL
                assert await admin.fetchval("SELECT count(*) FROM mail.mails") == queued
            await until(admin, WAITING, 0)  # nobody is there to commit what the dead one had begun
            await admin.execute("DROP TRIGGER IF EXISTS halfway ON suite.job_parts")
            await admin.execute("UPDATE suite.job_queue SET due_at = now()")  # what the lease would come to by itself
            await running.start()
        await until(admin, "SELECT count(*) FROM suite.jobs WHERE state = 'done'", 1)
        assert (await asked(running, "send_bulk_email", wished))["job_id"] == begun["job_id"]
        running.end(signal.SIGTERM)
    rows = await admin.fetch(QUEUED, begun["job_id"])
    assert [row["address"] for row in rows] == [one["to"] for one in people(450)]
    await admin.close()
    await holder.close()


async def asked(running: Process, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The answer of the manager's call, who says yes; a process that has just started may ask for a moment."""
    url = running.address.resource
    params: dict[str, Any] = {"name": tool, "arguments": arguments}
    async with httpx.AsyncClient(timeout=60) as http:
        with anyio.fail_after(60):
            while (result := await sent(running, http, url, params)).get("code") == "shed":
                await anyio.sleep(0.1)
        if result.get("resultType") == "input_required":
            [key] = result["inputRequests"]
            again = {**params, "requestState": result["requestState"], "inputResponses": {key: YES}}
            while (result := await sent(running, http, url, again)).get("code") == "shed":
                await anyio.sleep(0.1)
    assert not result.get("isError"), result
    return result["structuredContent"]


async def sent(running: Process, http: httpx.AsyncClient, url: str, params: dict[str, Any]) -> dict[str, Any]:
    body = modern("tools/call", params)
    body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = ABLE
    token = running.provider().mint("manager", url)
    headers = modern_headers("tools/call", params) | {"Authorization": f"Bearer {token}"}
    answer = (await http.post(url, json=body, headers=headers)).json()
    return answer["result"] if "result" in answer else answer["error"]["data"]


async def until(admin: Any, statement: str, wanted: int) -> None:
    with anyio.fail_after(30):
        while await admin.fetchval(statement) != wanted:
            await anyio.sleep(0.01)  # between looks at another process
