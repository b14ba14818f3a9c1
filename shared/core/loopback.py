"""Whether a host is this machine, where nobody is between."""

from ipaddress import ip_address
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Whether a name or an address, in brackets or not, is this machine's own."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def in_the_clear(url: str | None) -> bool:
    """Whether http:// goes to another machine."""
    parts = urlsplit(url or "")
    return parts.scheme.lower() == "http" and not is_loopback(parts.hostname or "")
