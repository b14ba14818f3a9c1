import secrets
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from compose.idp.keys import SigningKeys

TOKEN_LIFETIME_S = 600


class Principal(Protocol):
    """Whom a token speaks for: a persona or a machine."""

    @property
    def subject(self) -> str: ...
    @property
    def tenant(self) -> str: ...
    @property
    def roles(self) -> tuple[str, ...]: ...


class AccessTokens:
    """JWT access tokens as RFC 9068 has them, with `tenant` and `roles` of our own."""

    def __init__(self, issuer: str, keys: SigningKeys, clock: Callable[[], float]) -> None:
        self._issuer = issuer
        self._keys = keys
        self._clock = clock

    def issue(
        self,
        principal: Principal,
        *,
        client_id: str,
        audience: str,
        scopes: Sequence[str],
        lifetime_s: int = TOKEN_LIFETIME_S,
        **claims: Any,
    ) -> str:
        """A signed token; `claims` are added, replace ours, or leave one out where the value is None."""
        now = int(self._clock())
        ours: dict[str, Any] = {
            "iss": self._issuer,
            "sub": principal.subject,
            "aud": audience,
            "client_id": client_id,
            "iat": now,
            "nbf": now,
            "exp": now + lifetime_s,
            "jti": secrets.token_urlsafe(16),
            "scope": " ".join(scopes),
            "tenant": principal.tenant,
            "roles": list(principal.roles),
        }
        told = {name: value for name, value in {**ours, **claims}.items() if value is not None}
        return self._keys.sign(told, typ="at+jwt")
