from collections.abc import Callable, Mapping
from typing import Any, cast

import orjson
from joserfc.util import urlsafe_b64decode

from compose.idp import jose
from compose.idp.clients import Client
from compose.idp.expiring import Expiring
from compose.idp.members import members
from compose.idp.refusals import OAuthError

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
METHOD = "private_key_jwt"
ALGORITHMS = (*jose.SIGNATURES, "Ed25519")
"""Accepted for assertions; asymmetric only. EdDSA has two names (RFC 9864)."""
LIFETIME_S = 300
"""How long an assertion may live."""
_SKEW_S = 30
_TYPES = {None, "jwt", "client-authentication+jwt"}
_TEXT_CHARS = 256
_USED = 10_000


class ClientAssertions:
    """Clients that prove themselves with a key (OpenID Connect Core §9, RFC 7523 §2.2 and §3).

    An assertion is good once: its `jti` is remembered for as long as it lives.
    """

    def __init__(self, issuer: str, clock: Callable[[], float], capacity: int = _USED) -> None:
        self._issuer = issuer
        self._clock = clock
        self._capacity = capacity
        self._used: Expiring[bool] = Expiring(capacity, clock)

    def proves(self, assertion: str, client: Client, endpoint: str = "token") -> bool:
        """Whether the client signed this assertion, for us, just now, and not for an earlier request.

        Args:
            assertion: As sent.
            client: Who it says it is from.
            endpoint: Where it was sent. Its audience may be that, the issuer, or always the token endpoint.

        Raises:
            OAuthError: `temporarily_unavailable`: so many are in use that we could not tell a repeated one.
        """
        signed = jose.read(assertion, client.keys, ALGORITHMS)
        if signed is None or _type(signed.header) not in _TYPES or not self._fits(signed.claims, client, endpoint):
            return False
        return self._use(client.id, signed.claims["jti"], signed.claims["exp"])

    def _fits(self, claims: Mapping[str, Any], client: Client, endpoint: str) -> bool:
        base = self._issuer.rstrip("/")
        meant = {self._issuer, f"{base}/token", f"{base}/{endpoint}"}
        audience: object = claims.get("aud")
        audiences = cast("list[object]", audience) if isinstance(audience, list) else [audience]
        now = self._clock()
        ends, issued, begins = (_seconds(claims, name, now) for name in ("exp", "iat", "nbf"))
        return (
            claims.get("iss") == claims.get("sub") == client.id
            and bool(audiences)
            and all(isinstance(one, str) and one in meant for one in audiences)
            and "exp" in claims
            and None not in {ends, issued, begins}
            and now < (ends or 0) <= now + LIFETIME_S + _SKEW_S
            and max(issued or 0, begins or 0) <= now + _SKEW_S
            and isinstance(claims.get("jti"), str)
            and 0 < len(claims["jti"]) <= _TEXT_CHARS
        )

    def _use(self, client_id: str, jti: str, ends: float) -> bool:
        name = f"{client_id} {jti}"
        if self._used.get(name):
            return False
        if len(self._used) >= self._capacity and len(self._used.items()) >= self._capacity:
            raise OAuthError("temporarily_unavailable", "Too many client assertions. Try again in a minute.", 503)
        self._used.put(name, value=True, ends=ends)
        return True


def named_by(assertion: str) -> str:
    """The client that an assertion says it is from; nothing about it is verified.

    Raises:
        ValueError: It is no JWT, or names nobody.
    """
    parts = assertion.split(".")
    claims = orjson.loads(urlsafe_b64decode(parts[1].encode())) if len(parts) == 3 else None  # noqa: PLR2004 RFC 7515 §3.1
    issuer = members(claims).get("iss")
    if not isinstance(issuer, str) or not issuer:
        raise ValueError("names no client")
    return issuer


def _type(header: Mapping[str, Any]) -> Any:
    """An access token or a logout token that the client happened to sign is no assertion."""
    typ: Any = header.get("typ")
    return typ.lower().removeprefix("application/") if isinstance(typ, str) else typ


def _seconds(claims: Mapping[str, Any], name: str, absent: float) -> float | None:
    value: Any = claims.get(name, absent)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
