import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Protocol

from compose.idp.expiring import Expiring
from compose.idp.keys import SigningKeys
from compose.idp.shapes import SHAPES

TOKEN_LIFETIME_S = 600
MINTED_CLIENT = "mcp-suite"
"""The client of tokens made without the ceremony."""
_NEEDED = {"sub": str, "aud": str, "client_id": str, "jti": str, "iat": int, "exp": int}
_SHAPED = {"sub", "client_id", "jti", "iat", "nbf", "exp", "scope", "tenant", "roles", "acr", "auth_time", "sid", "act"}
_KEPT = 10_000


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
    """A token and what is in it, in our words whatever its shape."""

    token: str = field(repr=False)
    claims: dict[str, Any]


@dataclass(frozen=True)
class Form:
    """How an access token is written.

    Attributes:
        shape: Whose claims it has: a name in `compose.idp.shapes`.
        opaque: Whether it is a random string, about which only introspection tells anything.
    """

    shape: str = "suite"
    opaque: bool = False


@dataclass(frozen=True)
class _Kept:
    claims: dict[str, Any]
    told: dict[str, Any]


class AccessTokens:
    """JWT access tokens as RFC 9068 has them, with `tenant` and `roles` of our own; or in another form.

    What a token in another form means is kept in memory: only the process that made it can tell.
    """

    def __init__(self, issuer: str, keys: SigningKeys, clock: Callable[[], float], form: Form | None = None) -> None:
        self._issuer = issuer
        self._keys = keys
        self._clock = clock
        self._started = int(clock())
        self._form = form or Form()
        self._kept: Expiring[_Kept] = Expiring(_KEPT, clock)

    def issue(
        self,
        principal: Principal,
        *,
        client_id: str,
        audience: str,
        scopes: Sequence[str],
        lifetime_s: int = TOKEN_LIFETIME_S,
        form: Form | None = None,
        **claims: Any,
    ) -> Issued:
        """A token; `claims` are added, replace ours, or leave one out where the value is None.

        In another shape those that are ours are told in its words, and all others stay as they are.
        """
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
        return self._written({**ours, **claims}, form or self._form, ours)

    def _written(self, claims: dict[str, Any], form: Form, ours: dict[str, Any]) -> Issued:
        shape = SHAPES[form.shape]
        if form.shape == "suite":
            told = _without_none(claims)
            canonical = told
        else:
            canonical = _without_none({**ours, **{name: claims[name] for name in _SHAPED & claims.keys()}})
            changed = {name: value for name, value in claims.items() if name not in _SHAPED and value != ours.get(name)}
            told = _without_none({**shape.tell(canonical), **changed})
        token = secrets.token_urlsafe(32) if form.opaque else self._keys.sign(told, shape.typ)
        if form != Form():
            self._kept.put(_digest(token), _Kept(canonical, told), canonical.get("exp", 0))
        return Issued(token, canonical)

    def read(self, token: str) -> dict[str, Any] | None:
        """The claims, in our words, of an access token of ours that has not ended; None for anything else.

        What was revoked before this process started is forgotten, so tokens from before do not count either;
        those of the command line, which nobody can revoke, do.
        """
        kept = self._kept.get(_digest(token))
        claims = kept.claims if kept is not None else self._signed(token)
        if claims is None or any(not isinstance(claims.get(name), kind) for name, kind in _NEEDED.items()):
            return None  # not ours, or made by `mint` to be wrong
        known = claims["iat"] >= self._started or claims["client_id"] == MINTED_CLIENT
        return claims if known and claims["exp"] > self._clock() else None

    def _signed(self, token: str) -> dict[str, Any] | None:
        read = self._keys.read(token)
        if read is None or read.header.get("typ") != "at+jwt" or read.claims.get("iss") != self._issuer:
            return None
        return dict(read.claims)

    def told(self, token: str, claims: dict[str, Any]) -> dict[str, Any]:
        """The claims of a token that `read` knows, in the words of its shape."""
        kept = self._kept.get(_digest(token))
        return kept.told if kept is not None else claims


def _without_none(claims: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if value is not None}


def _digest(token: str) -> str:
    """Under which a token is kept: memory holds none."""
    return sha256(token.encode()).hexdigest()
