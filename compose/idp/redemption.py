import re
import secrets

from authlib.oauth2.rfc7636 import (
    create_s256_code_challenge,  # pyright: ignore[reportUnknownVariableType] Authlib has no types
)
from starlette.requests import Request
from starlette.responses import JSONResponse

from compose.idp.answers import json_answer
from compose.idp.client_authentication import ClientAuthentication
from compose.idp.clients import Client
from compose.idp.codes import Codes
from compose.idp.events import Events
from compose.idp.exchange import EXCHANGE, TokenExchange
from compose.idp.grants import Approved, Grant
from compose.idp.issuance import Issuance
from compose.idp.parameters import Parameters, parse_form
from compose.idp.refresh import RefreshFamilies
from compose.idp.refusals import OAuthError
from compose.idp.resources import Resource, Resources

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # RFC 7636 §4.1


class Redemption:
    """The token endpoint (RFC 6749 §3.2): a code, a refresh token, a machine's own credentials, or another token."""

    def __init__(
        self,
        authentication: ClientAuthentication,
        resources: Resources,
        codes: Codes,
        families: RefreshFamilies,
        issuance: Issuance,
        exchange: TokenExchange,
        events: Events,
    ) -> None:
        self._authentication = authentication
        self._resources = resources
        self._codes = codes
        self._families = families
        self._issuance = issuance
        self._exchange = exchange
        self._events = events

    @json_answer
    async def redeem(self, request: Request) -> JSONResponse:
        form = await parse_form(request)
        client = await self._authentication.of(request, form)
        grant_type = form.need("grant_type")
        if grant_type == "authorization_code":
            return self._by_code(client, form)
        if grant_type == "refresh_token":
            return self._by_refresh(client, form)
        if grant_type == "client_credentials":
            return self._by_credentials(client, form)
        if grant_type == EXCHANGE:
            return self._exchange.redeem(client, form)
        raise OAuthError(
            "unsupported_grant_type", "Use authorization_code, refresh_token, client_credentials or token exchange."
        )

    def _by_code(self, client: Client, form: Parameters) -> JSONResponse:
        approved = self._codes.take(form.need("code"))
        if approved is None:
            self._end_if_reused(form.need("code"))
        if approved is None or not _fits(approved, client, form):
            raise OAuthError(
                "invalid_grant", "The code is used, expired, or not for this client, redirect URI and verifier."
            )
        self._check_resource(approved.grant.resource, form)
        return self._issuance.by_code(approved.grant, approved.nonce)

    def _by_refresh(self, client: Client, form: Parameters) -> JSONResponse:
        """Nothing waits between the look at the token and its rotation, so one of two concurrent uses wins."""
        token = form.need("refresh_token")
        grant = self._families.redeemable(token, client.id)
        self._check_resource(grant.resource, form)
        return self._issuance.by_refresh(grant, _narrowed(grant, form.get("scope")), token)

    def _by_credentials(self, client: Client, form: Parameters) -> JSONResponse:
        if client.machine is None:
            raise OAuthError("unauthorized_client", "This client acts for people only: use authorization_code.")
        resource = self._resources.named(form.resources)
        scopes = resource.grant(form.get("scope"), client.machine.scopes)
        if not scopes:
            raise OAuthError("invalid_scope", "The client holds none of the requested scopes.")
        return self._issuance.by_credentials(client.machine, resource, scopes)

    def _check_resource(self, resource: Resource, form: Parameters) -> None:
        if form.resources and self._resources.named(form.resources) != resource:
            raise OAuthError("invalid_target", "What was granted is for another resource.")

    def _end_if_reused(self, code: str) -> None:
        """A code that comes twice was stolen: its tokens end (RFC 6749 §4.1.2)."""
        used = self._codes.used(code)
        if used is not None:
            self._families.end_session(used.grant.session)
            self._events.report("code_reused", **used.grant.facts())


def _narrowed(grant: Grant, requested: str | None) -> tuple[str, ...]:
    """The scopes of the next access token: those granted, or fewer.

    Raises:
        OAuthError: `invalid_scope` (RFC 6749 §6): more than was granted.
    """
    if requested is None:
        return grant.scopes
    wanted = dict.fromkeys(requested.split())
    held = grant.resource.held(grant.scopes)
    scopes = tuple(scope for scope in wanted if scope in held)
    if not scopes or not wanted.keys() <= {*held, *grant.granted}:
        raise OAuthError("invalid_scope", "Ask for what was granted; for more, send the person through sign-in.")
    return scopes


def _fits(approved: Approved, client: Client, form: Parameters) -> bool:
    verifier = form.get("code_verifier") or ""
    return (
        approved.grant.client_id == client.id
        and approved.redirect_uri == form.get("redirect_uri")
        and _VERIFIER.fullmatch(verifier) is not None
        and secrets.compare_digest(approved.challenge, _s256(verifier))
    )


def _s256(verifier: str) -> str:
    return str(create_s256_code_challenge(verifier))  # pyright: ignore[reportUnknownArgumentType]
