"""Whose address does not exist gets nothing more; whose mail was refused for another reason does."""

from collections.abc import Awaitable, Callable

import pytest

from compose.smtp.faults import Faults
from compose.smtp.sink import Sink
from tests.servers.mail.delivering.outbox import Outbox, new_mail

pytestmark = pytest.mark.anyio

Make = Callable[..., Awaitable[Outbox]]

LIST = "SELECT address, reason, mail_id, code, said FROM mail.suppressions WHERE address ~ '@example.com' ORDER BY 1"


async def test_a_bounce_goes_on_the_suppression_list_of_its_tenant_with_the_reason(outbox: Make) -> None:
    gone, us = "Gone@Example.com", "policy@example.com"
    faults = Faults(recipients={gone: "550 5.1.1 Unknown here", us: "550 5.7.1 We do not like you"})
    box = await outbox(sink=Sink(faults=faults))
    [some] = await box.put(new_mail("ada@example.com", gone, us))
    await box.settled()
    [row] = await box.sql(LIST)
    assert tuple(row) == ("gone@example.com", "bounced", some, 550, "5.1.1 Unknown here")
    assert await box.sql(LIST, tenant="globex") == []
    assert (await box.records(some))[-1]["facts"]["bounced"] == 1


async def test_two_mails_that_bounce_and_an_address_that_is_on_the_list_keep_what_was_there_first(outbox: Make) -> None:
    gone = ["a@example.com", "b@example.com"]
    box = await outbox(sink=Sink(faults=Faults(replies={"RCPT": "550 5.1.1 Unknown here"})))
    await box.sql("INSERT INTO mail.suppressions (address, reason) VALUES ('a@example.com', 'complained')")
    ids = await box.put(new_mail(*gone), new_mail(*reversed(gone)))
    await box.settled()
    first, second = await box.sql(LIST)
    assert (first["reason"], first["mail_id"]) == ("complained", None)
    assert (second["reason"], second["mail_id"] in ids) == ("bounced", True)
    assert await box.states() == {"failed": 2}


@pytest.mark.parametrize("stage", ["MAIL", "DATA", "text"])
async def test_a_mail_that_is_refused_as_a_whole_says_nothing_of_its_recipients(outbox: Make, stage: str) -> None:
    box = await outbox(sink=Sink(faults=Faults(replies={stage: "550 5.1.1 Nobody"})))  # pyright: ignore[reportArgumentType] - a Stage
    [mail_id] = await box.put(new_mail())
    await box.settled()
    assert ((await box.mail(mail_id))["state"], await box.sql(LIST)) == ("failed", [])
