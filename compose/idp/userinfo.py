from starlette.requests import Request
from starlette.responses import JSONResponse

from compose.idp.personas import PERSONAS
from compose.idp.revoked import Revoked
from compose.idp.tokens import AccessTokens

_NO_STORE = {"Cache-Control": "no-store"}


class UserInfo:
    """Who somebody is (OpenID Connect Core §5.3), for tokens whose resource is the provider itself.

    A token for one of the servers is not accepted: it would be passed on to whom it is not for.
    """

    def __init__(self, issuer: str, access: AccessTokens, revoked: Revoked) -> None:
        self._issuer = issuer
        self._access = access
        self._revoked = revoked

    async def tell(self, request: Request) -> JSONResponse:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        claims = self._access.read(token.strip()) if scheme.lower() == "bearer" else None
        if claims is None or claims.get("aud") != self._issuer or self._revoked.holds(claims):
            error = ' error="invalid_token"' if scheme else ""  # RFC 6750 §3: none where no token was sent
            return JSONResponse({}, 401, {"WWW-Authenticate": f"Bearer{error}", **_NO_STORE})
        names = {persona.subject: persona.name for persona in PERSONAS.values()}
        told = {name: claims[name] for name in ("sub", "tenant", "roles")}
        return JSONResponse({**told, "name": names.get(claims["sub"])}, headers=_NO_STORE)
