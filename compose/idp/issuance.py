from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse

from compose.idp.events import Events
from compose.idp.grants import OFFLINE, OPENID, Grant
from compose.idp.id_tokens import IdTokens
from compose.idp.machines import Machine
from compose.idp.refresh import RefreshFamilies
from compose.idp.resources import Resource
from compose.idp.tokens import AccessTokens, Issued

ISSUED = "urn:ietf:params:oauth:token-type:access_token"


@dataclass(frozen=True)
class Delegated:
    """What a token that another was exchanged for says.

    Attributes:
        client_id: Who exchanged it.
        lifetime_s: Seconds, no more than what it was had for has left.
        claims: How the person signed in, and `act`.
    """

    subject: str
    tenant: str
    roles: tuple[str, ...]
    client_id: str
    resource: Resource
    scopes: tuple[str, ...]
    lifetime_s: int
    claims: Mapping[str, Any]


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

    def by_exchange(self, delegated: Delegated, actors: tuple[str, ...]) -> tuple[JSONResponse, str]:
        """The answer (RFC 8693 §2.2.1), and the `jti` of the token in it."""
        issued = self._access.issue(
            delegated,
            client_id=delegated.client_id,
            audience=delegated.resource.uri,
            scopes=delegated.scopes,
            lifetime_s=delegated.lifetime_s,
            **delegated.claims,
        )
        facts: dict[str, Any] = {"tenant": delegated.tenant, "session": delegated.claims.get("sid"), "actors": actors}
        self.report("token_exchange", issued, delegated.scopes, event="token_exchanged", **facts)
        return _answer(issued, delegated.scopes, issued_token_type=ISSUED), issued.claims["jti"]

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
        facts: dict[str, Any] = {"refreshable": refresh is not None, "identity": identity is not None}
        self.report(grant_type, issued, scopes, tenant=grant.persona.tenant, session=grant.session, **facts)
        asked = (name for name in (OPENID, OFFLINE) if name in grant.granted and name in grant.requested)
        told = tuple(dict.fromkeys((*scopes, *asked)))
        return _answer(issued, told, refresh_token=refresh, id_token=identity)

    def report(
        self, grant_type: str, issued: Issued, scopes: tuple[str, ...], event: str = "token_issued", **facts: Any
    ) -> None:
        """Tell that an access token was made."""
        claims = issued.claims
        self._events.report(
            event,
            grant_type=grant_type,
            client_id=claims.get("client_id"),
            subject=claims.get("sub"),
            resource=claims.get("aud"),
            scopes=scopes,
            jti=claims.get("jti"),
            expires_at=claims.get("exp"),
            **facts,
        )


def _answer(issued: Issued, scopes: tuple[str, ...], **more: str | None) -> JSONResponse:
    lifetime_s = issued.claims["exp"] - issued.claims["iat"]
    told = {"token_type": "Bearer", "expires_in": lifetime_s, "scope": " ".join(scopes)}
    present = {name: value for name, value in more.items() if value is not None}
    return JSONResponse({"access_token": issued.token, **told, **present})
