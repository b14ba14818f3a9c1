"""The key pairs of clients that prove themselves with a signature (`private_key_jwt`)."""

import hmac
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import orjson
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, Key, OKPKey, RSAKey

from compose.idp.members import members
from compose.idp.private_file import read_or_make

_MOST = 5
_RSA_BITS = 2048  # RFC 7518 §3.3
_CURVES = {"P-256", "Ed25519"}
_EDDSA = {"EdDSA", "Ed25519"}
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def kept(client_ids: Iterable[str], keys_dir: Path | None) -> dict[str, Key]:
    """A key pair for each client, made when first wanted and kept in a private file where there is a `keys_dir`."""
    fresh = {client_id: ECKey.generate_key("P-256", auto_kid=True) for client_id in client_ids}
    if keys_dir is None:
        return dict(fresh)
    content = {client_id: key.as_dict(private=True) for client_id, key in fresh.items()}
    stored = orjson.loads(read_or_make(keys_dir / "idp-machine-keys.json", lambda: orjson.dumps(content)))
    return {client_id: JWKRegistry.import_key(stored.get(client_id, content[client_id])) for client_id in fresh}


def derived(secret: bytes, client_id: str) -> Key:
    """The key pair that belongs to this name under this secret: every process that knows it has the same."""
    digest = hmac.new(secret, f"key {client_id}".encode(), sha256).digest() + bytes(8)
    key = derive_private_key(int.from_bytes(digest) % (_P256_ORDER - 1) + 1, SECP256R1())
    pair = ECKey.import_key(key)
    pair.ensure_kid()
    return pair


def public(key: Key) -> Key:
    """The half of a key pair that its owner may show."""
    return JWKRegistry.import_key(key.as_dict(private=False))


def registered(jwks: dict[str, Any] | None) -> tuple[Key, ...]:
    """The keys of a registration's JWK set (RFC 7591 §2).

    Raises:
        ValueError: None, too many, or one that is symmetric, private, weak or of a kind we do not verify.
    """
    entries: object = (jwks or {}).get("keys")
    if not isinstance(entries, list) or not 0 < len(cast("list[object]", entries)) <= _MOST:
        raise ValueError("no JWK set")
    return tuple(_registered(members(entry)) for entry in cast("list[object]", entries))


def _registered(entry: dict[str, Any]) -> Key:
    if entry.get("use", "sig") != "sig" or {"d", "k"} & entry.keys():
        raise ValueError("no public key for signatures")
    # The library knows one of the two names of the algorithm (RFC 9864); the curve says as much.
    plain = {name: value for name, value in entry.items() if name != "alg" or value not in _EDDSA}
    try:
        key = JWKRegistry.import_key(plain)
    except (JoseError, ValueError, TypeError, KeyError):
        raise ValueError("no key we understand") from None
    if isinstance(key, RSAKey):
        strong = key.public_key.key_size >= _RSA_BITS
    else:
        strong = isinstance(key, ECKey | OKPKey) and key.curve_name in _CURVES
    if not strong:
        raise ValueError("no key we verify with")
    return key
