"""Which addresses are sent to, how they are written, and what looks like another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.mail.safety.addresses import Address, checked_address, checked_addresses
from servers.mail.safety.composing import compose
from servers.mail.safety.lookalikes import imitated, known_to, skeleton
from servers.mail.safety.rules import Rules
from shared.core.errors import Invalid
from tests.servers.mail.safety.mails import RULES, kinds, mail

GOOD = [
    ("ada@example.com", "ada@example.com", ""),
    ("Ada@EXAMPLE.Com", "Ada@example.com", ""),
    ("Ada Lovelace <ada@example.com>", "ada@example.com", "Ada Lovelace"),
    ('"Lovelace, Ada" <ada@example.com>', "ada@example.com", "Lovelace, Ada"),
    ('"A \\"Q\\" B" <ada@example.com>', "ada@example.com", 'A "Q" B'),
    ("o'brien+orders=1@mail.example.co.uk", "o'brien+orders=1@mail.example.co.uk", ""),
    ("ada@bücher.example", "ada@xn--bcher-kva.example", ""),
    ("ada@BÜCHER.example", "ada@xn--bcher-kva.example", ""),
    ("Zoë <zoe@example.com>", "zoe@example.com", "Zoë"),
    (f"{'a' * 64}@example.com", f"{'a' * 64}@example.com", ""),
]
BAD = [
    "", "ada", "@example.com", "ada@", "ada@localhost", "ada@example.1", "ada@[127.0.0.1]", "ada@[IPv6:::1]",
    "ada@@example.com", "a@b@example.com", "ada@exa mple.com", "ada@-example.com", "ada@example..com",
    ".ada@example.com", "ada.@example.com", "a..b@example.com", '"a b"@example.com', "ada(comment)@example.com",
    "ada@example.com (Ada)", "<@relay.example:ada@example.com>", "Friends: ada@example.com;",
    "ada@example.com, bob@example.com", "ada@example.com; bob@example.com", "ada@example.com bob@example.com",
    "Ada, Bob <ada@example.com>", "a@x.example <ada@example.com>", "ada@example.com\r\nBcc: bob@example.com",
    "ada@example.com\nbob@example.com", "Ada\u2028Bcc: <ada@example.com>", "ada@exam\x85ple.com", "ada\x00@example.com",
    "Ada\x0b <ada@example.com>", "=?utf-8?q?ada=0d=0aBcc:x?= <ada@example.com>", "ada%0d%0aBcc:bob@example.com",
    "ada@exam\u200bple.com", "A\u202eda <ada@example.com>", "ad\u00ada@example.com", "jörg@example.com",
    f"{'a' * 65}@example.com", f"ada@{'a' * 64}.com", f"a@{'.'.join(['a' * 60] * 5)}.com",
    f"{'x' * 129} <a@example.com>",
    "=?utf-8?q?Ada?= <ada@example.com>", "ada%0abcc@example.com", "=?a@example.com",
    "ada@ex_ample.com", "ada@xn--a.example", "ada <ada@example.com> x", "<<ada@example.com>>", "\ud800@example.com",
]  # fmt: skip


@pytest.mark.parametrize(("text", "mailbox", "name"), GOOD)
def test_an_address_is_read_as_it_is_written(text: str, mailbox: str, name: str) -> None:
    address = checked_address(text)
    assert (address.mailbox, address.name) == (mailbox, name)
    assert checked_address(str(address)) == address


@pytest.mark.parametrize("text", BAD)
def test_whatever_is_not_exactly_one_plain_address_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        checked_address(text)
    assert refused.value.message.isprintable()


def test_local_parts_beyond_ascii_are_taken_only_where_the_relay_takes_them() -> None:
    assert checked_address("jörg@example.com", smtputf8=True).mailbox == "jörg@example.com"
    with pytest.raises(Invalid, match="beyond ASCII"):
        checked_address("jörg@example.com")


def test_no_address_exists_unchecked() -> None:
    for bad in (("a\r\n", "example.com", ""), ("a", "Example.com", ""), ("a", "example.com", "x\nBcc: y")):
        with pytest.raises(Invalid):
            Address(*bad)


def test_a_mailbox_is_kept_once_however_it_is_written() -> None:
    found = checked_addresses(["ada@example.com", "Ada <ADA@EXAMPLE.COM>", "bob@example.com"])
    assert [each.mailbox for each in found] == ["ada@example.com", "bob@example.com"]


def test_a_domain_beyond_ascii_is_shown_in_both_forms() -> None:
    assert checked_address("ada@bücher.example").shown == "ada@xn--bcher-kva.example (bücher.example)"


@given(st.text(max_size=60))
def test_any_text_is_an_address_of_one_line_or_refused(text: str) -> None:
    try:
        address = checked_address(text, smtputf8=True)
    except Invalid:
        return
    assert str(address).isprintable()
    assert checked_address(str(address), smtputf8=True) == address


KNOWN = known_to(Rules(own_domains=frozenset({"example.com"}), known_domains=frozenset({"paypal.com"})))
LOOKALIKES = [
    ("exarnple.com", "example.com", "same look"),
    ("examp1e.com", "example.com", "same look"),
    ("еxample.com", "example.com", "same look"),
    ("εxample.com", "example.com", "same look"),
    ("pаypaⅼ.com", "paypal.com", "same look"),
    ("раураl.com", "paypal.com", "same look"),
    ("exampple.com", "example.com", "one letter"),
    ("exmaple.com", "example.com", "one letter"),
    ("example-support.com", "example.com", "name within"),
    ("example.com.evil.org", "example.com", "name within"),
]


@pytest.mark.parametrize(("domain", "other", "how"), LOOKALIKES)
def test_a_domain_that_looks_like_a_known_one_is_found(domain: str, other: str, how: str) -> None:
    assert imitated(domain, domain, KNOWN) == (other, how)


@pytest.mark.parametrize("domain", ["example.com", "mail.example.com", "orders.test", "paypal.com", "sample.net"])
def test_other_domains_are_no_imitations(domain: str) -> None:
    assert imitated(domain, domain, KNOWN) is None


@pytest.mark.parametrize("domain", ["exarnple.com", "examp1e.com", "еxample.com"])
def test_mail_to_an_imitation_of_the_own_domain_is_blocked(domain: str) -> None:
    assert "lookalike_domain" in kinds(compose(mail(to=(f"a@{domain}",)), RULES), "block")


def test_scripts_are_not_mixed_within_a_label() -> None:
    assert "mixed_scripts" in kinds(compose(mail(to=("a@bаnk.example",)), RULES), "block")
    assert "mixed_scripts" not in kinds(compose(mail(to=("a@пример.example",)), RULES))


def test_names_that_hold_another_address_are_taken_out() -> None:
    built = compose(mail(to=('"ceo@example.com" <x@other.test>',)), RULES)
    assert built.to[0].name == ""
    assert "name_address" in kinds(built)


def test_names_of_own_people_beside_foreign_addresses_are_found() -> None:
    assert "name_internal" in kinds(compose(mail(to=("Accоunts Payable <x@other.test>",)), RULES))
    assert "name_internal" not in kinds(compose(mail(to=("Accounts Payable <x@example.com>",)), RULES))


def test_a_sender_outside_the_own_domains_is_blocked() -> None:
    assert "foreign_sender" in kinds(compose(mail(sender="support@other.test"), RULES), "block")


def test_letters_drawn_alike_have_one_skeleton() -> None:
    assert skeleton("Rаypаl") == skeleton("raypal")
    assert skeleton("vvindow") == skeleton("window")
