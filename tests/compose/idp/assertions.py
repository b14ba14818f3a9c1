"""Client assertions as a program would sign them (RFC 7523), each part of which a test can bend."""

import secrets
from typing import Any

from joserfc import jws, jwt
from joserfc.jwk import Key

from compose.idp.client_assertions import TYPE
from tests.compose.idp.flow import ISSUER, Flow


class _Any(jws.JWSRegistry):
    """Signs with whatever a test asks for."""

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]


def assertion(flow: Flow, client_id: str, key: Key | None, header: dict[str, Any] | None = None, **claims: Any) -> str:
    """A good assertion but for `header` and `claims`; None leaves one out."""
    now = int(flow.clock.now)
    good = {
        "iss": client_id,
        "sub": client_id,
        "aud": f"{ISSUER}/token",
        "iat": now,
        "exp": now + 60,
        "jti": secrets.token_urlsafe(16),
        **claims,
    }
    told = {name: value for name, value in good.items() if value is not None}
    signed: Any = key  # `none` needs none
    return jwt.encode({"alg": "ES256", **(header or {})}, told, signed, registry=_Any(strict_check_header=False))


def proof(text: str, **form: str) -> dict[str, str]:
    """The part of a request that says who it is from."""
    return {"client_assertion_type": TYPE, "client_assertion": text, **form}
