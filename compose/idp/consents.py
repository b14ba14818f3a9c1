from collections.abc import Callable
from urllib.parse import urlsplit

from compose.idp.expiring import Expiring
from compose.idp.grants import SignedIn

_REMEMBERED = 1000


class Consents:
    """What each person granted each client at each resource, remembered while the process lives."""

    def __init__(self, clock: Callable[[], float], capacity: int = _REMEMBERED) -> None:
        self._kept: Expiring[frozenset[str]] = Expiring(capacity, clock)

    def covers(self, somebody: SignedIn) -> bool:
        """Whether they granted everything on offer before, to this client at this address."""
        return frozenset(somebody.offered) <= self._granted(somebody)

    def remember(self, somebody: SignedIn, granted: tuple[str, ...]) -> None:
        """What they granted now; what they left out is no longer granted, what was not on offer stays."""
        earlier = self._granted(somebody) - set(somebody.offered)
        self._kept.put(_name(somebody), earlier | set(granted), float("inf"))

    def _granted(self, somebody: SignedIn) -> frozenset[str]:
        return self._kept.get(_name(somebody)) or frozenset()


def _name(somebody: SignedIn) -> str:
    """Another host, or a port that is not of this computer, is another destination and asked for anew."""
    asked = somebody.asked
    parts = urlsplit(asked.redirect_uri)
    destination = parts.hostname if parts.scheme == "http" else f"{parts.scheme}://{parts.netloc}"
    return "\n".join((somebody.persona.key, asked.client.id, asked.resource.uri, destination or ""))
