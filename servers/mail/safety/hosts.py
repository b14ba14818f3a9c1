"""The host of a URL, read as the strictest of browsers would, or not at all."""

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

import idna

_SPACES = re.compile(r"[\s\x00-\x20\x7f]+")
_NUMBERS = re.compile(r"(?:0x[0-9a-f]*|\d+)(?:\.(?:0x[0-9a-f]*|\d+))*\.?", re.IGNORECASE)
_LABELS = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))*")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads.

    Attributes:
        url: As it was read.
        scheme: In lower case.
        host: Lower case, ASCII; empty if there is none that all programs agree on.
        numeric: The host is an IP address, in any notation.
        credentials: A user or a password stands before the host.
    """

    url: str
    parts: SplitResult
    host: str
    numeric: bool
    credentials: bool

    @property
    def scheme(self) -> str:
        return self.parts.scheme.lower()


def target(url: str) -> Target | None:
    """Where the URL leads; None if programs could disagree on it."""
    url = url.strip()
    if _SPACES.search(url) or "\\" in url or not url.isprintable():
        return None
    try:
        parts = urlsplit(url)
        given = parts.hostname or ""
        _ = parts.port  # raises for what is no number
    except ValueError:
        return None
    numeric = ":" in given or _NUMBERS.fullmatch(given) is not None
    host = given if numeric else ascii_host(given)
    return Target(url, parts, host, numeric, "@" in parts.netloc)


def ascii_host(host: str) -> str:
    """The host in lower case and ASCII; empty if it is none."""
    host = host.rstrip(".").lower()
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True, std3_rules=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            return ""
    return host if _LABELS.fullmatch(host) else ""
