"""Headers: our own list of them, one line each. A caller gives values, never names, and no line ends."""

import re
from email.errors import HeaderParseError
from email.header import decode_header
from typing import cast

from servers.mail.safety import limits
from servers.mail.safety.characters import has_break, one_line, unseen
from servers.mail.safety.findings import Finding, excerpt
from shared.core.errors import Invalid

ALLOWED = (
    *("From", "To", "Cc", "Reply-To", "Subject", "Date", "Message-ID", "MIME-Version"),
    *("Auto-Submitted", "List-Unsubscribe", "List-Unsubscribe-Post"),
)
"""All a message of ours has, besides what describes its parts (`Content-…`). `Bcc` is for the envelope alone."""

_LONGEST = 998
"""Octets of a line: RFC 5322 §2.1.1."""

_ENCODED_WORD = re.compile(r"=\?[^?\s]{1,40}\?[bqBQ]\?[^?]{0,500}\?=")
_ROUNDS = 3
_MESSAGE_ID = re.compile(r"<[A-Za-z0-9!#$%&'*+/=^_`{|}~.-]{1,100}@[A-Za-z0-9.-]{1,140}>")
_UNSUBSCRIBE = re.compile(r"https://[A-Za-z0-9.-]{1,253}(?::\d{1,5})?(?:[/?][A-Za-z0-9._~:/?#@!$&'()*+;=%-]{0,600})?")


def check_header(name: str, value: str) -> str:
    """The value, for a header of our list.

    Raises:
        Invalid: The name is not on the list; or the value holds a line break in any spelling, also within encoded
            words, or characters that are not seen, or is too long for a line.
    """
    if name.lower() not in {allowed.lower() for allowed in ALLOWED}:
        raise Invalid(f"`{excerpt(name)}` is not a header that can be set. Allowed: {', '.join(ALLOWED)}.")
    if has_break(value) or has_break(_decoded(value)):
        raise Invalid(f"{name} holds a line break, which would begin another header. Send it as one line.")
    if any(unseen(char) for char in value):
        raise Invalid(f"{name} holds characters that are not seen. Write it without them.")
    if len(value.encode()) > _LONGEST:
        raise Invalid(f"{name} is longer than {_LONGEST} bytes. Shorten it.")
    return value


def safe_subject(text: str) -> tuple[str, list[Finding]]:
    """The subject as it will be read, and what was found in it."""
    cut = text[: 4 * limits.SUBJECT]
    plain, findings = one_line(cut, "subject")
    read = _decoded(plain)
    if read != plain:
        what = "It was written in encoded words, which hide what is read; they were decoded."
        findings.append(Finding("encoded_words", "warning", "subject", what, excerpt(plain), excerpt(read)))
        plain, more = one_line(read, "subject")
        findings += more
    if len(text) > limits.SUBJECT:
        what = f"It has {len(text)} characters; {limits.SUBJECT} are allowed. Shorten it."
        findings.append(Finding("too_large", "block", "subject", what))
        plain = plain[: limits.SUBJECT].rstrip()
    return plain, findings


def message_id(given: str) -> str:
    """The message id with its brackets (RFC 5322 §3.6.4).

    Raises:
        Invalid: It is none, or longer than fits a line.
    """
    wrapped = given if given.startswith("<") else f"<{given}>"
    if _MESSAGE_ID.fullmatch(wrapped) is None:
        raise Invalid(f"`{excerpt(given)}` is not a message id such as <m-1@example.com>.")
    return wrapped


def unsubscribe(url: str) -> dict[str, str]:
    """The headers of one-click unsubscription (RFC 2369 and RFC 8058).

    Raises:
        Invalid: It is not a plain https address.
    """
    if _UNSUBSCRIBE.fullmatch(url) is None:
        raise Invalid(f"`{excerpt(url)}` cannot be the unsubscribe address: use a plain https:// one.")
    return {"List-Unsubscribe": f"<{url}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


def _decoded(text: str) -> str:
    """The text with its encoded words (RFC 2047) read, also those that hold others; what is left of them is broken."""
    for _ in range(_ROUNDS):
        read = _ENCODED_WORD.sub(_word, text)
        if read == text:
            break
        text = read
    return text.replace("=?", "= ?")


def _word(found: re.Match[str]) -> str:
    try:
        parts = cast("list[tuple[bytes | str, str | None]]", decode_header(found[0]))
        return "".join(
            part.decode(charset or "ascii", "replace") if isinstance(part, bytes) else part for part, charset in parts
        )
    except (HeaderParseError, LookupError, ValueError):
        return found[0].replace("=?", "= ?")
