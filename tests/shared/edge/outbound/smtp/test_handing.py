"""What a relay says, and what that means for the mail: over real connections to a real SMTP server."""

import pytest

from compose.smtp.faults import Faults
from compose.smtp.sink import Sink
from shared.edge.outbound.smtp import Handed
from shared.edge.outbound.smtp.handing import hand_over
from tests.shared.edge.outbound.smtp.handled import ADA, BEN, handling, letter

pytestmark = pytest.mark.anyio

BOTH = pytest.mark.parametrize("pipelining", [True, False], ids=["pipelined", "one_by_one"])

CLASSES = [
    ("MAIL", "550 5.7.1 Not you", "refused"),
    ("MAIL", "451 4.3.0 Later", "later"),
    ("MAIL", "421 4.3.2 Closing", "later"),
    ("RCPT", "550 5.1.1 Nobody", "refused"),
    ("RCPT", "450 4.2.1 Greylisted", "later"),
    ("DATA", "554 5.5.1 No", "refused"),
    ("DATA", "451 4.3.0 Later", "later"),
    ("text", "554 5.6.0 Spam", "refused"),
    ("text", "552 5.3.4 Too big", "refused"),
    ("text", "452 4.3.1 Full", "later"),
]


@BOTH
@pytest.mark.parametrize(
    ("stage", "reply", "became"), CLASSES, ids=[f"{stage}-{reply[:3]}" for stage, reply, _ in CLASSES]
)
async def test_a_5xx_is_for_good_and_a_4xx_for_now_at_every_stage(
    stage: str, reply: str, became: str, pipelining: bool
) -> None:
    async with handling(Sink(pipelining=pipelining, faults=Faults(replies={stage: reply}))) as over:  # pyright: ignore[reportArgumentType] - a Stage
        handed = await over.send(letter(ADA, BEN))
        assert handed.became == became
        assert handed.accepted == ()
        told = handed.refused if became == "refused" else handed.later
        assert {who: str(why) for who, why in told.items()} == {ADA: reply, BEN: reply}
        assert not over.sink.mails
        over.sink.faults = Faults()
        assert (await over.send(letter())).became == "taken"


@BOTH
async def test_a_mail_is_taken_for_those_accepted_and_the_others_are_told_apart(pipelining: bool) -> None:
    faults = Faults(recipients={BEN: "550 5.1.1 Nobody", "cy@example.net": "450 4.2.1 Later"})
    async with handling(Sink(pipelining=pipelining, faults=faults)) as over:
        handed = await over.send(letter(ADA, BEN, "cy@example.net"))
    assert (handed.became, handed.accepted) == ("taken", (ADA,))
    assert [*handed.refused, *handed.later] == [BEN, "cy@example.net"]
    assert [mail.recipients for mail in over.sink.mails] == [(ADA,)]


OF_THE_ADDRESS = [
    *("550 5.1.1 Nobody", "550 5.1.2 No such domain", "553 5.1.3 That is none", "551 5.1.6 Moved"),
    *("550 5.1.10 It takes no mail", "556 Takes no mail", "550 5.1.1"),
]
NOT_OF_IT = [
    *("550 No such user", "553 Not allowed", "554 Spam", "550 5.7.1 We do not know you", "552 5.2.2 Full"),
    *("550 5.2.1 Closed", "552 5.3.4 Too big", "554 5.6.0 Content", "550 5.1.0 Something", "550 5.1.8 Sender"),
    *("550 5.1.11 Unheard of", "550 4.1.1 Neither", "450 4.1.1 Not now", "450 5.1.1 Not now", "556 5.7.1 Not you"),
]


@BOTH
@pytest.mark.parametrize(
    ("reply", "bounces"),
    [*((reply, True) for reply in OF_THE_ADDRESS), *((reply, False) for reply in NOT_OF_IT)],
)
async def test_only_what_is_said_of_the_address_itself_is_a_bounce(reply: str, bounces: bool, pipelining: bool) -> None:
    async with handling(Sink(pipelining=pipelining, faults=Faults(recipients={BEN: reply}))) as over:
        handed = await over.send(letter(ADA, BEN))
        assert (handed.accepted, handed.bounced) == ((ADA,), {BEN} if bounces else frozenset())
        assert (await over.send(letter(BEN))).bounced == handed.bounced


@BOTH
@pytest.mark.parametrize("stage", ["MAIL", "DATA", "text"])
async def test_what_is_said_of_the_sender_or_the_text_is_no_bounce(stage: str, pipelining: bool) -> None:
    faults = Faults(replies={stage: "550 5.1.1 Nobody"})  # pyright: ignore[reportArgumentType] - a Stage
    async with handling(Sink(pipelining=pipelining, faults=faults)) as over:
        handed = await over.send(letter())
    assert (handed.became, handed.bounced) == ("refused", frozenset())


@pytest.mark.parametrize("stage", ["DATA", "text"])
@pytest.mark.parametrize("reply", ["451 4.3.0 Later", "554 5.6.0 Spam"])
async def test_a_bounce_stays_one_though_the_others_are_not_taken(stage: str, reply: str) -> None:
    faults = Faults(recipients={BEN: "550 5.1.1 Nobody"}, replies={stage: reply})  # pyright: ignore[reportArgumentType] - a Stage
    async with handling(Sink(faults=faults)) as over:
        handed = await over.send(letter(ADA, BEN))
    assert (handed.accepted, handed.bounced) == ((), {BEN})


@BOTH
async def test_a_connection_lost_after_the_text_leaves_the_outcome_unknown(pipelining: bool) -> None:
    faults = Faults(ends=lambda _: "drop_accepted")
    async with handling(Sink(pipelining=pipelining, faults=faults)) as over:
        handed = await over.send(letter())
    assert handed == Handed("unknown")
    assert len(over.sink.mails) == 1


async def test_an_answer_that_takes_too_long_leaves_the_outcome_unknown() -> None:
    async with handling(Sink(faults=Faults(wait_s=5)), accept_s=0.1) as over:
        assert (await over.send(letter())).became == "unknown"
        assert over.relay.made == 1
        over.sink.faults = Faults()
        assert (await over.send(letter())).became == "taken"
        assert over.relay.made == 2, "an answer to the first would have been taken for the second's"


async def test_a_connection_lost_before_the_text_is_no_reason_to_fear_a_second_mail() -> None:
    async with handling() as over, over.relay.connection() as connection:
        await over.sink.stop()
        assert await hand_over(connection, letter(), over.relay.smtp, lambda: None) == Handed("lost")


async def test_what_is_kept_back_at_the_last_moment_does_not_go() -> None:
    def no() -> None:
        raise LookupError

    async with handling() as over:
        with pytest.raises(LookupError):
            async with over.relay.connection() as connection:
                await hand_over(connection, letter(), over.relay.smtp, no)
        assert not over.sink.mails
        assert (await over.send(letter())).became == "taken"


@BOTH
async def test_commands_go_together_where_the_relay_offers_it(pipelining: bool) -> None:
    async with handling(Sink(pipelining=pipelining)) as over:
        async with over.relay.connection() as connection:
            assert connection.offers.pipelining == pipelining
        assert (await over.send(letter(ADA, BEN))).accepted == (ADA, BEN)


async def test_a_text_cannot_end_early_and_smuggle_in_a_second_mail() -> None:
    smuggled = "one\n.\nMAIL FROM:<x@example.com>\r.\r\n.\r\nRCPT TO:<y@example.com>"
    async with handling() as over:
        assert (await over.send(letter(body=smuggled))).became == "taken"
        assert over.sink.commands.count("RCPT") == 1
        [mail] = over.sink.mails
        body = mail.content.partition(b"\r\n\r\n")[2]
        assert body == b"one\r\n.\r\nMAIL FROM:<x@example.com>\r\n.\r\n.\r\nRCPT TO:<y@example.com>\r\n"


@pytest.mark.parametrize("address", ["a b@example.com", "a>@example.com", "a@example.com\r\nRCPT TO:<b@example.com>"])
async def test_an_address_that_would_end_its_command_is_refused_here(address: str) -> None:
    async with handling() as over:
        handed = await over.send(letter(address))
        assert (handed.became, handed.refused[address].code) == ("refused", 553)
        assert "RCPT" not in over.sink.commands


async def test_what_the_relay_does_not_offer_is_refused_without_asking() -> None:
    async with handling(Sink(utf8=False, eight_bit=False, size=1000)) as over:
        assert (await over.send(letter("jörg@example.com", utf8=True))).refused["jörg@example.com"].code == 550
        assert (await over.send(letter(body="Grüße"))).reply.code == 554  # pyright: ignore[reportOptionalMemberAccess]
        assert (await over.send(letter(body="x" * 2000))).reply.code == 552  # pyright: ignore[reportOptionalMemberAccess]
        assert "MAIL" not in " ".join(over.sink.commands)


async def test_what_it_offers_is_used() -> None:
    async with handling() as over:
        assert (await over.send(letter("jörg@example.com", body="Grüße", utf8=True))).became == "taken"
        [said] = [command for command in over.sink.commands if command.startswith("MAIL")]
        size = len(letter(body="Grüße").mime)
        assert said == f"MAIL SIZE={size} BODY=8BITMIME SMTPUTF8"
