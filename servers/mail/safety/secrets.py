"""Secrets that must not be mailed: formats that their issuers document, checked by their checksum where they have one.

A table rather than `detect-secrets`: decision 0044. To recognise another format, add a row.
"""

import json
import re
from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import log2
from typing import Any, cast
from urllib.parse import unquote
from zlib import crc32

from servers.mail.safety.characters import searchable
from servers.mail.safety.findings import Finding, Severity

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECKSUM = 6
"""Characters at the end of a token of GitHub's kind: CRC-32 of what precedes them, in base 62."""


def _crc(found: re.Match[str]) -> bool:
    body = found[0].rpartition("_")[2]
    number = crc32(body[:-_CHECKSUM].encode())
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return digits.rjust(_CHECKSUM, "0") == body[-_CHECKSUM:]


def _is_jwt(found: re.Match[str]) -> bool:
    """RFC 7519: the header is a JSON object that names an algorithm."""
    part = found[0].partition(".")[0]
    try:
        header: Any = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, Base64Error, RecursionError):
        return False
    return isinstance(header, dict) and "alg" in cast("dict[str, Any]", header)


def _is_random(found: re.Match[str]) -> bool:
    """As good as random: letters and digits, and more than 3.3 bits in a character."""
    value = found["value"]
    letters, digits = any(map(str.isalpha, value)), any(map(str.isdigit, value))
    return letters and digits and _bits(value) > 3.3  # noqa: PLR2004 - hexadecimal of 16 or more reaches it, words do not


def _bits(value: str) -> float:
    return -sum(count / len(value) * log2(count / len(value)) for count in Counter(value).values())


def _is_no_example(found: re.Match[str]) -> bool:
    password = unquote(found["value"]).lower()
    return len(set(password)) > 2 and password not in {"password", "pass", "pwd", "secret", "user", "redacted"}  # noqa: PLR2004 - `xxx`, `***`


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of secret: what it is called, how it is written, and what else must hold."""

    name: str
    pattern: re.Pattern[str]
    holds: Callable[[re.Match[str]], bool] = bool
    severity: Severity = "block"


def _row(
    name: str, pattern: str, holds: Callable[[re.Match[str]], bool] = bool, severity: Severity = "block"
) -> Format:
    return Format(name, re.compile(pattern), holds, severity)


_PASSWORDS = "password|passwd|passphrase|pwd|passwort|kennwort"
_WORDS = (
    r"(?:api|access|secret|private|auth|client|signing|encryption|account)[ _-]?(?:key|token|secret)|secret|token|"
    rf"{_PASSWORDS}|credentials?|authorization|bearer"
)
_IS = r"[\"']?\s{0,3}(?:[:=]|\bis\b|\bist\b)\s{0,3}"
_NAMED = rf"(?i:\b(?:[a-z0-9]{{1,30}}[_-]){{0,3}}(?:{_WORDS})(?:[_-][a-z0-9]{{1,20}}){{0,2}})"
_ASSIGNED = rf"{_NAMED}{_IS}(?i:(?:bearer|basic)\s{{1,3}})?[\"'`]?"
_PASSWORD = rf"(?i:\b(?:{_PASSWORDS})){_IS}(?P<value>(?=\S{{0,60}}[\d!$%&*#?])\S{{6,64}})"
_IN_ADDRESS = r"\b[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/:@\"'<>]{1,100}:(?P<value>[^\s/@\"'<>]{3,200})@"

FORMATS = (
    _row("a private key", r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-[23]:"),
    _row("an age key", r"\bAGE-SECRET-KEY-1[0-9A-Z]{58}\b"),
    _row("an AWS access key", r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b"),
    _row("a Google API key", r"\bAIza[0-9A-Za-z_-]{35}(?![0-9A-Za-z_-])"),
    _row("a Google OAuth secret", r"\bGOCSPX-[0-9A-Za-z_-]{28}(?![0-9A-Za-z_-])"),
    _row("an Azure storage key", r"\bAccountKey=[A-Za-z0-9+/]{86}=="),
    _row("a GitHub token", r"\bgh[pousr]_[A-Za-z0-9]{36}\b", _crc),
    _row("a GitHub token", r"\bgithub_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}\b"),
    _row("an npm token", r"\bnpm_[A-Za-z0-9]{36}\b", _crc),
    _row("a PyPI token", r"\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,1000}"),
    _row("a GitLab token", r"\bgl(?:pat|dt|ptt|rt|cbt)-[0-9A-Za-z_-]{20,100}(?![0-9A-Za-z_-])"),
    _row("a Slack token", r"\bxox[abeoprs]-(?:[0-9A-Za-z]{1,20}-){1,4}[0-9A-Za-z]{10,200}\b"),
    _row("a Slack token", r"\bxapp-\d-[A-Z0-9]{5,20}-\d{5,20}-[0-9a-f]{20,80}\b"),
    _row("a Slack webhook", r"\bhooks\.slack\.com/(?:services|workflows)/[A-Z]\w{6,20}/[A-Z]\w{6,20}/\w{20,40}"),
    _row("a Stripe key", r"\b(?:sk|rk)_live_[0-9A-Za-z]{20,250}\b|\bwhsec_[0-9A-Za-z+/]{32,}"),
    _row("a SendGrid key", r"\bSG\.[0-9A-Za-z_-]{22}\.[0-9A-Za-z_-]{43}(?![0-9A-Za-z_-])"),
    _row("a Mailgun key", r"\bkey-[0-9a-f]{32}\b"),
    _row("an Anthropic key", r"\bsk-ant-[a-z0-9]{3,10}-[0-9A-Za-z_-]{80,120}(?![0-9A-Za-z_-])"),
    _row("an OpenAI key", r"\bsk-(?:[a-z]{3,10}-)?[0-9A-Za-z_-]{20,100}T3BlbkFJ[0-9A-Za-z_-]{20,100}(?![0-9A-Za-z_-])"),
    _row("a Hugging Face token", r"\bhf_[A-Za-z]{34}\b"),
    _row("a Vault token", r"\bhv[sbr]\.[0-9A-Za-z_-]{24,300}(?![0-9A-Za-z_-])"),
    _row("a DigitalOcean token", r"\bdo[opr]_v1_[0-9a-f]{64}\b"),
    _row("a Shopify token", r"\bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}\b"),
    _row("a Databricks token", r"\bdapi[0-9a-f]{32}\b"),
    _row("a Telegram bot token", r"\b\d{8,10}:AA[0-9A-Za-z_-]{33}(?![0-9A-Za-z_-])"),
    _row("a signed token (JWT)", r"\beyJ[\w-]{8,2000}\.eyJ[\w-]{4,8000}\.[\w-]{16,2000}", _is_jwt),
    _row("a password in an address", _IN_ADDRESS, _is_no_example),
    _row("a key or token", rf"{_ASSIGNED}(?P<value>[A-Za-z0-9_+/=.~-]{{16,500}})", _is_random),
    _row("a password", _PASSWORD, _is_no_example, "warning"),
)  # fmt: skip


def in_text(text: str, where: str) -> list[Finding]:
    """The secrets in a text, by what they are and never by their value; also as they stand in addresses (`%2B`)."""
    plain = searchable(text)
    decoded = unquote(plain) if "%" in plain else plain
    findings: dict[str, Finding] = {}
    for each in dict.fromkeys((plain, decoded)):
        for kind, severity, count in _found(each):
            what = f"It holds {kind}. Take it out; if it is real, revoke it, and share it through a vault."
            findings.setdefault(kind, Finding("secret", severity, where, what, count=count))
    return list(findings.values())


def _found(text: str) -> Iterator[tuple[str, Severity, int]]:
    taken: set[int] = set()
    for kind in FORMATS:
        spans = [found.span() for found in kind.pattern.finditer(text) if kind.holds(found)]
        fresh = [span for span in spans if taken.isdisjoint(range(*span))]
        for span in fresh:
            taken.update(range(*span))
        if fresh:
            yield kind.name, kind.severity, len(fresh)
