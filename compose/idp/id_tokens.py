from typing import cast

from authlib.oidc.core.util import create_half_hash  # pyright: ignore[reportUnknownVariableType] Authlib has no types

from compose.idp.grants import OPENID, Grant
from compose.idp.keys import SigningKeys
from compose.idp.tokens import Issued


class IdTokens:
    """ID tokens (OpenID Connect Core §2): for the client itself, about who signed in."""

    def __init__(self, issuer: str, keys: SigningKeys) -> None:
        self._issuer = issuer
        self._keys = keys

    def issue(self, grant: Grant, access: Issued, nonce: str | None) -> str | None:
        """The ID token that comes with an access token; None if the person granted none."""
        if OPENID not in grant.granted:
            return None
        persona = grant.persona
        hashed = cast("bytes", create_half_hash(access.token, self._keys.algorithm))
        claims = {
            "iss": self._issuer,
            "sub": persona.subject,
            "aud": grant.client_id,
            "iat": access.claims["iat"],
            "exp": access.claims["exp"],
            "auth_time": grant.auth_time,
            "acr": grant.acr,
            "at_hash": hashed.decode(),
            "sid": grant.session,
            "name": persona.name,
            "tenant": persona.tenant,
            "roles": list(persona.roles),
        }
        return self._keys.sign(claims if nonce is None else {**claims, "nonce": nonce}, typ="JWT")
