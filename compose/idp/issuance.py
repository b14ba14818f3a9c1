from typing import Any

from starlette.responses import JSONResponse

from compose.idp.events import Events
from compose.idp.grants import OFFLINE, OPENID, Grant
from compose.idp.id_tokens import IdTokens
from compose.idp.machines import Machine
from compose.idp.refresh import RefreshFamilies
from compose.idp.resources import Resource
from compose.idp.tokens import TOKEN_LIFETIME_S, AccessTokens, Issued


class Issuance:
    """The answers of the token endpoint (RFC 6749 §5.1), each with its event."""

    def __init__(self, access: AccessTokens, identity: IdTokens, families: RefreshFamilies, events: Events) -> None:
        self._access = access
        self._identity = identity
        self._families = families
        self._events = events

    def by_code(self, grant: Grant, nonce: str | None) -> JSONResponse:
        refresh = self._families.start(grant) if OFFLINE in grant.granted else None
        return self._for_person(grant, grant.scopes, refresh, "authorization_code", nonce)

    def by_refresh(self, grant: Grant, scopes: tuple[str, ...], token: str) -> JSONResponse:
        """The next access token, and the refresh token that follows the presented one."""
        return self._for_person(grant, scopes, self._families.rotate(token), "refresh_token", None)

    def by_credentials(self, machine: Machine, resource: Resource, scopes: tuple[str, ...]) -> JSONResponse:
        issued = self._access.issue(machine, client_id=machine.client_id, audience=resource.uri, scopes=scopes)
        self.report("client_credentials", issued, scopes, tenant=machine.tenant)
        return _answer(issued, scopes)

    def _for_person(
        self, grant: Grant, scopes: tuple[str, ...], refresh: str | None, grant_type: str, nonce: str | None
    ) -> JSONResponse:
        issued = self._access.issue(
            grant.persona,
            client_id=grant.client_id,
            audience=grant.resource.uri,
            scopes=scopes,
            acr=grant.acr,
            auth_time=grant.auth_time,
            sid=grant.session,
        )
        identity = self._identity.issue(grant, issued, nonce)
        facts = {"refreshable": refresh is not None, "identity": identity is not None}
        self.report(grant_type, issued, scopes, tenant=grant.persona.tenant, session=grant.session, **facts)
        asked = (name for name in (OPENID, OFFLINE) if name in grant.granted and name in grant.requested)
        told = tuple(dict.fromkeys((*scopes, *asked)))
        return _answer(issued, told, refresh_token=refresh, id_token=identity)

    def report(self, grant_type: str, issued: Issued, scopes: tuple[str, ...], **facts: Any) -> None:
        """Tell that an access token was made."""
        claims = issued.claims
        self._events.report(
            "token_issued",
            grant_type=grant_type,
            client_id=claims.get("client_id"),
            subject=claims.get("sub"),
            resource=claims.get("aud"),
            scopes=scopes,
            jti=claims.get("jti"),
            expires_at=claims.get("exp"),
            **facts,
        )


def _answer(issued: Issued, scopes: tuple[str, ...], **tokens: str | None) -> JSONResponse:
    more = {name: token for name, token in tokens.items() if token is not None}
    told = {"token_type": "Bearer", "expires_in": TOKEN_LIFETIME_S, "scope": " ".join(scopes)}
    return JSONResponse({"access_token": issued.token, **told, **more})
