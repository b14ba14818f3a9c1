"""Access token → Caller, and the challenges that tell a client which token to get."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, cast

import orjson
from joserfc import jwa, jws
from joserfc.errors import JoseError

from shared.core.caller import Caller
from shared.core.errors import Misconfigured, Unauthenticated
from shared.core.settings import Settings
from shared.steps.jwks import ALGORITHMS, Jwks, SigningKey

TOKEN_LIMIT = 16 * 1024
"""Longest token read, in characters."""
TEXT_LIMIT = 512
"""Longest subject, client and the like, in characters."""
REMEMBERED = 4096
"""Verified tokens kept, the least recently used dropped first."""

_COMPACT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
_TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_TYPES = {"at+jwt", "application/at+jwt", "jwt"}
_ID_TOKEN_CLAIMS = {"nonce", "at_hash", "c_hash"}
_OWN_KEY_HEADERS = {"jwk", "jku", "x5u", "x5c"}
_EDDSA = {"EdDSA", "Ed25519"}

ADVICE = {
    "missing": "Send an access token: Authorization: Bearer TOKEN",
    "scheme": "Send the access token with the Bearer scheme: Authorization: Bearer TOKEN",
    "malformed": "The access token is not a signed JWT in compact form; send it exactly as it was issued",
    "type": "This is not an access token; send an access token (typ at+jwt), not an ID token",
    "algorithm": "The access token's signature algorithm is not accepted here; obtain a token signed with another one",
    "key": "The access token's key is not one its issuer publishes; obtain a new one",
    "signature": "The access token's signature is not valid; obtain a new one",
    "issuer": "The access token is from another issuer; obtain one from the authorization server named in "
    "the resource metadata",
    "audience": "The access token is for another resource; obtain one with the resource parameter of this server",
    "expired": "The access token expired; obtain a new one",
    "not_yet_valid": "The access token is not valid yet; check the issuer's clock, then try again",
    "lifetime": "The access token lives too long for this server; obtain one with a shorter lifetime",
    "claims": "The access token lacks a claim this server needs, or one has the wrong form; ask the "
    "administrator of the authorization server",
}
"""What a client is told for each reason; the reasons are also the words of the metrics."""


class _Registry(jws.JWSRegistry):
    """Ignores unknown headers (RFC 7515 §4), and knows EdDSA as Ed25519 (RFC 9864), which settles its curve."""

    def __init__(self) -> None:
        super().__init__(algorithms=set(ALGORITHMS), strict_check_header=False)

    def get_alg(self, name: str) -> jwa.JWSAlgModel:
        return super().get_alg("Ed25519" if name == "EdDSA" else name)


_REGISTRY = _Registry()


@dataclass(frozen=True, slots=True)
class _Verified:
    caller: Caller
    key: SigningKey


class Verifier:
    """Verifies JWT access tokens (RFC 9068, with the leniency real issuers need) for one resource.

    Args:
        settings: Issuer, algorithms, lifetime, clock skew, tenant claim.
        resource: The audience tokens must name: this server's URL (RFC 8707), byte for byte.
        jwks: The issuer's keys.
        clock: Seconds since the epoch.

    Raises:
        Misconfigured: `token_algorithms` names one we cannot verify.
    """

    def __init__(self, settings: Settings, resource: str, jwks: Jwks, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._resource = resource
        self._jwks = jwks
        self._clock = clock
        self._algorithms = set(settings.token_algorithms)
        if self._algorithms & _EDDSA:
            self._algorithms |= _EDDSA
        if unknown := self._algorithms - ALGORITHMS.keys():
            raise Misconfigured(f"SUITE_TOKEN_ALGORITHMS: {unknown} unknown; choose from {set(ALGORITHMS)}")
        self._known: dict[bytes, _Verified] = {}

    async def verify(self, authorization: str | None) -> Caller:
        """Who calls, by the value of the `Authorization` header (None if there is none).

        Raises:
            Unauthenticated: No token, or one that is not accepted; the reason is a key of `ADVICE`.
            Unavailable: The issuer's keys cannot be had.
        """
        token = _bearer(authorization)
        digest = sha256(token.encode()).digest()
        known = self._known.pop(digest, None)
        if known is None or not await self._jwks.holds(known.key):
            known = await self._check(token)
        if self._clock() >= known.caller.expires_at + self._settings.clock_skew_s:
            raise _refuse("expired")
        self._remember(digest, known)
        return known.caller

    def _remember(self, digest: bytes, verified: _Verified) -> None:
        if len(self._known) >= REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[digest] = verified

    async def _check(self, token: str) -> _Verified:
        signed = _parse(token)
        header = signed.headers()
        if header["alg"] not in self._algorithms:
            raise _refuse("algorithm")
        claims = _claims(signed.payload)
        # Not verified yet; asked first so that another issuer's tokens cost ours no fetch.
        if claims.get("iss") != self._settings.token_issuer:
            raise _refuse("issuer")
        key = await self._jwks.find(header["alg"], header.get("kid"))
        if key is None:
            raise _refuse("key")
        if not _is_signed_with(signed, key):
            raise _refuse("signature")
        _check_type(header, claims)
        self._check_audience(claims)
        self._check_times(claims)
        return _Verified(self._caller(claims), key)

    def _check_audience(self, claims: dict[str, Any]) -> None:
        audience: object = claims.get("aud")
        if self._resource not in ([audience] if isinstance(audience, str) else _list(audience, "audience")):
            raise _refuse("audience")

    def _check_times(self, claims: dict[str, Any]) -> None:
        """`iat` and `exp` are required and not too far apart; whether `exp` has passed is judged by `verify`."""
        issued, ends = _seconds(claims, "iat"), _seconds(claims, "exp")
        begins = max(issued, _seconds(claims, "nbf") if "nbf" in claims else issued)
        if begins > self._clock() + self._settings.clock_skew_s:
            raise _refuse("not_yet_valid")
        if not 0 < ends - issued <= self._settings.token_max_lifetime_s:
            raise _refuse("lifetime")

    def _caller(self, claims: dict[str, Any]) -> Caller:
        tenant = claims.get(self._settings.tenant_claim)
        if not isinstance(tenant, str) or not _TENANT.fullmatch(tenant):
            raise _refuse("claims")
        actor: object = claims.get("act", {})
        if not isinstance(actor, dict):
            raise _refuse("claims")
        return Caller(
            subject=_text(claims, "sub"),
            issuer=self._settings.token_issuer,
            client=_text(claims, "client_id" if "client_id" in claims else "azp"),
            tenant=tenant,
            scopes=_scopes(claims),
            roles=frozenset(_list(claims.get("roles", []), "claims")),
            acr=_text(claims, "acr") if "acr" in claims else None,
            auth_time=int(_seconds(claims, "auth_time")) if "auth_time" in claims else None,
            actors=(_text(cast("dict[str, Any]", actor), "sub"),) if "act" in claims else (),
            token_id=_text(claims, "jti") if "jti" in claims else None,
            session_id=_text(claims, "sid") if "sid" in claims else None,
            expires_at=int(_seconds(claims, "exp")),
        )


def challenge_401(error: Unauthenticated, *, metadata_url: str, scopes: Sequence[str]) -> str:
    """`WWW-Authenticate` of a 401 (RFC 6750 §3, RFC 9728 §5.1).

    `metadata_url` is this resource's metadata (RFC 9728 §3), `scopes` what a client should ask for first.
    """
    # RFC 6750 §3.1: no error code for a request without a bearer token.
    told = error.reason not in {"missing", "scheme"}
    return _challenge(
        error="invalid_token" if told else "",
        error_description=error.description if told else "",
        resource_metadata=metadata_url,
        scope=" ".join(scopes),
    )


def challenge_403(scopes: Sequence[str], *, metadata_url: str, description: str) -> str:
    """`WWW-Authenticate` of a 403 (RFC 6750 §3.1); `scopes` are all the operation needs, not only the lacking."""
    return _challenge(
        error="insufficient_scope",
        scope=" ".join(scopes),
        resource_metadata=metadata_url,
        error_description=description,
    )


def _challenge(**parameters: str) -> str:
    # What RFC 6750 §3 does not allow inside the quotes is left out, line ends above all.
    values = {name: re.sub(r"[^\x20\x21\x23-\x5b\x5d-\x7e]", "", text) for name, text in parameters.items()}
    return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in values.items() if value)


def _refuse(reason: str) -> Unauthenticated:
    return Unauthenticated(reason, ADVICE[reason])


def _bearer(authorization: str | None) -> str:
    """The token of an `Authorization` header (RFC 6750 §2.1)."""
    if not authorization:
        raise _refuse("missing")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise _refuse("scheme")
    token = token.strip(" ")
    if len(token) > TOKEN_LIMIT or not _COMPACT.fullmatch(token):
        raise _refuse("malformed")
    return token


def _parse(token: str) -> jws.CompactSignature:
    """The parts of a token, nothing verified; `alg` and `kid` have the right types."""
    try:
        signed = jws.extract_compact(token.encode(), registry=_REGISTRY)
        header: Any = signed.headers()
        if not isinstance(header, dict) or "crit" in header:
            raise _refuse("malformed")
        _REGISTRY.check_header(cast("dict[str, Any]", header))
    except (JoseError, ValueError, TypeError, RecursionError):
        raise _refuse("malformed") from None
    if _OWN_KEY_HEADERS & signed.headers().keys():
        raise _refuse("key")
    return signed


def _claims(payload: bytes | None) -> dict[str, Any]:
    try:
        claims: object = orjson.loads(payload or b"")
    except orjson.JSONDecodeError:
        raise _refuse("malformed") from None
    if not isinstance(claims, dict):
        raise _refuse("malformed")
    return cast("dict[str, Any]", claims)


def _is_signed_with(signed: jws.CompactSignature, key: SigningKey) -> bool:
    try:
        return jws.validate_compact(signed, key.key, registry=_REGISTRY)
    except (JoseError, ValueError):
        return False


def _check_type(header: dict[str, Any], claims: dict[str, Any]) -> None:
    """RFC 9068 §4, and plain `JWT` for issuers that do not say; an ID token gives itself away by its claims."""
    kind = header.get("typ", "").lower()
    if kind not in _TYPES or (kind == "jwt" and _ID_TOKEN_CLAIMS & claims.keys()):
        raise _refuse("type")


def _text(claims: dict[str, Any], name: str) -> str:
    value: object = claims.get(name)
    # Not printable: PostgreSQL takes no NUL, and no log should take a line end.
    if not isinstance(value, str) or not 0 < len(value) <= TEXT_LIMIT or not value.isprintable():
        raise _refuse("claims")
    return value


def _seconds(claims: dict[str, Any], name: str) -> float:
    value: object = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**53:
        raise _refuse("claims")
    return value


def _list(value: object, reason: str) -> list[str]:
    if not isinstance(value, list):
        raise _refuse(reason)
    words = cast("list[object]", value)
    if not all(isinstance(word, str) and word.isprintable() for word in words):
        raise _refuse(reason)
    return cast("list[str]", words)


def _scopes(claims: dict[str, Any]) -> frozenset[str]:
    """`scope` (RFC 9068 §2.2.3) or `scp` (Entra ID, Okta), as words in a string or a list."""
    value: object = claims.get("scope", claims.get("scp", ""))
    return Caller.granted(_list(value.split() if isinstance(value, str) else value, "claims"))
