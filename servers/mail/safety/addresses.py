"""Mail addresses: RFC 5321 §4.1.2 and RFC 5322 §3.4 without what no address book holds.

Comments, groups, routes, quoted local parts and address literals are refused: programs read them differently,
and a difference in reading is how a mail goes where nobody meant it to go.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from unicodedata import category, normalize

import idna

from servers.mail.safety import limits
from servers.mail.safety.characters import has_break, unseen
from servers.mail.safety.findings import excerpt
from shared.core.errors import Invalid

_TEXT = 600
_LOCAL = 64
_DOMAIN = 253
_MAILBOX = 254
"""Octets: RFC 5321 §4.5.3.1, and its errata 1690 for the whole."""

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_DOT_ATOM = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_ATOM_CHARS = frozenset("!#$%&'*+/=?^_`{|}~-.")
_NAMED = re.compile(r'(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^"<>,;:()\[\]\\@]*))\s*<(?P<mailbox>[^<>\s]*)>')
_ENCODED = re.compile(r"=\?|%0[ad]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox and the name beside it; none exists unchecked.

    Attributes:
        local: Before the `@`; as given, since only its own server knows whether case matters.
        domain: Lower case, ASCII.
        name: For display.

    Raises:
        Invalid: On making one that is no address.
    """

    local: str
    domain: str
    name: str = ""

    def __post_init__(self) -> None:
        _check_characters(self.local + self.domain + self.name)
        if not _is_local(self.local):
            raise _invalid(f"{self.local}@{self.domain}", "what stands before the @ is not a plain local part")
        if _domain(self.domain) != self.domain or len(self.mailbox.encode()) > _MAILBOX:
            raise _invalid(self.mailbox, "the domain is not a plain host name, or the address is too long")
        if len(self.name) > limits.NAME or self.name != " ".join(self.name.split()):
            raise _invalid(self.mailbox, f"its display name is longer than {limits.NAME} characters or badly spaced")

    @property
    def mailbox(self) -> str:
        """`local@domain`, for the envelope."""
        return f"{self.local}@{self.domain}"

    @property
    def key(self) -> str:
        """What two spellings of one mailbox have in common, for duplicates and suppression lists."""
        return normalize("NFKC", self.mailbox).casefold()

    @property
    def unicode_domain(self) -> str:
        """The domain as its owner writes it; the ASCII form if it has no other."""
        try:
            return idna.decode(self.domain)
        except idna.IDNAError:
            return self.domain

    @property
    def shown(self) -> str:
        """For people; a domain beyond ASCII is shown in both forms, since the one can look like another."""
        other = f" ({self.unicode_domain})" if self.unicode_domain != self.domain else ""
        return f"{self.name} <{self.mailbox}>{other}" if self.name else f"{self.mailbox}{other}"

    def __str__(self) -> str:
        escaped = self.name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}" <{self.mailbox}>' if self.name else self.mailbox


def checked_address(text: str, *, smtputf8: bool = False) -> Address:
    """The address in `local@domain` or `Name <local@domain>`.

    Args:
        text: One address; whatever else stands in it makes it invalid. Nothing is repaired.
        smtputf8: Whether the local part may hold more than ASCII (RFC 6531).

    Raises:
        Invalid: It says why.
    """
    if len(text) > _TEXT:
        raise _invalid(text, "it is too long")
    _check_characters(text)
    name, mailbox = "", text.strip()
    if mailbox.endswith(">"):
        named = _NAMED.fullmatch(mailbox)
        if named is None:
            raise _invalid(text, "it is not one `Name <local@domain>`; quote a name that holds other than words")
        quoted = named["quoted"]
        name = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else named["plain"]
        mailbox = named["mailbox"]
    local, at, domain = mailbox.rpartition("@")
    if not at or not local:
        raise _invalid(text, "it has no @ with something before it")
    if not local.isascii() and not smtputf8:
        raise _invalid(text, "what stands before the @ is beyond ASCII, which our relay does not accept")
    return Address(local=normalize("NFC", local), domain=_domain(domain), name=" ".join(name.split()))


def checked_addresses(texts: Iterable[str], *, smtputf8: bool = False) -> tuple[Address, ...]:
    """The addresses in the order given, each mailbox once.

    Raises:
        Invalid: For the first that is none.
    """
    found: dict[str, Address] = {}
    for text in texts:
        address = checked_address(text, smtputf8=smtputf8)
        found.setdefault(address.key, address)
    return tuple(found.values())


def _check_characters(text: str) -> None:
    if has_break(text):
        raise _invalid(text, "it holds a line break, which would begin another header")
    if any(unseen(char) or char in "\u200c\u200d\t" for char in text):
        raise _invalid(text, "it holds characters that are not seen")
    if _ENCODED.search(text):
        raise _invalid(text, "it holds encoded words or line breaks (`=?`, `%0a`); write it plainly")


def _is_local(local: str) -> bool:
    if not 0 < len(local.encode()) <= _LOCAL:
        return False
    if local.isascii():
        return _DOT_ATOM.fullmatch(local) is not None
    if local != normalize("NFC", local) or ".." in local or local[0] == "." or local[-1] == ".":
        return False
    return all(char in _ATOM_CHARS or category(char)[0] in "LNM" for char in local)


def _domain(domain: str) -> str:
    """The domain in ASCII and lower case (IDNA 2008, with the mapping of UTS 46)."""
    if not domain or len(domain) > _DOMAIN:
        raise _invalid(domain, "its domain is missing or too long")
    try:
        plain = idna.encode(domain, uts46=True, std3_rules=True).decode("ascii").lower()
        labels = [idna.decode(label) for label in plain.split(".")]
    except (idna.IDNAError, UnicodeError):
        raise _invalid(domain, "its domain is not a host name") from None
    if len(labels) < 2 or labels[-1].isdigit() or len(plain) > _DOMAIN:  # noqa: PLR2004 - a name and a top level
        raise _invalid(domain, "its domain is not a full host name such as example.com")
    return plain


def _invalid(text: str, why: str) -> Invalid:
    return Invalid(f"`{excerpt(text)}` is not an address we send to: {why}.")
