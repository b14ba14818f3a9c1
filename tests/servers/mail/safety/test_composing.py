"""The message that is built: what another program reads of it is what was meant, byte for byte the same each time."""

from dataclasses import replace
from datetime import timedelta
from email.header import decode_header, make_header
from email.parser import BytesParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servers.mail.safety.addresses import checked_address
from servers.mail.safety.composing import compose
from servers.mail.safety.findings import refuse
from servers.mail.safety.headers import ALLOWED
from servers.mail.safety.messages import Built
from servers.mail.safety.rules import Rules
from shared.core.errors import Invalid
from tests.servers.mail.safety.mails import RULES, WHEN, dangers, file, kinds, mail, received

OURS = {name.lower() for name in ALLOWED} | {"content-type", "content-transfer-encoding"}


def as_read(wire: bytes, name: str) -> str:
    """A header with its encoded words read by the library's older reader: the newer adds blanks between them."""
    return str(make_header(decode_header(str(BytesParser().parsebytes(wire)[name]))))


def faithful(built: Built) -> None:
    """No header, recipient, part or program more than was meant."""
    read = received(built.mime)
    assert set(read.names) <= OURS
    assert len(set(read.names)) == len(read.names)
    assert read.to == [each.mailbox for each in (*built.to, *built.cc)]
    assert list(built.envelope.recipients) == [each.mailbox for each in (*built.to, *built.cc, *built.bcc)]
    assert (read.message["Subject"] or "") == built.subject
    assert read.text == built.text
    assert read.html == built.html
    assert built.html is None or dangers(built.html) == []
    assert len(read.files) == len(built.attachments)
    assert "unfaithful" not in kinds(built)


def test_a_mail_of_everything_is_read_as_it_was_meant() -> None:
    built = compose(
        mail(
            to=(
                '"Lovelace, Dr. Ada" <ada@northwind.example>',
                "Zoë (R&D) <zoe@bücher.example>".replace("(R&D)", "R&D"),
            ),
            cc=("bob@northwind.example",),
            bcc=("hidden@northwind.example",),
            reply_to="help@example.com",
            subject="Zażółć — 日本語 👩‍👩‍👧 " + "long " * 30,
            text="Hello,\n.\nFrom here on\n--=_x\n\u00e9" + "x" * 2000,
            html="<p>Hello</p>",
            attachments=(file(), file("Übersicht.csv", "text/csv", b"a;b\n")),
            unsubscribe="https://example.com/u/1",
            automatic=True,
        ),
        RULES,
    )
    faithful(built)
    assert [str(each) for each in built.to] == [
        '"Lovelace, Dr. Ada" <ada@northwind.example>',
        '"Zoë R&D" <zoe@xn--bcher-kva.example>',
    ]
    assert "Zoë R&D <zoe@xn--bcher-kva.example>" in as_read(built.mime, "To")
    refuse(built.findings)


@pytest.mark.parametrize(
    "subject", [("Ünï, cödé " * 6 + "x") * 4, "ж" * 250, "日本 " * 80, "👩‍👩‍👧" * 40, "a " * 120 + "é"]
)
def test_a_long_subject_loses_no_blank_where_it_is_folded(subject: str) -> None:
    built = compose(mail(subject=subject.strip()[:250]), RULES)
    assert as_read(built.mime, "Subject") == subject.strip()[:250].strip()
    assert max(map(len, built.mime.split(b"\r\n"))) <= 78
    faithful(built)


def test_blind_copies_are_in_the_envelope_and_nowhere_in_the_message() -> None:
    built = compose(mail(bcc=("hidden@northwind.example",)), RULES)
    assert "hidden@northwind.example" in built.envelope.recipients
    assert b"hidden" not in built.mime
    assert b"bcc" not in built.mime.lower()


def test_the_same_mail_gives_the_same_bytes_and_any_change_another_digest() -> None:
    base = mail(html="<p>x</p>", attachments=(file(),))
    built = compose(base, RULES)
    assert compose(base, RULES) == built
    changes = [
        {"sender": "other@example.com"}, {"to": ("bob@northwind.example",)}, {"cc": ("bob@northwind.example",)},
        {"bcc": ("bob@northwind.example",)}, {"subject": "Other"}, {"text": "Other"}, {"html": "<p>y</p>"},
        {"attachments": (file(content=b"%PDF-1.8"),)}, {"reply_to": "help@example.com"}, {"automatic": True},
        {"message_id": "<m-2@example.com>"}, {"date": WHEN + timedelta(seconds=1)},
    ]  # fmt: skip
    assert len({built.payload, *(compose(replace(base, **each), RULES).payload for each in changes)}) == 13


def test_boundaries_known_beforehand_are_no_way_into_the_message() -> None:
    first = compose(mail(html="<p>x</p>", attachments=(file(),)), RULES)
    boundary = received(first.mime).message.get_boundary()
    evil = f"Hello\n--{boundary}\nContent-Type: text/html\n\n<script>x</script>\n--{boundary}--\n"
    built = compose(mail(text=evil, html="<p>x</p>", attachments=(file("a.txt", "text/plain", evil.encode()),)), RULES)
    assert received(built.mime).message.get_boundary() == boundary
    faithful(built)


def test_what_was_made_safe_is_not_changed_when_it_comes_back_from_an_approver() -> None:
    built = compose(
        mail(subject="a\u202eb =?utf-8?q?c?=", text="x\u200by\r\nz", html="<p onclick=x>Hi <a href=http://x>"), RULES
    )
    again = compose(mail(subject=built.subject, text=built.text, html=built.html), RULES)
    assert (again.subject, again.text, again.html) == (built.subject, built.text, built.html)
    assert kinds(again) <= {"text_differs"}


def test_everything_that_blocks_is_told_at_once() -> None:
    built = compose(mail(sender="x", to=("a@b",), subject="a\nb", text="", html="<div>" * 500), RULES)
    with pytest.raises(Invalid) as refused:
        refuse(built.findings)
    told = {each["kind"] for each in refused.value.details["findings"]}
    assert told == {"address", "no_recipient", "header_injection", "too_complex", "empty"}


def test_a_harmless_mail_is_not_refused() -> None:
    built = compose(mail(), RULES)
    assert built.findings == ()
    refuse(built.findings)


def test_recipients_are_checked_against_the_lists_and_counted() -> None:
    rules = Rules(denied_domains=frozenset({"denied.test"}), allowed_domains=frozenset({"northwind.example"}))
    for domain in ("denied.test", "sub.denied.test", "elsewhere.test"):
        assert "domain_denied" in kinds(compose(mail(cc=(f"x@{domain}",)), rules), "block")
    assert compose(mail(to=("x@eu.northwind.example",)), rules).findings == ()
    many = compose(mail(to=tuple(f"a{n}@northwind.example" for n in range(101))), RULES)
    assert "too_many_recipients" in kinds(many, "block")
    assert len(many.envelope.recipients) == 100


def test_nobody_gets_a_mail_twice() -> None:
    built = compose(mail(to=("a@b.test", "A@B.test"), cc=("a@b.test",), bcc=("a@B.TEST", "c@b.test")), RULES)
    assert built.envelope.recipients == ("a@b.test", "c@b.test")
    assert "duplicate" in kinds(built, "info")


def test_the_text_is_made_of_the_html_if_there_is_none() -> None:
    built = compose(mail(text=None, html="<p>Hello <b>Ada</b></p>"), RULES)
    assert built.text == "Hello Ada\n" == received(built.mime).text
    assert kinds(built) == {"text_derived"}


def test_large_texts_are_refused_and_not_built() -> None:
    built = compose(mail(text="x" * 300_000), RULES)
    assert "too_large" in kinds(built, "block")
    assert len(built.mime) < 10_000
    faithful(compose(mail(text="é\n" * 60_000), RULES))


def test_addresses_beyond_ascii_need_a_relay_that_takes_them() -> None:
    assert "address" in kinds(compose(mail(to=("jörg@b.test",)), RULES), "block")
    built = compose(mail(to=("Jörg <jörg@b.test>",)), replace(RULES, smtputf8=True))
    assert built.envelope.smtputf8
    faithful(built)


ANY = st.text(alphabet=st.characters(), max_size=40)
NASTY = st.lists(
    st.sampled_from(
        [
            *(
                "\r\n",
                "\n",
                "\r",
                "\x85",
                "\u2028",
                "\u2029",
                "\x0b",
                "\x0c",
                "\x1c",
                "\0",
                "\t",
                " ",
                ":",
                ";",
                ",",
                "<",
            ),
            *(
                ">",
                "@",
                '"',
                "\\",
                "(",
                ")",
                "=?utf-8?q?",
                "=?utf-8?b?",
                "?=",
                "=0D=0A",
                "Bcc: eve@evil.test",
                "To:",
                "é",
            ),
            *(
                "Content-Type: text/html",
                "<script>x</script>",
                "--=_",
                ".",
                "%0d%0a",
                "\u202e",
                "\u200d",
                "a",
                "日",
                "\ud800",
            ),
        ]
    )
    | ANY,
    max_size=8,
).map("".join)


@settings(max_examples=40, deadline=None)
@given(name=NASTY, local=NASTY, domain=NASTY, subject=NASTY, text=NASTY, html=NASTY, filename=NASTY, mime=NASTY)
def test_nothing_in_any_field_adds_a_header_a_recipient_or_a_program(
    name: str, local: str, domain: str, subject: str, text: str, html: str, filename: str, mime: str
) -> None:
    built = compose(
        mail(
            sender=f"{name} <support@example.com>",
            to=(f'"{name}" <ada@northwind.example>', f"{local}@northwind.example", f"x@{domain}", name),
            cc=(f"{name} <bob@northwind.example>",),
            reply_to=f"{name} <{local}@example.com>",
            subject=subject,
            text=text,
            html=html,
            attachments=(file(filename, mime, text.encode(errors="replace")),),
            unsubscribe=f"https://example.com/{name}",
        ),
        RULES,
    )
    faithful(built)
    assert not any("evil" in each.domain for each in (*built.to, *built.cc) if "evil" not in domain + local + name)
    again = compose(mail(subject=built.subject, text=built.text, html=built.html), RULES)
    assert (again.subject, again.html) == (built.subject, built.html)


@settings(max_examples=40, deadline=None)
@given(st.text(alphabet=st.characters(blacklist_categories=("C", "Z")), max_size=60) | NASTY)
def test_any_display_name_is_read_as_it_is_or_refused(name: str) -> None:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    try:
        address = checked_address(f'"{escaped}" <ada@northwind.example>')
    except Invalid:
        return
    built = compose(mail(to=(address,)), RULES)
    faithful(built)
    assert as_read(built.mime, "To") in {str(built.to[0]), f"{built.to[0].name} <{built.to[0].mailbox}>"}
