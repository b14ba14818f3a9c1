"""How our servers prove to an identity provider who they are, when they introspect or exchange a token."""

import time
import warnings
from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_urlsafe
from urllib.parse import quote_plus

import anyio
import orjson
from joserfc import jwk, jwt
from joserfc.errors import JoseError, SecurityWarning

from shared.core.errors import Misconfigured
from shared.core.issuers import Issuer

LIFETIME_S = 60
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ALGORITHMS = {"RSA": "RS256", "P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "Ed25519"}


@dataclass(frozen=True, slots=True)
class Proof:
    """What a request to the provider carries besides its own: fields of its form, and headers."""

    form: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    headers: dict[str, str] = field(default_factory=dict[str, str], repr=False)


async def authenticate(issuer: Issuer, endpoint: str) -> Proof:
    """Proof for one request to `endpoint`: `client_secret_basic` (RFC 6749 §2.3.1), or `private_key_jwt`
    (RFC 7523 §2.2) where there is a `client_key`, whose file is read anew each time and so may be replaced.

    Args:
        issuer: With `client_id`, and `client_secret` or `client_key`.
        endpoint: Where the proof is sent; the assertion's audience, unless `client_audience` says otherwise.

    Raises:
        Misconfigured: No credentials, or no usable private key in the file.
    """
    if issuer.client_id is None:
        raise Misconfigured(f"issuer {issuer.url} needs a client_id, and a client_secret or a client_key")
    if issuer.client_key is not None:
        content = await _read(issuer.client_key)
        assertion = _sign(content, issuer.client_key, issuer.client_id, issuer.client_audience or endpoint)
        told = {"client_id": issuer.client_id, "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
        return Proof(form=told)
    secret = issuer.client_secret.get_secret_value() if issuer.client_secret else ""
    pair = f"{quote_plus(issuer.client_id)}:{quote_plus(secret)}"
    return Proof(headers={"Authorization": f"Basic {b64encode(pair.encode()).decode()}"})


async def _read(path: Path) -> bytes:
    try:
        return await anyio.Path(path).read_bytes()
    except OSError as error:
        raise Misconfigured(f"client_key {path} cannot be read: {error.strerror}") from None


def _sign(content: bytes, path: Path, client_id: str, audience: str) -> str:
    now = int(time.time())
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "iat": now,
        "exp": now + LIFETIME_S,
        "jti": token_urlsafe(16),
    }
    try:
        key = jwk.import_key({**orjson.loads(content)})
        algorithm = _algorithm(key)
        header = {"alg": algorithm, "typ": "JWT", **({"kid": key.kid} if key.kid else {})}
        with warnings.catch_warnings():
            # Of EdDSA, the name that many providers still know Ed25519 by.
            warnings.simplefilter("ignore", SecurityWarning)
            return jwt.encode(header, claims, key, algorithms=[algorithm])
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        raise Misconfigured(f"client_key {path} holds no private key (JWK) that can sign") from None


def _algorithm(key: jwk.Key) -> str:
    """What the key says it is for, or the usual one of its kind; a symmetric key is no private key."""
    if isinstance(key, jwk.OctKey):
        raise TypeError
    kind = "RSA" if isinstance(key, jwk.RSAKey) else key.curve_name
    return str(key.get("alg") or _ALGORITHMS[kind])
