"""Where a browser may be sent back to."""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import SplitResult, urlencode, urlsplit

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_PRIVATE_SCHEMES = {"cursor", "vscode", "vscode-insiders"}  # well-known clients whose schemes are no domain names
_PRINTABLE = re.compile(r"[\x21-\x7e]{1,2048}")


def acceptable(uri: str, application_type: str) -> bool:
    """Whether a client may register the URI.

    https anywhere; for native programs also http to this computer (RFC 8252 §7.3) and a scheme of the program's
    own: a reversed domain name (§7.1), or one of the few well-known. Never a fragment (RFC 6749 §3.1.2), a
    wildcard, a user name, or a backslash, which browsers read as a slash.
    """
    parts = _split(uri)
    if parts is None or any(forbidden in uri for forbidden in "#*\\") or parts.username is not None:
        return False
    if parts.scheme == "https":
        return bool(parts.hostname)
    if application_type != "native":
        return False
    return is_loopback(uri) or "." in parts.scheme or parts.scheme in _PRIVATE_SCHEMES


def is_loopback(uri: str) -> bool:
    """Whether the URI is one of a program listening on this computer."""
    parts = _split(uri)
    return parts is not None and parts.scheme == "http" and parts.hostname in _LOOPBACK


def registered(requested: str, uris: Iterable[str]) -> bool:
    """Whether the requested URI is one of the client's: the same string (RFC 9700 §4.1.3).

    On loopback the port may differ, for a native program gets one when it starts (RFC 8252 §7.3).
    """
    if not acceptable(requested, "native"):
        return False
    return any(requested == uri or _same_but_port(requested, uri) for uri in uris)


def answer(redirect_uri: str, parameters: Mapping[str, str | None]) -> str:
    """The redirect URI with the parameters that are not None added to its query."""
    query = urlencode({name: value for name, value in parameters.items() if value is not None})
    return f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{query}"


def origin(uri: str) -> str:
    """What the URI is as a source of a content security policy, which knows no IPv6 addresses."""
    parts = urlsplit(uri)
    if parts.scheme in {"http", "https"} and "[" not in parts.netloc:
        return f"{parts.scheme}://{parts.netloc}"
    return f"{parts.scheme}:"


def _same_but_port(requested: str, uri: str) -> bool:
    if not (is_loopback(requested) and is_loopback(uri)):
        return False
    ours, theirs = urlsplit(uri), urlsplit(requested)
    return (ours.hostname, ours.path, ours.query) == (theirs.hostname, theirs.path, theirs.query)


def _split(uri: str) -> SplitResult | None:
    if not _PRINTABLE.fullmatch(uri):
        return None
    try:
        parts = urlsplit(uri)
        _ = parts.port  # raises when it is no number
    except ValueError:
        return None
    return parts
