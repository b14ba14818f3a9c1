"""Personal data: numbers whose own check digits hold, so that an order number is not taken for a card.

The validators are python-stdnum's and phonenumbers'. To recognise another number, add a row; one whose check is weak
needs a word beside it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

import phonenumbers
from stdnum import iban, luhn
from stdnum.be import nn
from stdnum.br import cpf
from stdnum.ch import ssn as ahv
from stdnum.de import idnr
from stdnum.dk import cpr
from stdnum.es import dni, nie
from stdnum.fi import hetu
from stdnum.fr import nir
from stdnum.gb import nhs
from stdnum.in_ import aadhaar
from stdnum.it import codicefiscale
from stdnum.nl import bsn
from stdnum.no import fodselsnummer
from stdnum.pl import pesel
from stdnum.pt import cc
from stdnum.se import personnummer
from stdnum.us import ssn

from servers.mail.safety.characters import searchable
from servers.mail.safety.findings import Finding, Severity

_BRANDS = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}"
    r"|6(?:011|4[4-9]\d|5\d\d)\d{12}|35\d{14}|62\d{14,17}"
)
"""Visa, Mastercard, American Express, Diners, Discover, JCB, UnionPay (ISO/IEC 7812 ranges)."""
_NEAR = 60
_PHONES_WITHIN = 50_000
"""Characters that are searched for phone numbers, which is slow, and is only for a note."""

_PHONES = 200
"""Phone numbers that are looked for in one text; a list of more is found by its first ones."""


def _is_card(number: str) -> bool:
    digits = re.sub(r"\D", "", number)
    return _BRANDS.fullmatch(digits) is not None and luhn.is_valid(digits) and len(set(digits)) > 1


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of number: how it is written, what must hold, and a word that has to stand near it, if any."""

    kind: str
    name: str
    pattern: re.Pattern[str]
    holds: Callable[[str], bool]
    near: re.Pattern[str] | None = None


def _row(kind: str, name: str, pattern: str, holds: Callable[[str], bool], near: str | None = None) -> Format:
    word = re.compile(rf"\b(?:{near})", re.IGNORECASE) if near else None
    return Format(kind, name, re.compile(rf"(?<![\w.-])(?:{pattern})(?![\w-]|\.\d)"), holds, word)


FORMATS = (
    _row("iban", "a bank account (IBAN)", r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?", iban.is_valid),
    _row("card", "a payment card", r"\d(?:[ .-]?\d){12,18}", _is_card),
    _row("national_id", "a US social security number", r"\d{3}-\d\d-\d{4}", ssn.is_valid),
    _row("national_id", "a UK NHS number", r"\d{3} ?\d{3} ?\d{4}", nhs.is_valid, "NHS"),
    _row("national_id", "a German tax number", r"\d\d ?\d{3} ?\d{3} ?\d{3}", idnr.is_valid, "steuer|idnr|tax"),
    _row("national_id", "a French insurance number", r"[12] ?\d\d ?\d\d ?\d[\dAB](?: ?\d{3}){2} ?\d\d", nir.is_valid),
    _row("national_id", "a Spanish identity number", r"\d{8}-?[A-Z]", dni.is_valid),
    _row("national_id", "a Spanish identity number", r"[XYZ]-?\d{7}-?[A-Z]", nie.is_valid),
    _row("national_id", "an Italian tax code", r"[A-Z]{6}\d\d[A-Z]\d\d[A-Z]\d{3}[A-Z]", codicefiscale.is_valid),
    _row("national_id", "a Dutch citizen number", r"\d{9}", bsn.is_valid, "BSN|burgerservice|sofi"),
    _row("national_id", "a Belgian national number", r"\d\d\.?\d\d\.?\d\d-?\d{3}\.?\d\d", nn.is_valid),
    _row("national_id", "a Swiss insurance number", r"756\.?\d{4}\.?\d{4}\.?\d\d", ahv.is_valid),
    _row("national_id", "a Polish PESEL", r"\d{11}", pesel.is_valid, "PESEL"),
    _row("national_id", "a Portuguese identity number", r"\d{8} ?\d ?[A-Z0-9]{2}\d", cc.is_valid, "cart|cidad|identi"),
    _row("national_id", "a Swedish personal number", r"(?:\d\d)?\d{6}[-+]\d{4}", personnummer.is_valid),
    _row("national_id", "a Finnish personal code", r"\d{6}[-+A-FYXWVU]\d{3}[0-9A-Y]", hetu.is_valid),
    _row("national_id", "a Danish personal number", r"\d{6}-\d{4}", cpr.is_valid, "CPR"),
    _row("national_id", "a Norwegian identity number", r"\d{6} ?\d{5}", fodselsnummer.is_valid, "f.dsels|personnummer"),
    _row("national_id", "a Brazilian CPF", r"\d{3}\.\d{3}\.\d{3}-\d\d", cpf.is_valid),
    _row("national_id", "an Indian Aadhaar number", r"\d{4} ?\d{4} ?\d{4}", aadhaar.is_valid, "aadhaa?r|UIDAI"),
)  # fmt: skip


def in_text(text: str, where: str, regions: tuple[str, ...]) -> list[Finding]:
    """Personal numbers in a text, with all but their ends masked."""
    text = searchable(text)
    findings: list[Finding] = []
    for kind in FORMATS:
        spans: list[tuple[int, int]] = []
        for found in kind.pattern.finditer(text):
            number = _held(kind, found[0])
            around = text[max(0, found.start() - _NEAR) : found.end() + _NEAR]
            if number is None or (kind.near and not kind.near.search(around)):
                continue
            findings.append(_finding(kind.kind, "warning", where, f"It holds {kind.name}.", number))
            spans.append((found.start(), found.start() + len(number)))
        text = _without(text, spans)
    return findings + _phones(text, where, regions)


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    """The text with blanks in these places, so that a card is not taken for a telephone too."""
    pieces: list[str] = []
    done = 0
    for start, end in spans:
        pieces += text[done:start], " " * (end - start)
        done = end
    return "".join((*pieces, text[done:])) if spans else text


def _held(kind: Format, written: str) -> str | None:
    """The number, without words that happen to follow an IBAN; None if its check fails."""
    while written:
        if kind.holds(written):
            return written
        if kind.kind != "iban" or " " not in written:
            return None
        written = written.rpartition(" ")[0]
    return None


def _phones(text: str, where: str, regions: tuple[str, ...]) -> list[Finding]:
    text = text[:_PHONES_WITHIN]
    if sum(map(str.isdigit, text)) < 7:  # noqa: PLR2004 - the shortest number with its area code
        return []
    seen: dict[str, str] = {}
    for region in regions or (None,):
        matcher = phonenumbers.PhoneNumberMatcher(text, region, max_tries=2000)
        for match in islice(matcher, _PHONES):
            seen.setdefault(re.sub(r"\D", "", match.raw_string), match.raw_string)
    return [_finding("phone", "info", where, "It holds a phone number.", number) for number in seen.values()]


def _finding(kind: str, severity: Severity, where: str, what: str, number: str) -> Finding:
    what = f"{what} Make sure that its owner wants it mailed." if severity == "warning" else what
    return Finding(kind, severity, where, what, masked(number))


def masked(number: str) -> str:
    """The number with everything but its last two characters, and one at its start, made unreadable."""
    inner = re.sub(r"\w", "•", number[1:-2])
    return f"{number[:1]}{inner}{number[-2:]}"
