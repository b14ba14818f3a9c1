"""No header holds more than its own line."""

import pytest

from servers.mail.safety.composing import compose
from servers.mail.safety.headers import check_header, message_id, unsubscribe
from shared.core.errors import Invalid
from tests.servers.mail.safety.mails import RULES, kinds, mail, received

BREAKS = [
    "\r\n",
    "\n",
    "\r",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x1d",
    "\x1e",
    "\x85",
    "\u2028",
    "\u2029",
    "\x00",
    "\r\n\t",
    "\n\n",
]
ENCODED = [
    "=?utf-8?q?a=0D=0ABcc:_x@y.example?=",
    "=?utf-8?b?YQ0KQmNjOiB4QHkuZXhhbXBsZQ==?=",
    "=?us-ascii?q?a=0ABcc:x?=",
    "=?utf-8?q?a=C2=85Bcc:x?=",
    "=?utf-8?q?=3D=3Futf-8=3Fq=3Fa=3D0D=3D0ABcc=3F=3D?=",
]


@pytest.mark.parametrize("line_end", BREAKS)
def test_a_line_break_in_a_subject_blocks_the_mail_and_reaches_no_header(line_end: str) -> None:
    built = compose(mail(subject=f"Hello{line_end}Bcc: eve@evil.test{line_end}{line_end}<script>"), RULES)
    assert "header_injection" in kinds(built, "block")
    read = received(built.mime)
    assert "bcc" not in read.names
    assert read.text == "It is on its way.\n"
    assert built.subject == "Hello Bcc: eve@evil.test <script>"


@pytest.mark.parametrize("subject", ENCODED)
def test_encoded_words_that_hold_a_line_break_block_the_mail(subject: str) -> None:
    built = compose(mail(subject=subject), RULES)
    assert "header_injection" in kinds(built, "block")
    assert "bcc" not in received(built.mime).names


def test_encoded_words_are_shown_as_they_will_be_read() -> None:
    built = compose(mail(subject="=?utf-8?q?R=C3=A9sum=C3=A9?="), RULES)
    assert built.subject == "Résumé" == received(built.mime).message["Subject"]
    assert "encoded_words" in kinds(built, "warning")


def test_what_only_looks_like_an_encoded_word_stays_readable() -> None:
    for subject in ("2 =? 3", "=?x?y?z?=", "=?utf-8?q?=C3?=", "=?nonsense?b?AAAA?="):
        built = compose(mail(subject=subject), RULES)
        assert received(built.mime).message["Subject"] == built.subject
        assert compose(mail(subject=built.subject), RULES).subject == built.subject


@pytest.mark.parametrize(
    "name", ["X-Mailer", "Bcc", "Content-Type", "Sender", "Return-Path", "Subject\r\nBcc", "Subject:", ""]
)
def test_only_headers_of_our_list_can_be_set(name: str) -> None:
    with pytest.raises(Invalid, match="not a header"):
        check_header(name, "x")


@pytest.mark.parametrize("value", [*BREAKS, *ENCODED, "x" * 999, "a\u202eb", "\x07"])
def test_a_header_of_more_than_a_line_is_refused(value: str) -> None:
    with pytest.raises(Invalid):
        check_header("Subject", value)
    assert check_header("subject", "Hello") == "Hello"


@pytest.mark.parametrize(
    "given", ["m-1", "<m-1>", "<a b@x>", "<a@b>\r\nBcc: x", "<a@b@c>", "", f"<{'a' * 101}@example.com>"]
)
def test_what_is_no_message_id_is_refused(given: str) -> None:
    with pytest.raises(Invalid):
        message_id(given)


def test_bulk_mail_can_be_unsubscribed_from_by_one_click() -> None:
    url = f"https://example.com/u/{'x' * 200}"
    read = received(compose(mail(unsubscribe=url, automatic=True), RULES).mime).message
    assert read["List-Unsubscribe"] == f"<{url}>"
    assert read["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert read["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize(
    "url", ["http://example.com/u", "https://example.com/u>, <mailto:x", "https://a b", "https://x\r\nBcc: y", ""]
)
def test_only_plain_https_addresses_unsubscribe(url: str) -> None:
    with pytest.raises(Invalid):
        unsubscribe(url)


def test_a_subject_too_long_blocks_the_mail() -> None:
    built = compose(mail(subject="x" * 251), RULES)
    assert "too_large" in kinds(built, "block")
    assert len(built.subject) == 250
    assert compose(mail(subject="ж" * 250), RULES).findings == ()


def test_lines_of_the_message_are_short_enough_for_any_relay() -> None:
    built = compose(mail(subject="ж" * 250, text="x" * 5000, to=tuple(f"a{n}@example.com" for n in range(100))), RULES)
    assert max(len(line) for line in built.mime.split(b"\r\n")) <= 998
    assert b"\n" not in built.mime.replace(b"\r\n", b"")
    assert b"\r" not in built.mime.replace(b"\r\n", b"")
