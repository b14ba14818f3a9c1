"""The sink's pages show mails of anybody, and nothing in a mail can act there."""

import smtplib
from collections.abc import AsyncGenerator
from email.message import EmailMessage

import anyio
import httpx
import pytest
from starlette.applications import Starlette

from compose.smtp.page import routes
from compose.smtp.sink import Sink, open_sink

pytestmark = pytest.mark.anyio


def nasty() -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"] = "desk@example.com", "ada@example.com"
    mail["Subject"] = "<script>alert(1)</script>"
    mail["Message-ID"] = "<one@example.com>"
    mail.set_content("Plain & <b>simple</b>")
    mail.add_alternative("<p onclick='x()'>Hello \"you\"</p><script>alert(2)</script>", subtype="html")
    mail.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="a.pdf")
    return mail


@pytest.fixture
async def filled() -> AsyncGenerator[httpx.AsyncClient]:
    async with open_sink(Sink(most=2)) as sink:

        def send() -> None:
            with smtplib.SMTP("127.0.0.1", sink.port) as client:
                for _ in range(3):
                    client.send_message(nasty())

        await anyio.to_thread.run_sync(send)
        transport = httpx.ASGITransport(Starlette(routes=routes(sink)))
        async with httpx.AsyncClient(transport=transport, base_url="http://sink") as client:
            yield client


async def test_the_last_mails_are_listed_and_the_older_ones_forgotten(filled: httpx.AsyncClient) -> None:
    page = await filled.get("/mail-sink")
    assert page.text.count("/mail-sink/") == 2
    assert (await filled.get("/mail-sink/1")).status_code == 404
    assert (await filled.get("/mail-sink/3.eml")).text.startswith("From: desk@example.com")


async def test_nothing_in_a_mail_acts_on_the_page(filled: httpx.AsyncClient) -> None:
    for path in ("/mail-sink", "/mail-sink/3"):
        page = await filled.get(path)
        assert "<script" not in page.text
        assert "<b>simple" not in page.text
        assert page.headers["content-security-policy"].startswith("default-src 'none'")
    shown = (await filled.get("/mail-sink/3")).text
    assert "<iframe sandbox srcdoc=" in shown
    assert "<p onclick" not in shown
    assert (await filled.get("/mail-sink/3.eml")).headers["content-type"].startswith("text/plain")


async def test_programs_read_them_as_json(filled: httpx.AsyncClient) -> None:
    mail = (await filled.get("/mail-sink/mails.json")).json()["mails"][-1]
    assert mail["envelope"] == {"from": "desk@example.com", "to": ["ada@example.com"]}
    assert (mail["message_id"], mail["attachments"]) == ("<one@example.com>", ["a.pdf"])
    assert mail["text"].strip() == "Plain & <b>simple</b>"
