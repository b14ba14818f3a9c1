"""What becomes of mails in the outbox, and of each what is told."""

import base64
import hashlib
from collections.abc import Awaitable, Callable

import pytest
from typer.testing import CliRunner

from compose.smtp.faults import Faults
from compose.smtp.sink import Sink
from servers.mail.delivering.queueing import cancel
from shared.ops.cli import app as cli
from tests.servers.mail.delivering.outbox import DESK, Outbox, new_mail, until

pytestmark = pytest.mark.anyio

Make = Callable[..., Awaitable[Outbox]]


async def test_a_mail_goes_once_to_everybody_and_is_on_record(outbox: Make) -> None:
    box = await outbox()
    [mail_id] = await box.put(new_mail("ada@example.com", "ben@example.org", approval_id="A-1", actors=["agent"]))
    await box.settled()

    [kept] = box.sink.mails
    mail = await box.mail(mail_id)
    assert (kept.sender, kept.recipients) == (DESK, ("ada@example.com", "ben@example.org"))
    assert kept.message_id == mail["message_id"] == f"<{mail_id.lower()}@acme.example>"
    assert (mail["state"], mail["attempts"], mail["sent_at"] is not None) == ("sent", 1, True)
    assert await box.attempts(mail_id) == ["taken"]
    queued, sent = await box.records(mail_id)
    assert (queued["outcome"], sent["outcome"]) == ("queued", "sent")
    assert (sent["subject"], sent["client"], sent["actor"]) == ("acme-sales-agent", "desk-agent", "agent")
    assert (sent["facts"]["approval_id"], sent["facts"]["accepted"]) == ("A-1", 2)
    assert "example.com" not in str(sent), "addresses are digested"
    assert (sent["facts"]["recipients"], len(set(sent["facts"]["recipients_digests"]))) == (2, 2)
    assert await box.problems() == []
    assert f"mail://{mail_id}" in box.changed


async def test_a_temporary_refusal_is_tried_again_and_a_final_one_is_a_dead_letter(outbox: Make) -> None:
    faults = Faults(recipients={"later@example.com": "451 4.3.0 Later", "never@example.com": "550 5.1.1 Nobody"})
    box = await outbox(sink=Sink(faults=faults))
    [later] = await box.put(new_mail("later@example.com"))
    [never] = await box.put(new_mail("never@example.com"))
    async with box.working():

        async def tried_again() -> bool:
            return len(await box.attempts(later)) > 1

        await until(tried_again)
        assert (await box.mail(later))["last_code"] == 451
        box.sink.faults = Faults()

        async def nothing_left() -> bool:
            return await box.queued() == 0

        await until(nothing_left)
    assert (await box.mail(later))["state"] == "sent"
    assert (await box.told(later))[-1] == "sent"
    failed = await box.mail(never)
    assert (failed["state"], failed["reason"], failed["last_code"]) == ("failed", "refused", 550)
    assert await box.told(never) == ["queued", "failed"]


async def test_only_those_who_did_not_get_it_are_tried_again(outbox: Make) -> None:
    faults = Faults(recipients={"ben@example.org": "451 4.3.0 Later", "cy@example.net": "550 5.1.1 Nobody"})
    box = await outbox(sink=Sink(faults=faults))
    [mail_id] = await box.put(new_mail("ada@example.com", "ben@example.org", "cy@example.net"))
    async with box.working():

        async def tried() -> bool:
            return len(await box.attempts(mail_id)) > 0 and (await box.mail(mail_id))["state"] == "retrying"

        await until(tried)
        box.sink.faults = Faults()

        async def nothing_left() -> bool:
            return await box.queued() == 0

        await until(nothing_left)
    assert [mail.recipients for mail in box.sink.mails] == [("ada@example.com",), ("ben@example.org",)]
    rows = await box.sql("SELECT address, state FROM mail.recipients ORDER BY n")
    assert {row["address"]: row["state"] for row in rows} == {
        "ada@example.com": "sent",
        "ben@example.org": "sent",
        "cy@example.net": "refused",
    }
    assert (await box.mail(mail_id))["state"] == "sent"
    assert (await box.told(mail_id)).count("sent") == 1


async def test_an_unknown_end_is_repeated_with_the_same_message_id(outbox: Make) -> None:
    seen: list[str] = []

    def first_time(message_id: str) -> str | None:
        seen.append(message_id)
        return "drop_accepted" if len(seen) == 1 else None

    box = await outbox(sink=Sink(faults=Faults(ends=first_time)))  # pyright: ignore[reportArgumentType] - a literal
    [mail_id] = await box.put(new_mail())
    await box.settled()
    assert [mail.answered for mail in box.sink.mails] == [False, True]
    assert len({mail.message_id for mail in box.sink.mails}) == 1
    assert await box.attempts(mail_id) == ["unknown", "taken"]
    assert (await box.mail(mail_id))["unknowns"] == 1
    assert await box.told(mail_id) == ["queued", "attempted", "sent"]


async def test_an_unknown_end_may_be_held_for_somebody_to_decide(outbox: Make) -> None:
    box = await outbox(sink=Sink(faults=Faults(ends=lambda _: "drop_accepted")), delivery={"unknown": "hold"})
    [mail_id] = await box.put(new_mail())
    async with box.working():

        async def held() -> bool:
            rows = await box.sql("SELECT true FROM mail.queue WHERE due_at = 'infinity' AND task = 'send'")
            return len(rows) == 1

        await until(held)
    mail = await box.mail(mail_id)
    assert (mail["state"], mail["next_attempt_at"], mail["reason"]) == ("unknown", None, "outcome_unknown")
    assert len(box.sink.mails) == 1


async def test_a_mail_that_is_too_old_is_given_up(outbox: Make) -> None:
    faults = Faults(replies={"MAIL": "451 4.3.0 Later"})
    box = await outbox(sink=Sink(faults=faults), delivery={"lifetime_h": 0.2 / 3600})
    [mail_id] = await box.put(new_mail())
    await box.settled()
    mail = await box.mail(mail_id)
    assert (mail["state"], mail["reason"]) == ("dead", "too_old")
    assert (await box.told(mail_id))[-1] == "dead"


async def test_a_mail_that_is_too_old_is_given_up_also_while_the_relay_is_away(outbox: Make) -> None:
    box = await outbox(delivery={"lifetime_h": 0.3 / 3600, "breaker_failures": 1, "breaker_open_s": 60})
    await box.sink.stop()
    [mail_id] = await box.put(new_mail())
    await box.settled()
    assert ((await box.mail(mail_id))["state"], await box.attempts(mail_id)) == ("dead", [])


async def test_without_a_relay_mails_wait(outbox: Make) -> None:
    box = await outbox(relay=False)
    kept, gone = await box.put(new_mail(), new_mail())
    async with box.database.transaction("acme") as transaction:
        assert await cancel(transaction, gone) == "cancelled"

    async def told() -> bool:
        return await box.queued() == 1

    async with box.working():
        await until(told)  # what needs no relay is done all the same
    assert (await box.mail(kept))["state"] == "queued"


async def test_a_recipient_is_found_on_record_by_whoever_has_the_audits_key_alone(
    outbox: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the ring was rotated as well; and no digest of an address alone is there."""
    address, old = "Ada@Example.com", b"1" * 32
    box = await outbox()
    before = box.parts.keys.audit
    ids = await box.put(new_mail(address, *(f"p{n}@example.com" for n in range(49))), new_mail(address.lower()))
    other = await box.put(new_mail(address), tenant="globex")
    await box.settled()
    found = [(await box.records(one))[-1]["facts"]["recipients_digests"] for one in (*ids, *other)]
    assert [len(each) for each in found] == [50, 1, 1]
    assert found[0][0] == found[1][0] != found[2][0]
    secret = (box.parts.settings.data_dir / "keys" / "audit.key").read_text().strip()
    monkeypatch.setenv("SUITE_AUDIT_KEYS", f"{base64.b64encode(old).decode()} {secret}")
    monkeypatch.setenv("SUITE_DATA_DIR", str(box.parts.settings.data_dir))
    told = CliRunner().invoke(cli, ["mail", "digest", "ada@EXAMPLE.com", "--tenant", "acme"])
    digests = told.stdout.split()
    assert (told.exit_code, len(digests), digests[1]) == (0, 2, found[0][0]), told.output
    assert digests[1].startswith(f"{before.mac_id}:")
    said = str(await box.records())
    for plain in (address, address.lower()):
        for name in ("md5", "sha1", "sha256"):
            assert hashlib.new(name, plain.encode(), usedforsecurity=False).hexdigest()[:32] not in said
