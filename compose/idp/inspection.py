from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from compose.idp.answers import json_answer
from compose.idp.client_authentication import ClientAuthentication
from compose.idp.clients import Client
from compose.idp.events import Events
from compose.idp.parameters import parse_form
from compose.idp.refresh import RefreshFamilies
from compose.idp.refusals import OAuthError
from compose.idp.revoked import Revoked
from compose.idp.tokens import AccessTokens

_INACTIVE: dict[str, Any] = {"active": False}


class Inspection:
    """What a token is worth: introspection (RFC 7662) asks, revocation (RFC 7009) ends it."""

    def __init__(
        self,
        authentication: ClientAuthentication,
        access: AccessTokens,
        families: RefreshFamilies,
        revoked: Revoked,
        events: Events,
    ) -> None:
        self._authentication = authentication
        self._access = access
        self._families = families
        self._revoked = revoked
        self._events = events

    @json_answer
    async def introspect(self, request: Request) -> JSONResponse:
        """For clients with a secret: about their own tokens; for a resource server: about tokens for it.

        Anything else, others' tokens included, is just not active (RFC 7662 §2.2, §4).
        """
        form = await parse_form(request)
        client = await self._authentication.of(request, form, public=False)
        return JSONResponse(self._about(form.need("token"), client))

    @json_answer
    async def revoke(self, request: Request) -> JSONResponse:
        """End an access token, or a refresh token with its family and their access tokens.

        What does not exist needs no revoking (RFC 7009 §2.2), what is another client's is refused (§2.1).
        """
        form = await parse_form(request)
        client = await self._authentication.of(request, form)
        token = form.need("token")
        claims = self._access.read(token)
        grant = self._families.family_of(token)
        if claims is not None:
            _check_owner(claims["client_id"], client)
            self._revoked.token(claims["jti"], claims["exp"])
            facts = {name: claims.get(name) for name in ("client_id", "tenant", "jti")}
            self._events.report("revoked", kind="access", subject=claims["sub"], resource=claims["aud"], **facts)
        elif grant is not None:
            _check_owner(grant.client_id, client)
            self._families.end(token)
            self._events.report("revoked", kind="refresh", **grant.facts())
        return JSONResponse({})

    def _about(self, token: str, client: Client) -> dict[str, Any]:
        claims = self._access.read(token)
        if claims is not None and not self._revoked.holds(claims) and _may_know(client, claims):
            return {"active": True, "token_type": "Bearer", **self._access.told(token, claims)}
        grant = self._families.find(token)
        if grant is not None and grant.client_id == client.id:
            return {
                "active": True,
                "client_id": grant.client_id,
                "sub": grant.persona.subject,
                "aud": grant.resource.uri,
                "scope": " ".join(grant.granted),
                "auth_time": grant.auth_time,
                "acr": grant.acr,
            }
        return _INACTIVE


def _may_know(client: Client, claims: Mapping[str, Any]) -> bool:
    return claims.get("client_id") == client.id or (
        client.resource is not None and claims.get("aud") == client.resource
    )


def _check_owner(owner: str, client: Client) -> None:
    if owner != client.id:
        raise OAuthError("invalid_grant", "The token is not this client's.")
