from collections.abc import Collection
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet

SIGNATURES = ("ES256", "RS256", "PS256", "EdDSA")
"""Algorithms the provider can sign with."""


class _Registry(jws.JWSRegistry):
    """Takes `EdDSA` without the library's warning: our keys for it are all Ed25519, which settles the curve (RFC 9864).

    Unknown headers are ignored (RFC 7515 §4).
    """

    def __init__(self, algorithms: Collection[str]) -> None:
        super().__init__(algorithms=algorithms, strict_check_header=False)

    def get_alg(self, name: str) -> Any:
        if name == "EdDSA" and self.allowed and name in self.allowed:
            return self.algorithms[name]
        return super().get_alg(name)


def sign(claims: dict[str, Any], key: Key, algorithm: str, typ: str | None) -> str:
    """A compact JWS; without `typ` its header has none."""
    key.ensure_kid()
    header = {"alg": algorithm, "kid": key.kid, **({"typ": typ} if typ else {})}
    return jwt.encode(header, claims, key, registry=_Registry({algorithm}), default_type=None)


def read(token: str, keys: Collection[Key], algorithms: Collection[str]) -> jwt.Token | None:
    """A compact JWS that one of the keys signed; None for anything else."""
    try:
        return jwt.decode(token, KeySet(list(keys)), registry=_Registry(algorithms))
    except (JoseError, ValueError, TypeError, KeyError):
        return None
