import enum
import importlib
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, cast
from uuid import UUID, uuid4

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, RootModel, computed_field

from shared.core.caller import Caller
from shared.core.errors import Misconfigured
from shared.steps.patterns import PATTERNS, mask_text
from shared.steps.redaction import (
    Exact,
    Redacted,
    Sensitive,
    mask_all,
    mask_email,
    mask_phone,
    redact,
    redact_for_audit,
)

codes: Any = importlib.import_module("re._constants")
parser: Any = importlib.import_module("re._parser")

PII = "customers:pii"
CARD = "4111 1111 1111 1111"


def caller(*scopes: str) -> Caller:
    return Caller("s", "https://idp.example", "c", "acme", frozenset(scopes))


class Line(BaseModel):
    note: str = ""
    amount: Decimal = Decimal("12.50")


class Customer(BaseModel):
    id: Annotated[str, Exact()] = "C-000042"
    email: Annotated[str | None, Sensitive(PII, mask_email)] = "jane@example.com"
    phone: Annotated[str, Sensitive(PII, mask_phone)] | None = "+49 1512 3456789"
    born: Annotated[date, Sensitive(PII, mask_all)] = date(1980, 1, 31)
    aliases: list[Annotated[str, Sensitive(PII, mask_email)]] = Field(default_factory=list[str])
    notes: str = ""
    lines: list[Line] = Field(default_factory=list[Line])
    tags: dict[str, str] = Field(default_factory=dict[str, str])
    anything: Any = None
    seen: datetime = datetime(2026, 11, 3, 10, tzinfo=UTC)


class Wrapped(RootModel[list[Customer]]):
    pass


class Page(BaseModel):
    customers: Wrapped
    by_key: dict[str, Customer | Line]
    pair: tuple[Annotated[str, Exact()], str]


def test_a_marked_field_is_masked_for_those_who_lack_its_scope() -> None:
    shown = redact(Customer(aliases=["j@example.org"]), caller("customers:read"))
    assert shown.value["email"] == "j***@example.com"
    assert shown.value["phone"] == "+49 *** 89"
    assert shown.value["born"] == "[hidden]"
    assert shown.value["aliases"] == ["j***@example.org"]
    assert shown.redactions == ("email", "phone", "born", "aliases")


def test_a_marked_field_is_shown_to_those_who_hold_its_scope() -> None:
    shown = redact(Customer(), caller(PII), PII)
    assert shown.value == Customer().model_dump(mode="json")
    assert shown.redactions == ()


def test_nothing_and_empty_text_are_not_redactions() -> None:
    shown = redact(Customer(email=None, phone=None, notes=""), caller())
    assert (shown.value["email"], shown.value["phone"]) == (None, None)
    assert shown.redactions == ("born",)


def test_patterns_reach_nested_models_lists_mappings_and_values_of_any_type() -> None:
    customer = Customer(
        notes=f"paid with {CARD}",
        lines=[Line(), Line(note=f"again {CARD}")],
        tags={"x": "ghp_abcdefghij0123456789", CARD: "k"},
        anything={"deep": [{"er": f"/home/jane/{uuid4()}"}]},
    )
    shown = redact(customer, caller(PII), PII)
    assert shown.value["notes"] == "paid with [card]"
    assert shown.value["lines"][1]["note"] == "again [card]"
    assert shown.value["tags"] == {"x": "[secret]", "[card]": "k"}
    assert shown.value["anything"] == {"deep": [{"er": "[path]"}]}
    assert shown.redactions == ("notes:card", "lines.note:card", "tags:secret", "tags:card", "anything:path")


def test_models_are_known_by_what_they_are_and_not_by_where_they_stand() -> None:
    page = Page(customers=Wrapped([Customer()]), by_key={"a": Customer(), "b": Line(note=CARD)}, pair=("C-1", CARD))
    shown = redact(page, caller()).value
    assert shown["customers"][0]["email"] == "j***@example.com"
    assert shown["by_key"]["a"]["phone"] == "+49 *** 89"
    assert shown["by_key"]["b"]["note"] == "[card]"
    assert shown["pair"][1] == "[card]"


def test_a_model_inside_a_field_of_any_type_keeps_its_marks() -> None:
    shown = redact(Customer(anything=[Customer(notes="inner")]), caller()).value
    assert shown["anything"][0]["email"] == "j***@example.com"


def test_aliases_computed_and_extra_fields_are_covered() -> None:
    class Odd(BaseModel):
        model_config = ConfigDict(extra="allow")
        mail: Annotated[str, Sensitive(PII, mask_email)] = Field("jane@example.com", alias="eMail")

        @computed_field
        @property
        def both(self) -> Annotated[str, Sensitive(PII, mask_all)]:
            return f"mail {self.mail}"

    shown = redact(Odd.model_validate({"eMail": "jane@example.com", "more": CARD}), caller()).value
    assert shown == {"eMail": "j***@example.com", "both": "[hidden]", "more": "[card]"}


def test_exact_text_is_left_alone() -> None:
    class Reference(BaseModel):
        card: Annotated[str, Exact()] = CARD

    assert redact(Reference(), caller()) == Redacted({"card": CARD}, ())


@pytest.mark.parametrize("annotation", [int, Decimal, Line, list[float], int | None])
def test_a_mark_on_what_no_mask_fits_is_refused(annotation: Any) -> None:
    class Wrong(BaseModel):
        field: Annotated[Any, Sensitive(PII, mask_all)] = None

    Wrong.model_fields["field"].annotation = annotation
    with pytest.raises(Misconfigured, match=r"Wrong\.field"):
        redact(Wrong(), caller())


def test_masked_answers_still_fit_the_output_schema() -> None:
    class Strict(Customer):
        model_config = ConfigDict(strict=True)

    value = redact(Customer(notes=CARD), caller()).value
    Strict.model_validate_json(orjson.dumps({**value, "born": "1980-01-31"}))


SHOWN_TO_NOBODY = {
    "card": [
        "4111111111111111",
        CARD,
        "4111-1111-1111-1111",
        "4111.1111.1111.1111",
        "4111\u00a01111\u00a01111\u00a01111",
        "41111111\u200b11111111",
        "3782 822463 10005",
        "30569309025904",
        "4222222222222",
        "6304000000000000000",
        "x4111111111111111y",
        "４１１１１１１１１１１１１１１１",
    ],
    "iban": [
        "DE89370400440532013000",
        "DE89 3704 0044 0532 0130 00",
        "gb82 west 1234 5698 7654 32",
        "NO93 8601 1117 947",
        "MT84MALT011000012345MTLCAST001S",
        "IBAN:FR1420041010050500013M02606",
    ],
    "national_id": ["123-45-6789", "123 45 6789", "86095742719", "86 095 742 719", "12345678Z", "X1234567L"],
    "secret": [
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
        "AKIAIOSFODNN7EXAMPLE",
        "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "github_pat_11ABCDEFG0123456789",
        "xoxb-1234567890-abcdefghij",
        "Bearer mF_9.B5f-4.1JqM",
        "Authorization: Basic QWxhZGRpbg==",
        "password=hunter2",
        '"password": "correct horse"',
        "api_key: abcdef",
        "Passwort: geheim",
        "client_secret=xyz",
        "postgres://app:s3cret@db/suite",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nMIIEow cut off",
    ],
    "path": ["/home/jane/.ssh/id_rsa", "/var/lib/x", r"C:\Users\Jane Doe\secrets.txt", "file:///etc/passwd"],
}
CONTACT = {
    "email": ["jane@example.com", "jane.doe+x@mail.example.co.uk", "o'neil@example.org", "ü@müller.example"],
    "phone": [
        "+49 1512 3456789",
        "+491512345678",
        "+49 (0) 30 123456-78",
        "0049 30 12345678",
        "(030) 12345678",
        "0171/1234567",
        "01711234567",
        "06 12 34 56 78",
        "555-123-4567",
        "+1 (555) 123-4567",
        "+447911123456",
    ],
}
HIDDEN = [(kind, text) for kind, texts in (SHOWN_TO_NOBODY | CONTACT).items() for text in texts]


@pytest.mark.parametrize(("kind", "text"), HIDDEN)
def test_what_must_be_hidden_is_found_anywhere_in_text(kind: str, text: str) -> None:
    for before, after in (("", ""), ("Said: ", " today."), ("a\n", "\nb"), ("Ref AB12 ", ", 42"), ("(", ")")):
        masked, names = mask_text(f"{before}{text}{after}", contact=True)
        assert kind in names
        assert text not in masked
        assert masked.startswith(before)
        if after[:1] in " \n" and "cut off" not in text:  # a secret may hold other punctuation, so it goes too
            assert masked.endswith(after)


@pytest.mark.parametrize(("kind", "text"), [pair for pair in HIDDEN if pair[0] in CONTACT])
def test_contact_data_in_text_is_shown_to_holders_of_the_scope_alone(kind: str, text: str) -> None:
    customer = Customer(notes=f"call {text} now")
    assert redact(customer, caller(PII), PII).value["notes"] == f"call {text} now"
    for other in (redact(customer, caller("tickets:pii"), PII), redact(customer, caller(PII))):
        assert text not in other.value["notes"]
        assert f"notes:{kind}" in other.redactions


@pytest.mark.parametrize(("kind", "text"), [pair for pair in HIDDEN if pair[0] in SHOWN_TO_NOBODY])
def test_secrets_and_numbers_in_text_are_shown_to_nobody(kind: str, text: str) -> None:
    shown = redact(Customer(notes=f"see {text}"), caller(PII), PII)
    assert text not in shown.value["notes"]
    assert f"notes:{kind}" in shown.redactions


ORDINARY = [
    "C-000042",
    "ORD-2026-001234",
    "PO 4500012345",
    "2026-11-03T10:00:00.123456+01:00",
    "2026-10-30 2026-10-31 2026-11-01",
    "03.11.2026 10:00",
    "1762345678901",
    "20261103101500",
    "1,234,567.89 EUR",
    "1.234.567,89",
    "EUR 1 234 567,89",
    "550e8400-e29b-41d4-a716-446655440000",
    "41111111-1111-4111-8111-111111111111",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "0.123456789012345",
    "https://example.com/home/page?id=1234",
    "and/or, 24/7, 1:2",
    "v2.3.0-alpha.12",
    "Anna Müller",
    "10.0.0.1",
    "4111 1111 1111 1112",
    "DE88370400440532013000",
    "000-12-3456",
    "12345678A",
    "the bearer of good news",
    "customer://C-000042",
]


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_ids_dates_and_amounts_are_left_alone(text: str) -> None:
    assert mask_text(text, contact=True) == (text, ())


@given(st.uuids() | st.datetimes() | st.dates() | st.integers(0, 999_999).map("C-{:06d}".format))
def test_no_id_or_time_is_ever_taken_for_something_else(value: Any) -> None:
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    if text.startswith(("19", "20", "C-")) or isinstance(value, UUID):
        assert mask_text(f"{text}, and {text}.", contact=True)[1] == ()


@given(st.decimals(0, 10_000_000, places=2))
def test_no_amount_is_ever_taken_for_something_else(amount: Decimal) -> None:
    for text in (f"{amount} EUR", f"${amount:,}"):
        assert mask_text(text, contact=True) == (text, ())


@given(st.text("0123456789", min_size=12, max_size=18), st.sampled_from("3456"), st.sampled_from(["", " ", "-"]))
def test_every_number_that_passes_the_check_of_cards_is_masked(body: str, first: str, gap: str) -> None:
    digits = first + body[:-1]
    total = sum(sum(divmod(int(digit) * (1 + place % 2), 10)) for place, digit in enumerate(reversed(digits), 1))
    number = digits + str(-total % 10)
    grouped = gap.join(number[place : place + 4] for place in range(0, len(number), 4))
    assert mask_text(f"card {grouped}!", contact=False) == ("card [card]!", ("card",))


PIECES = [text for _, text in HIDDEN] + ORDINARY + list("0123456789+-./()@:=*#[] \n\\") + ["***", "[card]", "eyJ"]
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=8).map("".join)


@given(TEXTS, st.booleans())
def test_masking_twice_changes_nothing_more(text: str, contact: bool) -> None:
    once, _ = mask_text(text, contact=contact)
    assert mask_text(once, contact=contact) == (once, ())


@given(TEXTS, TEXTS, TEXTS)
def test_redacting_twice_changes_nothing_more(notes: str, email: str, phone: str) -> None:
    class Contact(BaseModel):
        notes: str
        email: Annotated[str, Sensitive(PII, mask_email)]
        phone: Annotated[str, Sensitive(PII, mask_phone)]
        tags: dict[str, str]

    contact = Contact(notes=notes, email=email, phone=phone, tags={"a": notes})
    once = redact(contact, caller()).value
    assert redact(Contact.model_validate(once), caller()) == Redacted(once, ())


@given(TEXTS | st.emails())
def test_masks_never_return_what_they_hide(text: str) -> None:
    assert mask_all(text) == "[hidden]"
    local, at, domain = text.rpartition("@")
    masked = mask_email(text)
    assert masked in {"[hidden]", f"{local[:1]}***{at}{domain}"}
    assert len(re.findall(r"\d", mask_phone(text))) <= 5


@pytest.mark.parametrize("text", ["", "x", "12345", "no number", "+49 *** 89 secret"])
def test_what_is_no_telephone_number_is_hidden_altogether(text: str) -> None:
    assert mask_phone(text) == "[hidden]"


# Cost


def repeats(tree: Any) -> Iterator[tuple[Any, int, Any, bool]]:
    """Each repeat in a parsed expression: its operator, its most, what follows it, and whether it is in another."""
    nodes = list(tree)
    for place, (operator, argument) in enumerate(nodes):
        if operator in {codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT}:
            _, most, inner = argument
            yield operator, most, nodes[place + 1 :], False
            yield from ((op, many, after, True) for op, many, after, _ in repeats(inner))
        for part in _trees(argument):
            if operator not in {codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT}:
                yield from repeats(part)


def _trees(argument: Any) -> Iterator[Any]:
    if isinstance(argument, parser.SubPattern):
        yield argument
    elif isinstance(argument, tuple | list):
        for part in cast("list[Any]", argument):
            yield from _trees(part)


def optional(node: Any) -> bool:
    operator, argument = node
    return operator in {codes.MAX_REPEAT, codes.POSSESSIVE_REPEAT} and argument[0] == 0


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.name)
def test_every_expression_is_linear_in_the_text(pattern: Any) -> None:
    """Each starting point costs at most a constant, or consumes what it read: no repeat can be retried at length."""
    for operator, most, after, nested in repeats(parser.parse(pattern.regex.pattern)):
        if most is codes.MAXREPEAT:
            assert operator is codes.POSSESSIVE_REPEAT
            assert all(map(optional, after)), "an endless repeat with something required after it is tried again"
            assert not nested
        else:
            assert most <= 400


def test_text_without_anything_suspicious_meets_no_expression() -> None:
    assert all(mask_text(text, contact=True)[1] for _, text in HIDDEN)
    assert mask_text("Anna Müller is a very good customer", contact=True) == (
        "Anna Müller is a very good customer",
        (),
    )


@pytest.mark.parametrize(
    "text", ["1 ", "eyJ", "a", "@", "/home/", "-----BEGIN PRIVATE KEY-----", "AA11", "C:\\", "a.", "p@a."]
)
def test_a_quarter_megabyte_of_the_worst_is_read_to_its_end(text: str) -> None:
    masked, names = mask_text(text * (2**18 // len(text)) + f" {CARD} ", contact=True)
    assert "card" in names or "secret" in names
    assert CARD not in masked


# Audit


class Query(BaseModel):
    id: Annotated[str, Exact()] = "C-000042"
    email: Annotated[str | None, Sensitive(PII, mask_email)] = None
    name: Annotated[str | None, Sensitive(PII)] = None
    notes: str = ""
    limit: int = 20


def test_the_audit_keeps_no_personal_data_whoever_calls() -> None:
    kept = redact_for_audit(Query(email="jane@example.com", name="Jane", notes=f"{CARD} jane@example.com"))
    assert kept.value == {
        "id": "C-000042",
        "email": "j***@example.com",
        "name": "[hidden]",
        "notes": "[card] j***@example.com",
        "limit": 20,
    }
    assert kept.redactions == ("email", "name", "notes:card", "notes:email")


def test_marks_hold_for_arguments_that_did_not_parse() -> None:
    raw = {"email": "jane@example.com", "name": ["Jane", {"x": "Doe"}], "limit": "many"}
    assert redact_for_audit(raw, Query).value == {
        "email": "j***@example.com",
        "name": ["[hidden]", {"x": "[hidden]"}],
        "limit": "many",
    }


def test_marks_hold_inside_the_nested_models_of_arguments_that_did_not_parse() -> None:
    class Change(BaseModel):
        one: Query | None
        many: list[Query]

    kept = redact_for_audit({"one": {"name": "Jane", "bad": 1}, "many": [{"name": "Doe"}, 7]}, Change)
    assert kept.value == {"one": {"name": "[hidden]", "bad": 1}, "many": [{"name": "[hidden]"}, 7]}


def test_the_audit_hides_what_is_named_like_a_secret_and_numbers_that_are_cards() -> None:
    kept = redact_for_audit({"Password": "hunter", "card": 4111111111111111, "n": 42, CARD: {"exact": CARD}})
    assert kept.value == {"Password": "[secret]", "card": "[card]", "n": 42, "[card]": {"exact": "[card]"}}
    assert "Password:secret" in kept.redactions


def test_long_text_is_cut_and_says_so_without_leaving_half_a_secret() -> None:
    for start in range(1_960, 2_080):
        kept = redact_for_audit({"notes": "x" * (start - 1) + f" {CARD} " + "y" * 5_000})
        assert "notes:cut" in kept.redactions
        assert "4111" not in kept.value["notes"]
        assert "characters]" in kept.value["notes"]


def test_depth_items_and_size_are_bounded_and_said() -> None:
    deep: Any = "end"
    for _ in range(5_000):
        deep = [deep]
    wide = {"deep": deep, "list": list(range(5_000)), "map": {str(number): number for number in range(5_000)}}
    for arguments in (wide, {str(number): "long " * 500 for number in range(5_000)}, {"k" * 10_000: 1}):
        kept = redact_for_audit(arguments)
        assert len(orjson.dumps(kept.value)) < 100_000
        assert len(orjson.dumps(kept.redactions)) < 100_000
    kept = redact_for_audit(wide)
    assert "list:cut" in kept.redactions
    assert kept.value["list"][-1] == "[cut] 4900 more"
    assert kept.value["map"]["[cut]"] == "4900 more"


class Colour(enum.Enum):
    RED = "red"


class Raising:
    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


class RaisingMapping(dict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError


CYCLE: dict[str, Any] = {}
CYCLE["again"] = CYCLE

ODD = [
    CYCLE,
    {"a": Raising(), "b": {1, 2}, "c": b"\x00\xff", "d": object},
    RaisingMapping(a=1),
    {"lone": "\ud800", "nul": "a\0b", "\ud800": 1},
    {"huge": 10**6_000, "nan": float("nan"), "inf": float("-inf"), "neg": -(2**63)},
    {1: 2, None: 3, (1, 2): 4, 10**6_000: 5},
    {"model": Query.model_construct(), "when": datetime(2026, 1, 1, tzinfo=UTC), "id": UUID(int=1)},
    {"colour": Colour.RED, "money": Decimal("1.5"), "flag": True, "none": None},
]


@pytest.mark.parametrize("arguments", ODD, ids=range(len(ODD)))
def test_no_arguments_are_too_odd_to_record(arguments: Any) -> None:
    kept = redact_for_audit(arguments)
    assert orjson.loads(orjson.dumps(kept.value)) == kept.value
    assert "\\u0000" not in orjson.dumps(kept.value).decode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(st.dictionaries(st.text() | TEXTS, JSON, max_size=5))
def test_any_json_can_be_recorded(arguments: dict[str, Any]) -> None:
    orjson.dumps(redact_for_audit(arguments).value)
