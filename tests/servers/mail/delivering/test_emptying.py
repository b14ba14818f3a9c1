"""What a mail said goes when it is old; that there was one stays."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest

from compose.smtp.faults import Faults
from compose.smtp.sink import Sink
from servers.mail.delivering import emptying
from servers.mail.delivering.emptying import empty, empty_some
from servers.mail.delivering.queueing import cancel
from servers.mail.delivering.reading import mail_of
from servers.mail.delivering.requeueing import dead_letters, requeue
from shared.core import metrics
from shared.core.errors import Unavailable
from shared.state.database import connect
from tests.harness import Databases
from tests.servers.mail.delivering.outbox import TENANT, Outbox, new_mail, until

pytestmark = pytest.mark.anyio

Make = Callable[..., Awaitable[Outbox]]
OLD = "UPDATE mail.mails SET created_at = created_at - interval '91 days', updated_at = updated_at - interval '91 days'"
GONE = ("gone@example.com", "550 5.1.1 <gone@example.com> is unknown")


@asynccontextmanager
async def administrator(databases: Databases, box: Outbox) -> AsyncGenerator[Any]:
    """Nobody else makes a mail older than it is, and sees all tenants."""
    connection = await connect(
        urlsplit(databases.admin_url)._replace(path=urlsplit(box.urls.app).path).geturl(), "test"
    )
    try:
        yield connection
    finally:
        await connection.close()


async def everything(admin: Any) -> str:
    """All that the schema holds, as text."""
    tables = await admin.fetch("SELECT table_name FROM information_schema.tables WHERE table_schema = 'mail'")
    said: list[str] = []
    for table in tables:
        rows = await admin.fetch(f"SELECT t::text AS row FROM mail.{table['table_name']} AS t")
        said += [row["row"] for row in rows if table["table_name"] != "suppressions"]
    return "\n".join(said)


async def all_emptied(box: Outbox) -> None:
    while await empty_some(box.background):
        pass


async def test_of_an_old_mail_stays_that_there_was_one_and_what_became_of_it(
    databases: Databases, outbox: Make
) -> None:
    box = await outbox(sink=Sink(faults=Faults(recipients=dict([GONE]))))
    mail = new_mail("ada@example.com", GONE[0], subject="About Ada", text="Dear Ada", html="<p>Dear Ada", template="t")
    [mail_id] = await box.put(mail)
    await box.settled()
    before, records = await box.mail(mail_id), await box.records(mail_id)
    async with administrator(databases, box) as admin:
        said = await everything(admin)
        assert all(word in said for word in ("About Ada", "Dear Ada", "ada@example.com", GONE[0]))
        await admin.execute(OLD)
        await all_emptied(box)
        said = await everything(admin)
    assert [word for word in ("Ada", "ada@", "example.com>", "gone", "Hello") if word in said] == []
    after = await box.mail(mail_id)
    stays = ("message_id", "sender", "created_by", "approval_id", "template", "state", "attempts", "sent_at")
    assert [after[name] for name in stays] == [before[name] for name in stays]
    assert after["emptied_at"] is not None
    rows = await box.sql("SELECT address, state, last_code FROM mail.recipients ORDER BY n")
    assert [tuple(row) for row in rows] == [("1@removed.invalid", "sent", 250), ("2@removed.invalid", "refused", 550)]
    *told, emptied = await box.records(mail_id)
    assert told == records
    assert (emptied["outcome"], emptied["tenant"], emptied["facts"]["mails"]) == ("emptied", TENANT, 1)
    assert await box.problems() == []


DRAFT = """
INSERT INTO mail.drafts (id, sender, "to", cc, bcc, subject, text, variables, attachments, mail_id, created_by)
VALUES ($1, 'desk', '{ada@example.com}', '{}', '{}', 'About Ada', 'Dear Ada', '{}', '{}', $2, 'agent')
"""
BULK = """
WITH bulk AS (INSERT INTO mail.bulks (job_id, sender, template, requester) VALUES ($1, '{}', '{}', '{}'))
INSERT INTO mail.bulk_recipients (job_id, place, mail_id, address, variables)
VALUES ($1, 1, $2, 'ada@example.com', '{"name": "Ada"}')
"""
JOB = """
INSERT INTO suite.jobs (id, server, tool, issuer, subject, client, rights, arguments)
VALUES ($1, 'mail', 'send_bulk_email', 'i', 's', 'c', '{}', '{}')
"""


async def test_the_draft_it_was_and_the_list_of_its_bulk_go_with_it(databases: Databases, outbox: Make) -> None:
    box = await outbox(relay=False)
    jobs = {"done": True, "waits": False, "runs": False}
    mails = [new_mail(job_id=job, draft_id=f"D-{job}") for job in jobs]
    for job, mail in zip(jobs, mails, strict=True):
        await box.sql(DRAFT, f"D-{job}", mail.id)
        await box.sql(BULK, job, mail.id)
    await box.sql(DRAFT, "D-unsent", None)
    await box.sql(JOB, "runs")
    await box.put(*mails)
    async with administrator(databases, box) as admin:
        await admin.execute("UPDATE mail.mails SET state = 'sent' WHERE job_id <> 'waits'")
        await admin.execute("DELETE FROM mail.queue")
        await admin.execute(OLD)
        await admin.execute("UPDATE mail.bulks SET created_at = created_at - interval '91 days'")
    await all_emptied(box)
    listed = {row["job_id"] for row in await box.sql("SELECT job_id FROM mail.bulk_recipients")}
    assert listed == {job for job, emptied in jobs.items() if not emptied}
    drafts = {row["id"]: row for row in await box.sql('SELECT id, "to", subject, text FROM mail.drafts')}
    for job in ("done", "runs"):
        assert [*drafts[f"D-{job}"]][1:] == [[], None, None]
    for kept in ("D-waits", "D-unsent"):
        assert [*drafts[kept]][1:] == [["ada@example.com"], "About Ada", "Dear Ada"]


async def test_what_waits_or_ended_not_long_ago_is_kept(databases: Databases, outbox: Make) -> None:
    box = await outbox(sink=Sink(faults=Faults(recipients={"later@example.com": "451 4.3.0 Later"})))
    [waits] = await box.put(new_mail("later@example.com"))
    [sent, recent] = await box.put(new_mail(), new_mail())

    async def tried() -> bool:
        return await box.states() == {"retrying": 1, "sent": 2} and await box.queued() == 1

    async with box.working():
        await until(tried)
    async with administrator(databases, box) as admin:
        await admin.execute(f"{OLD} WHERE id = ANY ($1)", [waits, sent])
        await admin.execute("UPDATE mail.mails SET created_at = now() - interval '91 days' WHERE id = $1", recent)
        await all_emptied(box)
        for mail_id, emptied in ((waits, False), (sent, True), (recent, False)):
            assert ((await box.mail(mail_id))["emptied_at"] is not None) is emptied
        async with box.database.transaction(TENANT) as transaction:
            assert await cancel(transaction, waits) == "cancelled"
        aged = "UPDATE mail.mails SET updated_at = created_at WHERE id = ANY ($1)"
        await admin.execute(aged, [waits, recent])
        await admin.execute("UPDATE mail.retention SET due_at = now()")
        await all_emptied(box)
        assert (await box.mail(waits))["emptied_at"] is None, "the audit has not been told of it yet"
        await box.settled()
        await admin.execute("UPDATE mail.retention SET due_at = now()")
        await all_emptied(box)
        done = await admin.fetchval("SELECT done_until > now() - interval '91 days' FROM mail.retention")
        assert done, "what is empty is not looked at again"
    assert (await box.mail(waits))["emptied_at"] is not None, "it was behind what was done already"
    assert (await box.mail(recent))["emptied_at"] is not None


async def test_nobody_sends_an_emptied_mail_again(databases: Databases, outbox: Make) -> None:
    box = await outbox(sink=Sink(faults=Faults(replies={"MAIL": "550 5.7.1 No"})))
    old, new = await box.put(new_mail(), new_mail())
    await box.settled()
    async with administrator(databases, box) as admin:
        await admin.execute(f"{OLD} WHERE id = $1", old)
    await all_emptied(box)
    async with box.database.transaction(TENANT) as transaction:
        assert [row["id"] for row in await dead_letters(transaction, 10)] == [new]
        assert not await requeue(transaction, old, "operator")
        assert await requeue(transaction, new, "operator")
        shown = await mail_of(transaction, old)
    assert shown is not None
    assert (shown["subject"], shown["text"]) == ("", "")


async def test_batches_of_all_tenants_are_done_once_by_however_many_replicas(
    databases: Databases, outbox: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emptying, "BATCH", 3)
    box = await outbox(relay=False)
    tenants = {TENANT: 10, "globex": 4, "initech": 3}
    for tenant, many in tenants.items():
        await box.put(*(new_mail() for _ in range(many)), tenant=tenant)
    counted = metrics.MAILS_EMPTIED.value()
    async with administrator(databases, box) as admin:
        await admin.execute("UPDATE mail.mails SET state = 'sent'")
        await admin.execute("DELETE FROM mail.queue")
        await admin.execute(OLD)

        async def nothing_left() -> bool:
            return not await admin.fetchval(
                "SELECT count(*) FROM mail.mails, mail.retention WHERE emptied_at IS NULL OR due_at < now()"
            )

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(empty, box.background)
            await until(nothing_left)
            tasks.cancel_scope.cancel()
    facts = [(record["tenant"], record["facts"]["mails"]) for record in await box.records()]
    assert sorted(facts) == [(TENANT, 1), *[(TENANT, 3)] * 3, ("globex", 1), ("globex", 3), ("initech", 3)]
    assert metrics.MAILS_EMPTIED.value() - counted == sum(tenants.values())


@pytest.mark.parametrize("held", [("acme", "globex"), ("*",)])
async def test_a_tenant_that_is_held_keeps_what_its_mails_say(
    databases: Databases, outbox: Make, held: tuple[str, ...]
) -> None:
    box = await outbox()
    [mail_id] = await box.put(new_mail())
    await box.settled()
    background = box.background
    held_back = replace(background, settings=background.settings.model_copy(update={"audit_held": held}))
    async with administrator(databases, box) as admin:
        await admin.execute(OLD)
    assert not await empty_some(held_back)
    assert (await box.mail(mail_id))["text"] == "Hello"
    await all_emptied(box)
    assert (await box.mail(mail_id))["text"] == ""


async def test_nothing_is_taken_away_while_the_audit_takes_no_records(databases: Databases, outbox: Make) -> None:
    box = await outbox()
    [mail_id] = await box.put(new_mail())
    await box.settled()
    background = box.background

    async def refuse(_records: Any) -> None:
        raise Unavailable("No.")

    async with administrator(databases, box) as admin:
        await admin.execute(OLD)
        with pytest.raises(Unavailable):
            await empty_some(replace(background, put_on_record=refuse))
        assert (await box.mail(mail_id))["text"] == "Hello"
        assert not await empty_some(box.background), "whoever failed is given some minutes"
        await admin.execute("UPDATE mail.retention SET due_at = now()")
    await all_emptied(box)
    assert (await box.mail(mail_id))["text"] == ""
