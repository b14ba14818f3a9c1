"""The bytes of a mail on its way, and what a relay offers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from shared.edge.outbound.smtp.outcomes import Letter, Reply

_LINE_END = re.compile(rb"\r\n|\r|\n")
_DOT = re.compile(rb"(?m)^\.")
_NOT_IN_A_PATH = re.compile(r"[\x00-\x20\x7f<>]")


@dataclass(frozen=True, slots=True)
class Offers:
    """The extensions a relay offers, of those we use (RFC 2920, 1870, 6152, 6531)."""

    pipelining: bool = False
    size: int | None = None
    eight_bit: bool = False
    utf8: bool = False

    @staticmethod
    def of(extensions: Mapping[str, str]) -> "Offers":
        """As EHLO listed them; a size of 0 is none that is fixed."""
        size = extensions.get("size", "").strip()
        return Offers(
            pipelining="pipelining" in extensions,
            size=(int(size) if size.isdecimal() else 0) if "size" in extensions else None,
            eight_bit="8bitmime" in extensions,
            utf8="smtputf8" in extensions,
        )


def stuffed(mime: bytes) -> bytes:
    """The text as it goes over the wire, its end mark included (RFC 5321 §4.5.2).

    Line ends first: a lone CR or LF that some relays take for a line's end, and others not, could otherwise smuggle
    in the end of the text and a second mail behind it.
    """
    text = _LINE_END.sub(b"\r\n", mime)
    if not text.endswith(b"\r\n"):
        text += b"\r\n"
    return _DOT.sub(b"..", text) + b".\r\n"


def commands(letter: Letter, offers: Offers, size: int) -> list[bytes]:
    """MAIL and a RCPT for each recipient.

    Raises:
        ValueError: An address would end the command it stands in.
    """
    options = ""
    if offers.size is not None:
        options += f" SIZE={size}"
    if offers.eight_bit and not letter.mime.isascii():
        options += " BODY=8BITMIME"
    if letter.utf8:
        options += " SMTPUTF8"
    said = [f"MAIL FROM:<{_path(letter.sender)}>{options}\r\n"]
    said += [f"RCPT TO:<{_path(recipient)}>\r\n" for recipient in letter.recipients]
    return [command.encode() for command in said]


def _path(address: str) -> str:
    if _NOT_IN_A_PATH.search(address):
        raise ValueError("an address may hold no space, bracket or control character")
    return address


def unfit(letter: Letter, offers: Offers, size: int) -> Reply | None:
    """Why the relay cannot take it at all, with the code it would refuse with; it is not asked."""
    addresses = (letter.sender, *letter.recipients)
    if any(_NOT_IN_A_PATH.search(address) for address in addresses):
        return Reply(553, "an address holds a space, a bracket or a control character")
    if offers.size and size > offers.size:
        return Reply(552, f"the mail has {size} bytes, and the relay takes {offers.size}")
    beyond_ascii = letter.utf8 or not all(address.isascii() for address in addresses)
    if beyond_ascii and not (offers.utf8 and letter.utf8):
        return Reply(550, "an address is more than ASCII, and the relay does not offer SMTPUTF8")
    if not letter.mime.isascii() and not offers.eight_bit:
        return Reply(554, "the text is more than ASCII, and the relay does not offer 8BITMIME")
    return None
