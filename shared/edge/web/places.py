"""Addresses of one site, and which of them a browser may be sent back to."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

_LONGEST = 2048
_OWN = ("/login", "/callback", "/logout", "/signed-out", "/static")


@dataclass(frozen=True)
class Places:
    """Where the pages of one server are.

    Attributes:
        base_url: Scheme and authority, without a trailing slash.
        prefix: Path of the server: `/console`.
        home: Its first page, below the prefix.
    """

    base_url: str
    prefix: str
    home: str = "/"

    def url(self, path: str, **query: Any) -> str:
        """The address of a page, from the root of the host."""
        told = {name: value for name, value in query.items() if value is not None}
        joined = urlencode(told, doseq=True)
        return f"{self.prefix}{quote(path, safe=_SAFE)}{_joint(path, joined)}{joined}"

    @property
    def callback(self) -> str:
        """The redirect URI of the sign-in (RFC 6749 §3.1.2)."""
        return f"{self.base_url}{self.prefix}/callback"

    @property
    def is_secure(self) -> bool:
        return self.base_url.startswith("https://")

    def back(self, wanted: str | None) -> str:
        """Where to return to: what was asked for if it is a page of ours, else the first one.

        Only a path below the prefix will do, in the letters an address has: browsers drop tabs and newlines, and read
        a backslash as a slash and two slashes as another host.
        """
        return wanted if wanted is not None and self._is_ours(wanted) else self.url(self.home)

    def _is_ours(self, wanted: str) -> bool:
        if len(wanted) > _LONGEST or not _is_plain(wanted) or not wanted.startswith(f"{self.prefix}/"):
            return False
        parts = urlsplit(wanted)
        inner = parts.path.removeprefix(self.prefix)
        steps = inner.split("/")[1:]
        return (
            not (parts.scheme or parts.netloc)
            and not any(
                step in {".", ".."} or (step == "" and place < len(steps) - 1) for place, step in enumerate(steps)
            )
            and not inner.startswith(_OWN)
        )


_SAFE = "/?&=:@!$'()*+,;~-._%"


def _joint(path: str, query: str) -> str:
    if not query:
        return ""
    return "&" if "?" in path else "?"


def _is_plain(text: Iterable[str]) -> bool:
    return all("!" <= letter <= "~" and letter not in '\\"<>`' for letter in text)
