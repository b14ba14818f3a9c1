import re
import secrets

from authlib.oauth2.rfc7636 import (
    create_s256_code_challenge,  # pyright: ignore[reportUnknownVariableType] Authlib has no types
)
from starlette.requests import Request
from starlette.responses import JSONResponse

from compose.idp.answers import json_answer
from compose.idp.client_authentication import authenticate
from compose.idp.clients import Client, Clients
from compose.idp.grants import Approved, Codes
from compose.idp.parameters import Parameters, parse_form
from compose.idp.refusals import OAuthError
from compose.idp.resources import Resources
from compose.idp.tokens import TOKEN_LIFETIME_S, AccessTokens

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # RFC 7636 §4.1


class Redemption:
    """The token endpoint (RFC 6749 §3.2): a code, or a machine's own credentials, for an access token."""

    def __init__(self, clients: Clients, resources: Resources, codes: Codes, tokens: AccessTokens) -> None:
        self._clients = clients
        self._resources = resources
        self._codes = codes
        self._tokens = tokens

    @json_answer
    async def redeem(self, request: Request) -> JSONResponse:
        form = await parse_form(request)
        client = authenticate(self._clients, request.headers.get("authorization"), form)
        grant_type = form.need("grant_type")
        if grant_type == "authorization_code":
            return self._by_code(client, form)
        if grant_type == "client_credentials":
            return self._by_credentials(client, form)
        raise OAuthError("unsupported_grant_type", "Use authorization_code or client_credentials.")

    def _by_code(self, client: Client, form: Parameters) -> JSONResponse:
        approved = self._codes.take(form.need("code"))  # whoever tries and fails has used it up
        if approved is None or not _fits(approved, client, form):
            raise OAuthError(
                "invalid_grant", "The code is used, expired, or not for this client, redirect URI and verifier."
            )
        resource = approved.asked.resource
        if form.resources and self._resources.named(form.resources) != resource:
            raise OAuthError("invalid_target", "The code is for another resource.")
        token = self._tokens.issue(
            approved.persona,
            client_id=client.id,
            audience=resource.uri,
            scopes=approved.scopes,
            acr=approved.persona.acr,
            auth_time=approved.auth_time,
            sid=approved.session,
        )
        return _answer(token, approved.scopes)

    def _by_credentials(self, client: Client, form: Parameters) -> JSONResponse:
        if client.machine is None:
            raise OAuthError("unauthorized_client", "This client acts for people only: use authorization_code.")
        resource = self._resources.named(form.resources)
        scopes = resource.grant(form.get("scope"), client.machine.scopes)
        if not scopes:
            raise OAuthError("invalid_scope", "The client holds none of the requested scopes.")
        token = self._tokens.issue(client.machine, client_id=client.id, audience=resource.uri, scopes=scopes)
        return _answer(token, scopes)


def _fits(approved: Approved, client: Client, form: Parameters) -> bool:
    verifier = form.get("code_verifier") or ""
    return (
        approved.asked.client_id == client.id
        and approved.asked.redirect_uri == form.get("redirect_uri")
        and _VERIFIER.fullmatch(verifier) is not None
        and secrets.compare_digest(approved.asked.challenge, _s256(verifier))
    )


def _s256(verifier: str) -> str:
    return str(create_s256_code_challenge(verifier))  # pyright: ignore[reportUnknownArgumentType]


def _answer(token: str, scopes: tuple[str, ...]) -> JSONResponse:
    return JSONResponse(
        {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": TOKEN_LIFETIME_S,
            "scope": " ".join(scopes),
        }
    )
