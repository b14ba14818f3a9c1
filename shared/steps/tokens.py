"""What was sent as a token: taken from its header and taken apart. Nothing of it is believed here but a signature."""

import json
import re
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import Any, cast

import orjson
from joserfc import jwa, jws
from joserfc.errors import JoseError

from shared.steps.challenges import refuse
from shared.steps.signing_keys import ALGORITHMS, SigningKey

TOKEN_LIMIT = 16 * 1024
"""Longest token read, in characters."""

_COMPACT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
_DOTS = 2
_B64TOKEN = re.compile(r"[\w.~+/-]+=*", re.ASCII)
_REFUSED_HEADERS = {"crit": "malformed", "jwk": "key", "jku": "key", "x5u": "key", "x5c": "key"}
"""We know no extension that could be critical (RFC 7515 §4.1.11), and take keys from the issuer alone."""


class _Registry(jws.JWSRegistry):
    """Ignores unknown headers (RFC 7515 §4), and knows EdDSA as Ed25519 (RFC 9864), which settles its curve."""

    def __init__(self) -> None:
        super().__init__(algorithms=set(ALGORITHMS), strict_check_header=False)

    def get_alg(self, name: str) -> jwa.JWSAlgModel:
        return super().get_alg("Ed25519" if name == "EdDSA" else name)


_REGISTRY = _Registry()


@dataclass(frozen=True, slots=True)
class Jwt:
    """The parts of a token; `alg` and `kid` have the right types, and nothing else is known of it."""

    header: dict[str, Any]
    claims: dict[str, Any]
    _signed: jws.CompactSignature

    @property
    def algorithm(self) -> str:
        return self.header["alg"]

    @property
    def kid(self) -> str | None:
        return self.header.get("kid")

    def is_signed_with(self, key: SigningKey) -> bool:
        """Whether the signature is this key's; that the key may be used at all is for `SigningKey.fits` to say."""
        try:
            return jws.validate_compact(self._signed, key.key, registry=_REGISTRY)
        except (JoseError, ValueError):
            return False


def bearer(authorization: str | None) -> str:
    """The token of an `Authorization` header (RFC 6750 §2.1).

    Raises:
        Unauthenticated: `missing`, `scheme` or `malformed`.
    """
    if not authorization:
        raise refuse("missing")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise refuse("scheme")
    token = token.strip(" ")
    if len(token) > TOKEN_LIMIT or not _B64TOKEN.fullmatch(token):
        raise refuse("malformed")
    return token


def looks_signed(token: str) -> bool:
    """Whether it has the three parts of a JWS (RFC 7515 §7.1); what has not is opaque to us, an encrypted JWT too."""
    return token.count(".") == _DOTS


def parse(token: str) -> Jwt:
    """A token's parts, nothing verified.

    Raises:
        Unauthenticated: `malformed`, or `key` if it brings a key of its own.
    """
    if not _COMPACT.fullmatch(token):
        raise refuse("malformed")
    try:
        signed = jws.extract_compact(token.encode(), registry=_REGISTRY)
        header = _object(signed.headers())
        _REGISTRY.check_header(header)
        for part in token.split(".")[:2]:
            json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)), object_pairs_hook=_once)
        claims = _object(orjson.loads(signed.payload or b""))
    except (JoseError, ValueError, TypeError, RecursionError):
        raise refuse("malformed") from None
    for name, reason in _REFUSED_HEADERS.items():
        if name in header:
            raise refuse(reason)
    return Jwt(header, claims, signed)


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError
    return cast("dict[str, Any]", value)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """RFC 7519 §4: of a claim that is there twice, another reader might take the other."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError
    return members
