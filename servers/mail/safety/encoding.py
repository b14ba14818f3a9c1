"""Names and subjects beyond ASCII as encoded words (RFC 2047), and headers folded (RFC 5322 §2.2.3).

By hand, since the standard library's `EmailMessage` of Python 3.11 loses blanks where it folds a long subject, and
turns an address of many characters without a blank into encoded words.
"""

from base64 import b64encode
from collections.abc import Iterable

from servers.mail.safety.addresses import Address

_CHUNK = 39
"""Octets of an encoded word's text: with the name of the header it fits 78 characters."""

_FOLD = "\r\n "


def words(text: str) -> str:
    """A text of one line, for a header."""
    if text.isascii():
        return text
    chunks = [b""]
    for char in text.encode("utf-8", "replace").decode():
        octets = char.encode()
        if len(chunks[-1]) + len(octets) > _CHUNK:
            chunks.append(b"")
        chunks[-1] += octets
    return _FOLD.join(f"=?utf-8?b?{b64encode(chunk).decode()}?=" for chunk in chunks)


def people(addresses: Iterable[Address]) -> str:
    """Addresses with their names, one a line."""
    return f",{_FOLD}".join(_person(address) for address in addresses)


def _person(address: Address) -> str:
    if not address.name or address.name.isascii():
        return str(address)
    return f"{words(address.name)}{_FOLD}<{address.mailbox}>"
