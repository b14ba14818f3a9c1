from collections.abc import Callable, Mapping
from typing import Any

from compose.idp.expiring import Expiring
from compose.idp.tokens import TOKEN_LIFETIME_S

_CAPACITY = 10_000


class Revoked:
    """Access tokens that ended early, until they would have ended anyway.

    Who verifies them by signature alone does not notice; introspection (RFC 7662) tells.
    """

    def __init__(self, clock: Callable[[], float], capacity: int = _CAPACITY) -> None:
        self._clock = clock
        self._ended: Expiring[bool] = Expiring(capacity, clock)

    def token(self, jti: str, expires_at: float) -> None:
        self._ended.put(f"jti {jti}", value=True, ends=expires_at)

    def session(self, session: str) -> None:
        """Every access token of the session, of which none lives longer than it may from now."""
        self._ended.put(f"sid {session}", value=True, ends=self._clock() + TOKEN_LIFETIME_S)

    def holds(self, claims: Mapping[str, Any]) -> bool:
        names = (f"jti {claims.get('jti')}", f"sid {claims.get('sid')}")
        return any(self._ended.get(name) for name in names)
