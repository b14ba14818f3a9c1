"""A relay that is down, a pace that is set, dead letters and their second chance."""

from collections.abc import Awaitable, Callable

import pytest

from compose.smtp.faults import Faults
from compose.smtp.sink import Sink
from servers.mail.delivering.pacing import paced
from servers.mail.delivering.reading import attempts_of, mail_of, recipients_of, relay_waits
from servers.mail.delivering.requeueing import dead_letters, requeue, waiting
from servers.mail.delivering.waiting import after
from shared.core.smtp_settings import Delivery
from tests.servers.mail.delivering.outbox import Outbox, new_mail, until

pytestmark = pytest.mark.anyio

Make = Callable[..., Awaitable[Outbox]]


async def test_while_the_relay_is_down_mails_wait_status_says_so_and_then_all_go_out(outbox: Make) -> None:
    box = await outbox(delivery={"breaker_failures": 2})
    reads = box.database.reads("acme")
    assert await relay_waits(reads) is None
    await box.sink.stop()
    mails = await box.put(*(new_mail() for _ in range(8)))
    async with box.working():

        async def silent() -> bool:
            return await relay_waits(reads) is not None

        await until(silent)
        said = await relay_waits(reads)
        assert said is not None
        assert "nobody listens there" in said
        assert "8 mails wait" in said
        assert await box.states() == {"queued": 8}, "no attempt is counted against a mail"
        await box.sink.start()

        async def nothing_left() -> bool:
            return await box.queued() == 0

        await until(nothing_left)
    assert len({mail.message_id for mail in box.sink.mails}) == len(box.sink.mails) == len(mails)
    assert await relay_waits(reads) is None


async def test_a_pace_holds_for_a_domain_and_for_all_together(outbox: Make) -> None:
    box = await outbox()
    every = Delivery(per_minute=6000, per_minute_of_domain=60)
    assert await paced(box.database, every, ["example.com"]) == {}
    waits = await paced(box.database, every, ["example.com", "example.org"])
    assert list(waits) == ["example.com"]
    assert 0 < waits["example.com"] <= 2
    assert await paced(box.database, every, ["example.org"]) == {}, "nothing was taken of it before"
    only = Delivery(per_minute=60)
    await box.sql("DELETE FROM mail.pace")
    assert await paced(box.database, only, ["a.example"]) == {}
    assert list(await paced(box.database, only, ["b.example"])) == ["*"]


async def test_a_second_s_worth_may_go_at_once(outbox: Make) -> None:
    box = await outbox()
    quick = Delivery(per_minute_of_domain=600)
    went = [await paced(box.database, quick, ["example.com"]) for _ in range(30)]
    assert 10 <= went.count({}) <= 20


async def test_a_domain_that_rests_keeps_no_other_waiting(outbox: Make) -> None:
    box = await outbox(sink=Sink(most=100), delivery={"per_minute_of_domain": 30})
    await box.put(*(new_mail(f"c{n}@slow.example") for n in range(5)))
    [other] = await box.put(new_mail("ada@example.com"))
    async with box.working():

        async def sent() -> bool:
            return (await box.mail(other))["state"] == "sent"

        await until(sent)
        assert sum(mail.recipients[0].endswith("@slow.example") for mail in box.sink.mails) < 5


async def test_a_dead_letter_says_why_and_may_go_again(outbox: Make) -> None:
    box = await outbox(sink=Sink(faults=Faults(recipients={"ada@example.com": "550 5.1.1 Nobody"})))
    [mail_id] = await box.put(new_mail())
    await box.settled()
    async with box.database.transaction("acme") as transaction:
        [letter] = await dead_letters(transaction, 10)
        assert (letter["id"], letter["state"], letter["last_text"]) == (mail_id, "failed", "5.1.1 Nobody")
        assert await requeue(transaction, mail_id, "operator")
        assert not await requeue(transaction, mail_id, "operator")
        [state] = await waiting(transaction)
        assert (state["state"], state["mails"]) == ("retrying", 1)
    box.sink.faults = Faults()
    await box.settled()
    assert (await box.mail(mail_id))["state"] == "sent"
    assert await box.told(mail_id) == ["queued", "failed", "requeued", "sent"]
    async with box.database.transaction("globex") as transaction:
        assert not await requeue(transaction, mail_id, "operator")


async def test_a_held_mail_goes_once_somebody_says_so(outbox: Make) -> None:
    box = await outbox(sink=Sink(faults=Faults(ends=lambda _: "drop_lost")), delivery={"unknown": "hold"})
    [mail_id] = await box.put(new_mail())

    async def held() -> bool:
        return bool(await box.sql("SELECT true FROM mail.queue WHERE due_at = 'infinity' AND task = 'send'"))

    async with box.working():
        await until(held)
    box.sink.faults = Faults()
    async with box.database.transaction("acme") as transaction:
        assert await requeue(transaction, mail_id, "operator")
    await box.settled()
    assert (await box.mail(mail_id))["state"] == "sent"


async def test_what_became_of_it_can_be_read(outbox: Make) -> None:
    box = await outbox()
    [mail_id] = await box.put(new_mail("ada@example.com", html="<p>Hello</p>", attachments=[{"name": "a.pdf"}]))
    await box.settled()
    reads = box.database.reads("acme")
    mail = await mail_of(reads, mail_id)
    assert mail is not None
    assert (mail["state"], mail["html"], mail["attachments"]) == ("sent", "<p>Hello</p>", [{"name": "a.pdf"}])
    [recipient] = await recipients_of(reads, [mail_id])
    assert (recipient["address"], recipient["state"], recipient["last_code"]) == ("ada@example.com", "sent", 250)
    [attempt] = await attempts_of(reads, mail_id)
    assert (attempt["outcome"], attempt["accepted"]) == ("taken", 1)
    assert await mail_of(box.database.reads("globex"), mail_id) is None


def test_waits_grow_up_to_the_longest_that_is_set() -> None:
    delivery = Delivery(retry_s=60, retry_most_s=1000)
    waits = [after(delivery, attempt, "later") for attempt in range(1, 9)]
    assert 48 <= waits[0] <= 72
    assert all(wait <= 1200 for wait in waits)
    assert waits[-1] >= 800
    assert after(delivery, 1, "lost") < 8
