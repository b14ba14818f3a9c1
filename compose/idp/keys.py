from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, Key, KeySet, KeySetSerialization, OKPKey, RSAKey

from compose.idp import jose
from compose.idp.private_file import read_or_make, replace
from shared.core.errors import Misconfigured

_SHARED_GRACE_S = 3600.0  # a key in a file may have signed in another process, which does not tell us until when


def _ecdsa() -> Key:
    return ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True)


def _rsa(algorithm: str) -> Key:
    return RSAKey.generate_key(2048, {"use": "sig", "alg": algorithm}, auto_kid=True)


def _eddsa() -> Key:
    return OKPKey.generate_key("Ed25519", {"use": "sig", "alg": "EdDSA"}, auto_kid=True)


_MAKERS: Mapping[str, Callable[[], Key]] = {
    "ES256": _ecdsa,
    "RS256": partial(_rsa, "RS256"),
    "PS256": partial(_rsa, "PS256"),
    "EdDSA": _eddsa,
}


@dataclass
class _Published:
    key: Key
    needed_until: float
    """When the last token it signed ends; seconds since the epoch."""


class SigningKeys:
    """One key signs; its predecessors stay published until their last token has ended.

    Every `kid` is the key's RFC 7638 thumbprint. With `keys_dir` the keys live in `idp-keys.json` there, which
    one process rotates and others may read to sign.
    """

    def __init__(self, clock: Callable[[], float], keys_dir: Path | None = None, algorithm: str = "ES256") -> None:
        if algorithm not in jose.SIGNATURES:
            raise Misconfigured(f"the identity provider signs with {' or '.join(jose.SIGNATURES)}, not {algorithm}")
        self._clock = clock
        self._make = _MAKERS[algorithm]
        self._path = keys_dir / "idp-keys.json" if keys_dir else None
        self._keys = self._load(self._path) if self._path else [_Published(self._make(), 0)]
        if self._keys[0].key.get("alg") != algorithm:  # the file is older than the setting
            self.rotate()

    @property
    def algorithm(self) -> str:
        return str(self._keys[0].key.get("alg"))

    def sign(self, claims: dict[str, Any], typ: str | None) -> str:
        """A compact JWS under the newest key; `claims` hold `exp`, and without `typ` the header has none."""
        signer = self._keys[0]
        signer.needed_until = max(signer.needed_until, claims.get("exp", 0))
        return jose.sign(claims, signer.key, str(signer.key.get("alg")), typ)

    def read(self, token: str) -> jwt.Token | None:
        """A compact JWS that one of the published keys signed; None for anything else."""
        return jose.read(token, [published.key for published in self._keys], jose.SIGNATURES)

    def rotate(self) -> None:
        """Sign with a new key from now on."""
        if self._path:
            signer = self._keys[0]
            signer.needed_until = max(signer.needed_until, self._clock() + _SHARED_GRACE_S)
        self._keys = [_Published(self._make(), 0), *self._unexpired()]
        if self._path:
            replace(self._path, _dump(self._keys))

    def public(self) -> KeySetSerialization:
        """The JWK set (RFC 7517 §5) that verifies every token not yet ended, the signing key first."""
        self._keys = [self._keys[0], *(old for old in self._unexpired() if old is not self._keys[0])]
        return KeySet([published.key for published in self._keys]).as_dict(private=False)

    def _unexpired(self) -> list[_Published]:
        now = self._clock()
        return [published for published in self._keys if published.needed_until > now]

    def _load(self, path: Path) -> list[_Published]:
        content = read_or_make(path, lambda: _dump([_Published(self._make(), 0)]))
        try:
            entries = orjson.loads(content)
            keys = [_Published(JWKRegistry.import_key(entry["jwk"]), entry["needed_until"]) for entry in entries]
        except (JoseError, ValueError, TypeError, KeyError):
            keys = []
        if not keys:
            raise Misconfigured(f"{path} is damaged; delete it, and everybody signs in again under a new key")
        keys[0].needed_until = self._clock() + _SHARED_GRACE_S
        return keys


def _dump(keys: list[_Published]) -> bytes:
    return orjson.dumps(
        [{"jwk": entry.key.as_dict(private=True), "needed_until": entry.needed_until} for entry in keys]
    )
