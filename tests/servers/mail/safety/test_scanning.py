"""What is found before a mail goes: secrets block it, personal numbers are named; neither is ever repeated."""

import json
from base64 import urlsafe_b64encode
from zlib import crc32

import pytest

from servers.mail.safety import personal, secrets
from servers.mail.safety.composing import compose
from tests.servers.mail.safety.mails import RULES, file, kinds, mail

B62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
RANDOM = "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xYzAbCdEfGhIjKlMnOpQrStUvWxYz0123456789"


def checked(prefix: str, body: str) -> str:
    """A token with the checksum that its issuer would give it."""
    number, digits = crc32(body.encode()), ""
    while number:
        number, digit = divmod(number, 62)
        digits = B62[digit] + digits
    return f"{prefix}_{body}{digits.rjust(6, '0')}"


def jwt(header: dict[str, str]) -> str:
    part = urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")
    return f"{part}.{urlsafe_b64encode(json.dumps({'sub': 'ada'}).encode()).decode().rstrip('=')}.{RANDOM[:43]}"


SECRETS = [
    "-----BEGIN " + "RSA PRIVATE KEY-----",
    "-----BEGIN " + "OPENSSH PRIVATE KEY-----",
    "-----BEGIN PGP " + "PRIVATE KEY BLOCK-----",
    "AKIA" + "QWERTYUIOPASDF23",
    "AIza" + RANDOM[:35],
    "AccountKey=" + (RANDOM * 2)[:86] + "==",
    checked("ghp", RANDOM[:30]),
    checked("npm", RANDOM[5:35]),
    "github_pat_" + RANDOM[:22] + "_" + RANDOM[:59],
    "glpat-" + RANDOM[:20],
    "xoxb-" + "123456789012-" + RANDOM[:24],
    "https://hooks.slack.com/services/" + "T0ABCDEFG/B0ABCDEFG/" + RANDOM[:24],
    "sk_" + "live_" + RANDOM[:24],
    "SG." + RANDOM[:22] + "." + RANDOM[:43],
    "sk-ant-" + "api03-" + (RANDOM * 2)[:90],
    "hf_" + "abcdefghijKLMNOPQRSTuvwxyzABCDEFGH",
    "hvs." + RANDOM[:24],
    "dop_v1_" + "0123456789abcdef" * 4,
    "pypi-" + "AgEIcHlwaS5vcmc" + RANDOM[:60],
    jwt({"alg": "HS256", "typ": "JWT"}),
    "postgresql://app:" + "s3cr3t-pa55@db.example/orders",
    "https://ada:" + "hunter22@example.com/",
    "api_key = " + RANDOM[:32],
    'AWS_SECRET_ACCESS_KEY="' + RANDOM[:40] + '"',
    "Authorization: Bearer " + RANDOM[:40],
    "client secret: " + RANDOM[:24],
]
HARMLESS = [
    "ghp_" + RANDOM[:36],  # no such checksum
    "eyJhbGciOi.eyJ.zzz",
    jwt({"typ": "x"}),
    "The token is valid for 30 days.",
    "password: ********",
    "Your password is required.",
    "https://example.com/reset?token=yes",
    "secret: see the handbook, chapter 12",
    "commit 3f786850e387550fdab836ed7e6dc881de23001b",
    "Order 4f9c1e77-0d7e-4a34-9f9b-0a86c32e0c11",
    "-----BEGIN PUBLIC KEY-----",
    "mailto:ada@example.com",
    "https://user:password@example.com",
    "A" * 5000,
    "eyJ" + "a" * 5000,
]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_blocks_the_mail_wherever_it_stands_and_is_not_repeated(secret: str) -> None:
    hidden = f"{secret[:6]}\u200b{secret[6:]}"
    places = [
        mail(subject=f"See {secret}"[:250]) if len(secret) < 200 else mail(text=secret),
        mail(text=f"Hello,\n{secret}\nBye"),
        mail(text=f"Hello,\n{hidden}\nBye"),
        mail(html=f"<p>Hello {secret[:9]}<b></b>{secret[9:]}</p>"),
        mail(html=f'<p title="{secret}">Hello</p>'.replace('""', '"')) if '"' not in secret else mail(text=secret),
        mail(attachments=(file("notes.txt", "text/plain", secret.encode()),)),
    ]
    for each in places:
        built = compose(each, RULES)
        assert "secret" in kinds(built, "block"), each
        told = " ".join(f"{found.what} {found.before} {found.after}" for found in built.findings)
        assert secret[-8:] not in told


def test_a_secret_spelt_as_an_address_is_found() -> None:
    spelt = "AK%49A" + "QWERTYUIOP%41SDF23"
    for built in (
        compose(mail(text=f"https://example.com/{spelt}"), RULES),
        compose(mail(html=f"<a href='https://example.com/?k={spelt}'>x</a>"), RULES),
    ):
        assert "secret" in kinds(built, "block")
        assert "QWERTYUIOP" not in repr(built.findings)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_does_not_block(text: str) -> None:
    assert [found for found in secrets.in_text(text, "text") if found.severity == "block"] == []


def test_a_password_somebody_wrote_down_is_a_warning() -> None:
    assert "secret" in kinds(compose(mail(text="Your password is Winter2024!"), RULES), "warning")


PERSONAL = [
    ("4111 1111 1111 1111", "card"),
    ("4111-1111-1111-1111", "card"),
    ("４１１１１１１１１１１１１１１１", "card"),
    ("5500005555555559", "card"),
    ("378282246310005", "card"),
    ("DE89 3704 0044 0532 0130 00", "iban"),
    ("GB82WEST12345698765432", "iban"),
    ("IBAN GB82 WEST 1234 5698 7654 32 PLEASE PAY", "iban"),
    ("536-90-4399", "national_id"),
    ("NHS 943 476 5870", "national_id"),
    ("Steuer-ID 36 574 261 809", "national_id"),
    ("2 95 10 99 126 111 93", "national_id"),
    ("54362315-K", "national_id"),
    ("X-2482300W", "national_id"),
    ("RCCMNL83S18D969H", "national_id"),
    ("BSN 111222333", "national_id"),
    ("756.9217.0769.85", "national_id"),
    ("PESEL 44051401359", "national_id"),
    ("880320-0016", "national_id"),
    ("131052-308T", "national_id"),
    ("390.533.447-05", "national_id"),
    ("Aadhaar 2341 2341 2346", "national_id"),
    ("+49 30 901820", "phone"),
    ("(650) 253-0000", "phone"),
]


@pytest.mark.parametrize(("text", "kind"), PERSONAL)
def test_personal_numbers_are_found_and_masked(text: str, kind: str) -> None:
    found = personal.in_text(f"Please note: {text}. Thank you.", "text", RULES.regions)
    assert kind in {each.kind for each in found}
    assert all(sum(map(str.isalnum, each.before)) <= 3 for each in found)


@pytest.mark.parametrize(
    "text",
    [
        *("4111 1111 1111 1112", "4444 4444 4444 4444", "1234567890123456", "DE89 3704 0044 0532 0130 01"),
        *("000-12-3456", "Order 111222333", "version 1.2.3.4", "2026-03-01T09:30:00", "192.168.100.200", "0" * 5000),
        *("A-01J9ZC8W8R5T3Y6V7X9K2M4N8P", "3f786850e387550fdab836ed7e6dc881de23001b", "1" * 100_000),
    ],
)
def test_numbers_without_a_right_check_digit_are_nobodys(text: str) -> None:
    found = personal.in_text(text, "text", RULES.regions)
    assert [each for each in found if each.kind != "phone"] == []


def test_long_lists_of_numbers_are_read_to_the_end() -> None:
    found = personal.in_text("4111111111111111 " * 10_000, "text", ("US",))
    assert sum(each.count for each in found) == 10_000


def test_text_and_html_that_say_different_things_are_named() -> None:
    html = "<p>Please pay 900 euros to the account below by Friday, thank you.</p>"
    same = "Please pay 900 euros to the account below by Friday, thank you."
    assert kinds(compose(mail(text=same, html=html), RULES)) == set()
    assert kinds(compose(mail(text=same.replace("900", "100"), html=html), RULES)) == {"numbers_differ"}
    assert "text_differs" in kinds(compose(mail(text="Lunch on Monday?", html=html), RULES))
    assert "links_differ" in kinds(compose(mail(text=f"{same} https://other.test/", html=html), RULES))
