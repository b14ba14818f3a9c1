"""Tokens no server may believe, each true but for one thing."""

import base64
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

from tests.harness import Suite

Forge = Callable[[Suite], str | None]


def _claims(suite: Suite) -> dict[str, Any]:
    body = suite.token("manager").split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _unsigned(suite: Suite, signature: str) -> str:
    return f"{_part({'alg': 'none', 'typ': 'at+jwt'})}.{_part(_claims(suite))}.{signature}"


def _signed_with_the_public_key(suite: Suite) -> str:
    """HS256, its secret the key everybody can fetch: believed by verifiers that let the token choose."""
    key = suite.provider.key_set()["keys"][0]
    message = f"{_part({'alg': 'HS256', 'typ': 'at+jwt', 'kid': key.get('kid')})}.{_part(_claims(suite))}"
    signature = hmac.digest(json.dumps(key).encode(), message.encode(), "sha256")
    return f"{message}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def _by_a_stranger(suite: Suite, *, named_as_ours: bool) -> str:
    stranger = ECKey.generate_key("P-256", auto_kid=True)
    kid = suite.provider.key_set()["keys"][0].get("kid") if named_as_ours else stranger.kid
    return jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": kid}, _claims(suite), stranger)


def _of_another_type(suite: Suite) -> str:
    return suite.provider._keys.sign(_claims(suite), typ="logout+jwt")  # pyright: ignore[reportPrivateUsage]


def _at(suite: Suite, *, begins_in_s: int, lasts_s: int, **claims: Any) -> str:
    begins = int(time.time()) + begins_in_s
    return suite.token("manager", iat=begins, nbf=begins, exp=begins + lasts_s, **claims)


FORGED: dict[str, Forge] = {
    "none": lambda _: None,
    "of another scheme": lambda _: "Basic bWFuYWdlcjpzZWNyZXQ=",
    "no JWT": lambda _: "opaque-and-secret",
    "for another audience": lambda suite: suite.token("manager", aud="https://elsewhere.example/mcp"),
    "expired": lambda suite: _at(suite, begins_in_s=-3600, lasts_s=1800),
    "not yet valid": lambda suite: _at(suite, begins_in_s=600, lasts_s=600),
    "for a year": lambda suite: _at(suite, begins_in_s=0, lasts_s=365 * 86_400),
    "alg none": lambda suite: _unsigned(suite, _part("signature")),
    "alg none, no signature": lambda suite: _unsigned(suite, ""),
    "key confusion": _signed_with_the_public_key,
    "unknown kid": lambda suite: _by_a_stranger(suite, named_as_ours=False),
    "false signature": lambda suite: _by_a_stranger(suite, named_as_ours=True),
    "of another issuer": lambda suite: suite.token("manager", iss="https://elsewhere.example"),
    "of another type": _of_another_type,
    "without a tenant": lambda suite: suite.token("manager", tenant=None),
    # These are good, and of callers a row needs.
    "of support": lambda suite: suite.token("support"),
    "of a seller": lambda suite: suite.token("manager", roles=["sales"]),
    "of a reader": lambda suite: suite.token("manager", scopes=["customers:read"]),
    "of a manager": lambda suite: suite.token("manager"),
    "of an admin": lambda suite: suite.token("admin"),
    "without pii": lambda suite: suite.provider.mint("manager", suite.url(), scopes=["customers:write"]),
}
