"""What Vault says: yes, for so long; no; or nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.core.errors import Misconfigured


class Refused(Misconfigured):
    """Vault says no, and would say so again."""


class Away(Misconfigured):
    """Vault cannot be reached, is sealed or overloaded: it may answer later."""


@dataclass(frozen=True)
class Lease:
    """What was lent, and for how long.

    Attributes:
        name: `token`, or the path it was read from.
        id: What Vault calls it; empty for the token.
        ttl_s: For how long, from when it was given or renewed.
        renewable: Whether it can be made longer.
    """

    name: str
    id: str
    ttl_s: float
    renewable: bool


@dataclass(frozen=True)
class Answer:
    """What is at a path."""

    data: Mapping[str, Any]
    lease: Lease | None
