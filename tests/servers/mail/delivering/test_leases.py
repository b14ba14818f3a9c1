"""Whoever lost the lease of a mail neither writes about it nor hands it over; of cancelling and sending one happens."""

from collections.abc import Awaitable, Callable

import anyio
import pytest

from compose.smtp.faults import Faults
from compose.smtp.sink import Sink
from servers.mail.delivering import attempting
from servers.mail.delivering.concluding import concluded
from servers.mail.delivering.queueing import cancel, cancel_of_job
from servers.mail.delivering.taking import LeaseLost, Taken, put_back, renew, take
from shared.edge.outbound.smtp import Handed, Reply
from tests.servers.mail.delivering.outbox import Outbox, new_mail, until

pytestmark = pytest.mark.anyio

Make = Callable[..., Awaitable[Outbox]]


async def taken_of(box: Outbox, lease_s: float = 30) -> Taken:
    [taken] = await take(box.database, 1, sending=True, resting=[], lifetime_s=3600, lease_s=lease_s)
    return taken


async def run_out(box: Outbox) -> None:
    await box.sql("UPDATE mail.queue SET due_at = now()")


async def test_a_worker_that_lost_its_lease_writes_nothing(outbox: Make) -> None:
    box = await outbox()
    [mail_id] = await box.put(new_mail())
    first = await taken_of(box)
    begun = await attempting.begin(box.database, first, "first")
    assert begun is not None
    await run_out(box)
    second = await taken_of(box)
    ended = concluded(begun, Handed("taken", ("ada@example.com",), reply=Reply(250, "OK")), box.parts.settings.mail, 0)
    with pytest.raises(LeaseLost):
        await attempting.end(box.database, first, ended)
    assert (await box.mail(mail_id))["state"] == "sending"
    await put_back(box.database, first, 0)
    await renew(box.database, [first, second], 30)
    assert (first.lost, second.lost) == (True, False)
    with pytest.raises(LeaseLost):
        first.require()
    second.require()


async def test_two_workers_never_take_the_same(outbox: Make) -> None:
    box = await outbox()
    await box.put(*(new_mail() for _ in range(20)))
    found: list[str] = []

    async def some() -> None:
        taken = await take(box.database, 5, sending=True, resting=[], lifetime_s=3600, lease_s=30)
        found.extend(one.mail_id for one in taken)

    async with anyio.create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(some)
    assert len(found) == len(set(found)) == 20


async def test_many_workers_send_each_mail_once(outbox: Make) -> None:
    box = await outbox(sink=Sink(most=1000))
    mails = await box.put(*(new_mail() for _ in range(60)))
    async with box.working(3):

        async def nothing_left() -> bool:
            return await box.queued() == 0

        await until(nothing_left)
    assert len(box.sink.mails) == len({mail.message_id for mail in box.sink.mails}) == 60
    sent = [record["target"] for record in await box.records() if record["outcome"] == "sent"]
    assert sorted(sent) == sorted(mails)


async def test_a_mail_left_by_a_dead_worker_goes_again_and_says_that_it_may_have_gone(outbox: Make) -> None:
    box = await outbox()
    [mail_id] = await box.put(new_mail())
    dead = await taken_of(box, lease_s=0.2)
    assert await attempting.begin(box.database, dead, "dead") is not None
    await box.settled()
    assert await box.attempts(mail_id) == ["worker_lost", "taken"]
    assert (await box.mail(mail_id))["unknowns"] == 1
    assert await box.told(mail_id) == ["queued", "attempted", "sent"]


async def test_a_mail_is_told_once_though_its_worker_died_before_it_could_say_so(outbox: Make) -> None:
    """The audit had the record, and the queue did not know."""
    box = await outbox()
    [mail_id] = await box.put(new_mail())
    [event] = await box.sql("SELECT id, at FROM mail.events WHERE mail_id = $1", mail_id)
    told = {"id": str(event["id"]), "at": event["at"], "tenant": "acme", "target_kind": "mail", "target": mail_id}
    await box.background.record([{**told, "outcome": "queued", "facts": {}}])
    await box.settled()
    assert await box.told(mail_id) == ["queued", "sent"]
    assert await box.problems() == []


async def test_what_has_not_gone_can_be_cancelled_and_then_does_not_go(outbox: Make) -> None:
    box = await outbox()
    [mail_id, other] = await box.put(new_mail(), new_mail(job_id="J-1"))
    async with box.database.transaction("acme") as transaction:
        assert await cancel(transaction, mail_id) == "cancelled"
        assert await cancel_of_job(transaction, "J-1") == 1
        assert await cancel(transaction, "M-NOBODY") is None
    await box.settled()
    assert not box.sink.mails
    assert await box.states() == {"cancelled": 2}
    assert await box.told(mail_id) == ["queued", "cancelled"]
    assert await box.told(other) == ["queued", "cancelled"]


async def test_another_tenant_can_cancel_nothing(outbox: Make) -> None:
    box = await outbox()
    [mail_id] = await box.put(new_mail())
    async with box.database.transaction("globex") as transaction:
        assert await cancel(transaction, mail_id) is None
    await box.settled()
    assert len(box.sink.mails) == 1


async def test_what_is_being_sent_cannot_be_cancelled(outbox: Make) -> None:
    box = await outbox(sink=Sink(faults=Faults(wait_s=0.3)))
    [mail_id] = await box.put(new_mail())
    async with box.working():

        async def sending() -> bool:
            return (await box.mail(mail_id))["state"] == "sending"

        await until(sending)
        async with box.database.transaction("acme") as transaction:
            assert await cancel(transaction, mail_id) == "sending"

        async def nothing_left() -> bool:
            return await box.queued() == 0

        await until(nothing_left)
    assert (await box.mail(mail_id))["state"] == "sent"


async def test_of_cancelling_and_sending_at_once_exactly_one_happens(outbox: Make) -> None:
    box = await outbox(sink=Sink(most=1000))
    mails = await box.put(*(new_mail() for _ in range(40)))
    became: dict[str, str | None] = {}

    async def stop(mail_id: str) -> None:
        async with box.database.transaction("acme") as transaction:
            became[mail_id] = await cancel(transaction, mail_id)

    async with box.working(2):
        async with anyio.create_task_group() as tasks:
            for mail_id in reversed(mails):
                tasks.start_soon(stop, mail_id)

        async def nothing_left() -> bool:
            return await box.queued() == 0

        await until(nothing_left)
    arrived = {mail.message_id for mail in box.sink.mails}
    for mail_id in mails:
        gone = (await box.mail(mail_id))["message_id"] in arrived
        assert gone == (became[mail_id] != "cancelled"), (mail_id, became[mail_id])


async def test_a_worker_that_is_stopped_ends_the_mail_it_is_at(outbox: Make) -> None:
    box = await outbox(sink=Sink(faults=Faults(wait_s=0.3)))
    [mail_id] = await box.put(new_mail())
    async with box.working():

        async def sending() -> bool:
            return (await box.mail(mail_id))["state"] == "sending"

        await until(sending)
    assert (await box.mail(mail_id))["state"] == "sent"
    assert len(box.sink.mails) == 1


async def test_a_mail_that_was_under_way_when_its_bulk_was_cancelled_does_not_go_again(outbox: Make) -> None:
    box = await outbox()
    await box.sql("INSERT INTO mail.bulks (job_id, sender, template, requester) VALUES ('J', '{}', '{}', '{}')")
    ids = await box.put(new_mail(job_id="J"), new_mail(job_id="K"))
    under_way = [
        (taken, await attempting.begin(box.database, taken, "w"))
        for taken in [await taken_of(box), await taken_of(box)]
    ]
    async with box.database.transaction("acme") as transaction:
        assert await cancel_of_job(transaction, "J") == 0, "it is being handed over"
    later = Handed("later", later={"ada@example.com": Reply(451, "Later")}, reply=Reply(451, "Later"))
    for taken, begun in under_way:
        assert begun is not None
        await attempting.end(box.database, taken, concluded(begun, later, box.parts.settings.mail, 0))
    assert await box.states() == {"retrying": 2}
    await run_out(box)
    await box.settled()
    assert [(await box.mail(one))["state"] for one in ids] == ["cancelled", "sent"]
    assert await box.attempts(ids[0]) == ["later"]
    assert await box.told(ids[0]) == ["queued", "attempted", "cancelled"]
    assert len(box.sink.mails) == 1
