"""Connections: encrypted or not at all, used again while they are good, and a relay that fails is left alone."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
import uvloop

from compose.proxy.certificate import keep_certificate
from compose.smtp.faults import Faults
from compose.smtp.sink import Sink
from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from shared.core.smtp_settings import Smtp
from shared.edge.outbound.smtp import Unreachable
from shared.edge.outbound.smtp.connecting import tls_context
from tests.shared.edge.outbound.smtp.handled import Handling, handling, letter

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificate")
    keep_certificate(folder, ["localhost", "127.0.0.1"])
    return folder


def secured(folder: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "server.pem")
    return context


async def trouble(over: Handling) -> str:
    with pytest.raises(Unreachable) as raised:
        await over.send(letter())
    return raised.value.trouble


async def test_a_mail_goes_encrypted_and_with_a_login(certificate: Path) -> None:
    sink = Sink(tls=secured(certificate), users={"suite": "a secret"})
    authority = str(certificate / "authority.pem")
    async with handling(sink, security="starttls", ca_file=authority, username="suite", password="a secret") as over:
        assert (await over.send(letter())).became == "taken"
    [mail] = sink.mails
    assert (mail.encrypted, mail.user) == (True, "suite")


async def test_a_wrong_password_is_told_as_such_and_not_repeated_here(certificate: Path) -> None:
    sink = Sink(tls=secured(certificate), users={"suite": "a secret"})
    authority = str(certificate / "authority.pem")
    async with handling(sink, security="starttls", ca_file=authority, username="suite", password="another") as over:
        with pytest.raises(Unreachable) as raised:
            await over.send(letter())
    assert raised.value.trouble == "login"
    assert "another" not in str(raised.value)


async def test_without_starttls_nothing_is_said(certificate: Path) -> None:
    async with handling(security="starttls", ca_file=str(certificate / "authority.pem")) as over:
        assert await trouble(over) == "tls"
        assert over.sink.commands == ["EHLO"]


async def test_a_certificate_that_nobody_vouches_for_is_refused(certificate: Path) -> None:
    async with handling(Sink(tls=secured(certificate)), security="starttls") as over:
        assert await trouble(over) == "tls"
        assert not over.sink.mails


async def test_a_relay_that_speaks_no_tls_is_not_asked_without(certificate: Path) -> None:
    async with handling(security="tls", ca_file=str(certificate / "authority.pem"), connect_s=0.5) as over:
        assert await trouble(over) in {"tls", "timeout"}
        assert over.sink.commands == []


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"host": "smtp.example.com", "security": "none"}, "anybody between"),
    (
        {"host": "smtp.example.com", "security": "none", "unencrypted": True, "username": "a", "password": "b"},
        "in the clear",
    ),
    ({"host": "smtp.example.com", "username": "a"}, "go together"),
    ({"security": "tls"}, "no host"),
]


@pytest.mark.parametrize(("smtp", "why"), REFUSED, ids=[why for _, why in REFUSED])
def test_settings_that_would_be_unsafe_are_refused_at_the_start(smtp: dict[str, Any], why: str) -> None:
    with pytest.raises(Misconfigured, match=why):
        Settings(smtp=smtp)  # pyright: ignore[reportArgumentType] - as the environment would give it


def test_a_relay_in_the_clear_is_for_this_machine_or_for_those_who_say_so() -> None:
    assert Settings(smtp={"host": "127.0.0.1", "security": "none"}).smtp.reached_at == 25  # pyright: ignore[reportArgumentType]
    assert Settings(smtp={"host": "relay.example.com", "security": "none", "unencrypted": True}).smtp.host  # pyright: ignore[reportArgumentType]
    assert tls_context(Smtp(host="smtp.example.com")) is not None


UNREACHABLE = [("554 5.3.2 Not now", "busy"), ("421 4.3.2 Busy", "busy"), ("hello", "busy")]


@pytest.mark.parametrize(("greeting", "named"), UNREACHABLE, ids=[greeting for greeting, _ in UNREACHABLE])
async def test_a_relay_that_does_not_greet_us_is_not_there(greeting: str, named: str) -> None:
    async with handling(Sink(faults=Faults(replies={"greeting": greeting})), connect_s=2) as over:
        assert await trouble(over) == named


async def test_nobody_listening_is_told_as_such() -> None:
    async with handling() as over:
        await over.sink.stop()
        assert await trouble(over) == "refused"
        assert over.relay.made == 0


async def test_one_connection_carries_many_mails() -> None:
    async with handling() as over:
        for _ in range(10):
            assert (await over.send(letter())).became == "taken"
        assert over.sink.connections == 1


async def test_a_connection_is_made_anew_after_its_share_of_mails_and_after_its_time() -> None:
    async with handling(mails_per_connection=3, connection_age_s=60) as over:
        for _ in range(7):
            await over.send(letter())
        assert over.sink.connections == 3
        over.clock.now += 61
        await over.send(letter())
        assert over.sink.connections == 4


async def test_one_that_lay_idle_is_asked_first_and_given_up_if_it_is_gone() -> None:
    async with handling(idle_s=5) as over:
        await over.send(letter())
        over.clock.now += 6
        assert (await over.send(letter())).became == "taken"
        assert over.sink.commands.count("RSET") == 1
        assert over.sink.connections == 1
        await over.sink.stop()
        await over.sink.start()
        over.clock.now += 6
        assert (await over.send(letter())).became == "taken"
        assert over.sink.connections == 2


async def test_a_relay_that_fails_again_and_again_is_left_alone_and_tried_once() -> None:
    async with handling(delivery={"breaker_failures": 3, "breaker_open_s": 10}) as over:
        await over.sink.stop()
        for _ in range(3):
            assert await trouble(over) == "refused"
        assert (await trouble(over), over.relay.state) == ("left_alone", "open")
        over.clock.now += 10
        assert await trouble(over) == "refused"
        assert await trouble(over) == "left_alone"
        await over.sink.start()
        over.clock.now += 10
        assert (await over.send(letter())).became == "taken"
        assert over.relay.state == "closed"


async def test_refusals_are_answers_and_open_nothing() -> None:
    faults = Faults(replies={"MAIL": "550 5.7.1 No"})
    async with handling(Sink(faults=faults), delivery={"breaker_failures": 2}) as over:
        for _ in range(5):
            assert (await over.send(letter())).became == "refused"
        assert over.relay.state == "closed"


async def test_no_more_connections_than_are_set_are_open_at_a_time() -> None:
    from anyio import create_task_group  # noqa: PLC0415 - of this test alone

    async with handling(Sink(faults=Faults(wait_s=0.01)), connections=2) as over:
        async with create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(over.send, letter())
        assert over.sink.connections == 2
        assert len(over.sink.mails) == 8


@pytest.mark.parametrize("encrypted", [True, False])
def test_it_works_on_the_loop_that_processes_run_on(certificate: Path, encrypted: bool) -> None:
    authority: dict[str, Any] = (
        {"security": "starttls", "ca_file": str(certificate / "authority.pem")} if encrypted else {}
    )

    async def twice() -> list[str]:
        sink = Sink(tls=secured(certificate) if encrypted else None)
        async with handling(sink, **authority) as over:
            return [(await over.send(letter())).became for _ in range(2)]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(twice()) == ["taken", "taken"]
