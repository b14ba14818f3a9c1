"""The public keys of an issuer, as its JWK set states them."""

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from joserfc import jwk
from joserfc.errors import JoseError, SecurityWarning

from shared.state.http import BadAnswer

RSA_BITS = 2048
"""RFC 7518 §3.3."""

ALGORITHMS = {
    "RS256": "RSA",
    "RS384": "RSA",
    "RS512": "RSA",
    "PS256": "RSA",
    "PS384": "RSA",
    "PS512": "RSA",
    "ES256": "P-256",
    "ES384": "P-384",
    "ES512": "P-521",
    "EdDSA": "Ed25519",
    "Ed25519": "Ed25519",
}
"""The only kind of key each algorithm may use: the curve, or RSA (RFC 7518 §3.1, RFC 8037, RFC 9864)."""

_MATERIAL = {"RSA": ("kty", "n", "e"), "EC": ("kty", "crv", "x", "y"), "OKP": ("kty", "crv", "x")}


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A public key of the issuer; equal when id, purpose and material are.

    Attributes:
        kid: Its id, if it has one.
        kind: The curve, or RSA.
        algorithm: The one algorithm its `alg` allows, or None for all of its kind.
        thumbprint: RFC 7638.
    """

    kid: str | None
    kind: str
    algorithm: str | None
    thumbprint: str
    key: jwk.Key = field(compare=False, repr=False)

    def fits(self, algorithm: str) -> bool:
        """Whether a signature by `algorithm` may be checked with this key."""
        declared = self.algorithm is None or _renamed(self.algorithm) == _renamed(algorithm)
        return declared and ALGORITHMS.get(algorithm) == self.kind


def _renamed(algorithm: str) -> str:
    """EdDSA with this curve is called Ed25519 since RFC 9864."""
    return "Ed25519" if algorithm == "EdDSA" else algorithm


def usable(document: dict[str, Any]) -> Iterator[SigningKey]:
    """The signature keys of a JWK set (RFC 7517 §5); what we do not understand is left out.

    Raises:
        BadAnswer: No JWK set.
    """
    keys: object = document.get("keys")
    if not isinstance(keys, list):
        raise BadAnswer("no JWK set")
    for entry in cast("Iterable[object]", keys):
        if isinstance(entry, dict):
            key = _import(cast("dict[str, Any]", entry))
            if key is not None:
                yield key


def _import(entry: dict[str, Any]) -> SigningKey | None:
    """The key if it is public, for signatures, and strong enough.

    Its declarations are judged by `SigningKey.fits`, so the library sees the material alone.
    """
    kid, algorithm = entry.get("kid"), entry.get("alg")
    if not (_is_for_verifying(entry) and isinstance(kid, str | None) and isinstance(algorithm, str | None)):
        return None
    try:
        material = {name: entry[name] for name in _MATERIAL[entry["kty"]]}
        with warnings.catch_warnings():
            # It only warns of short RSA keys, which are left out here.
            warnings.simplefilter("ignore", SecurityWarning)
            key = jwk.import_key(material)
    except (JoseError, ValueError, KeyError, TypeError):
        return None
    if isinstance(key, jwk.OctKey) or (isinstance(key, jwk.RSAKey) and key.public_key.key_size < RSA_BITS):
        return None
    kind = "RSA" if isinstance(key, jwk.RSAKey) else key.curve_name
    return SigningKey(kid, kind, algorithm, key.thumbprint(), key)


def _is_for_verifying(entry: dict[str, Any]) -> bool:
    """RFC 7517 §4.2 and §4.3; a private key that was published is not to be trusted."""
    operations = entry.get("key_ops", ["verify"])
    listed = isinstance(operations, list) and "verify" in operations
    return listed and entry.get("use", "sig") == "sig" and "d" not in entry
