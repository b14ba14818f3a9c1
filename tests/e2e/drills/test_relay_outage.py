"""The relay is away, as long as a drill says: mails wait, whoever asks is told, and all of them go out afterwards."""

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from compose.smtp.sink import Sink, open_sink
from tests.e2e.drills.length import RELAY_S
from tests.harness import Databases, open_suite
from tests.servers.mail.mailroom import Mailroom

pytestmark = pytest.mark.anyio

MAILS = 20
AGAIN_S = 1.0
"""How long the breaker stays open, in a short drill."""


async def test_while_the_relay_is_away_mails_wait_and_then_all_of_them_arrive_once(
    databases: Databases, tmp_path: Path, show: Callable[..., None]
) -> None:
    sink = Sink()
    async with open_sink(sink):
        smtp = {"host": "127.0.0.1", "port": sink.port, "security": "none"}
        mail = {"poll_s": 0.1} | ({"breaker_open_s": AGAIN_S} if RELAY_S < 60 else {})
        urls = await databases.fresh()
        async with open_suite(urls, tmp_path, databases.admin_url, smtp=smtp, mail=mail) as suite:
            room = Mailroom(suite)
            await sink.stop()
            sent = [(await room.sent(subject=f"Number {number}"))["id"] for number in range(MAILS)]
            began = anyio.current_time()
            with anyio.fail_after(30):
                while (told := (await room.told("get_email_status", mail_id=sent[0]))["relay"]) is None:
                    await anyio.sleep(0.1)
            assert f"{MAILS} mails wait" in told
            while anyio.current_time() - began < RELAY_S:
                status = await room.told("get_email_status", mail_id=sent[-1])
                assert status["state"] == "queued", "an outage costs no attempt"
                assert status["relay"] is not None
                await anyio.sleep(min(2, RELAY_S / 3))
            await sink.start()
            back = anyio.current_time()
            with anyio.fail_after(60):
                while len(sink.mails) < MAILS:
                    await anyio.sleep(0.1)
            took = anyio.current_time() - back
            with anyio.fail_after(30):
                while {(await room.told("get_email_status", mail_id=one))["state"] for one in sent} != {"sent"}:
                    await anyio.sleep(0.2)
            assert (await room.told("get_email_status", mail_id=sent[0]))["relay"] is None
            assert len({one.message_id for one in sink.mails}) == len(sink.mails) == MAILS
            assert (await suite.verify()).problems == []
    show(f"relay away for {RELAY_S:g} s, {MAILS} mails waited, the last arrived {took:.1f} s after it was back")
