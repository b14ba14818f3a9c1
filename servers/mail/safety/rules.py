"""What one tenant allows in its mails."""

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rules:
    """One tenant's rules. Hosts and domains are lower case and ASCII (`xn--…`), and cover their subdomains.

    Attributes:
        own_domains: The tenant's own mail domains; if there are any, the sender must be of one.
        known_domains: Domains it often writes to: what merely looks like one of them is found.
        internal_names: Display names of its own people and teams.
        allowed_links: If not empty, links to other hosts are taken out.
        denied_links: Links to these hosts block the mail.
        image_hosts: Hosts that remote images may be loaded from, over https; all others are removed.
        allowed_domains: If not empty, only recipients there are allowed.
        denied_domains: Recipients there block the mail.
        regions: Countries whose way to write phone numbers is recognised without a country code (ISO 3166).
        smtputf8: Whether local parts beyond ASCII may be used: every relay on the way has to offer RFC 6531.
    """

    own_domains: frozenset[str] = frozenset()
    known_domains: frozenset[str] = frozenset()
    internal_names: frozenset[str] = frozenset()
    allowed_links: frozenset[str] = frozenset()
    denied_links: frozenset[str] = frozenset()
    image_hosts: frozenset[str] = frozenset()
    allowed_domains: frozenset[str] = frozenset()
    denied_domains: frozenset[str] = frozenset()
    regions: tuple[str, ...] = ("DE", "GB", "US")
    smtputf8: bool = False


def covers(hosts: Collection[str], host: str) -> bool:
    """Whether a host is one of these, or below one of them."""
    labels = host.split(".")
    return any(".".join(labels[start:]) in hosts for start in range(len(labels)))
