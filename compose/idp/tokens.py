import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from compose.idp.keys import SigningKeys

TOKEN_LIFETIME_S = 600
MINTED_CLIENT = "mcp-suite"
"""The client of tokens made without the ceremony."""
_NEEDED = {"sub": str, "aud": str, "client_id": str, "jti": str, "iat": int, "exp": int}


class Principal(Protocol):
    """Whom a token speaks for: a persona or a machine."""

    @property
    def subject(self) -> str: ...
    @property
    def tenant(self) -> str: ...
    @property
    def roles(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Issued:
    """A token and what is in it."""

    token: str = field(repr=False)
    claims: dict[str, Any]


class AccessTokens:
    """JWT access tokens as RFC 9068 has them, with `tenant` and `roles` of our own."""

    def __init__(self, issuer: str, keys: SigningKeys, clock: Callable[[], float]) -> None:
        self._issuer = issuer
        self._keys = keys
        self._clock = clock
        self._started = int(clock())

    def issue(
        self,
        principal: Principal,
        *,
        client_id: str,
        audience: str,
        scopes: Sequence[str],
        lifetime_s: int = TOKEN_LIFETIME_S,
        **claims: Any,
    ) -> Issued:
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
        return Issued(self._keys.sign(told, typ="at+jwt"), told)

    def read(self, token: str) -> dict[str, Any] | None:
        """The claims of an access token of ours that has not ended; None for anything else.

        What was revoked before this process started is forgotten, so tokens from before do not count either;
        those of the command line, which nobody can revoke, do.
        """
        read = self._keys.read(token)
        if read is None or read.header.get("typ") != "at+jwt" or read.claims.get("iss") != self._issuer:
            return None
        claims: dict[str, Any] = dict(read.claims)
        if any(not isinstance(claims.get(name), kind) for name, kind in _NEEDED.items()):
            return None  # made by `mint` to be wrong
        known = claims["iat"] >= self._started or claims["client_id"] == MINTED_CLIENT
        return claims if known and claims["exp"] > self._clock() else None
