from collections.abc import Callable, Iterable, Mapping
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
        self._origins: Expiring[tuple[str, ...]] = Expiring(capacity, clock)

    def token(self, jti: str, expires_at: float) -> None:
        self._ended.put(f"jti {jti}", value=True, ends=expires_at)

    def session(self, session: str) -> None:
        """Every access token of the session, of which none lives longer than it may from now."""
        self._ended.put(f"sid {session}", value=True, ends=self._clock() + TOKEN_LIFETIME_S)

    def derived(self, jti: str, origins: Iterable[Mapping[str, Any]], expires_at: float) -> None:
        """Let a token that was had for others end with any of them."""
        names = [name for claims in origins for name in self._names(claims)]
        self._origins.put(jti, tuple(dict.fromkeys(names)), expires_at)

    def holds(self, claims: Mapping[str, Any]) -> bool:
        return any(self._ended.get(name) for name in self._names(claims))

    def _names(self, claims: Mapping[str, Any]) -> tuple[str, ...]:
        """Under which a token would be ended: itself, its session, and what it was had for."""
        jti = claims.get("jti")
        return f"jti {jti}", f"sid {claims.get('sid')}", *(self._origins.get(str(jti)) or ())
