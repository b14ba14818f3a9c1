import secrets
from collections.abc import Callable
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from joserfc.jwk import Key
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse

from compose.idp import client_keys, redirects
from compose.idp.allowance import Allowance
from compose.idp.answers import json_answer
from compose.idp.clients import Client, Clients
from compose.idp.events import Events
from compose.idp.refusals import OAuthError
from compose.idp.visible import visible

_GRANT_TYPES = ("authorization_code", "refresh_token")
_SECRET_METHODS = ("client_secret_basic", "client_secret_post")

AuthMethod = Literal["none", "client_secret_basic", "client_secret_post", "private_key_jwt"]


class ClientMetadata(BaseModel):
    """What we read of a registration (RFC 7591 §2); `application_type` is OpenID's, and MCP's duty."""

    model_config = ConfigDict(frozen=True)

    redirect_uris: Annotated[tuple[str, ...], Field(min_length=1, max_length=10)]
    client_name: Annotated[str, Field(max_length=1000)] = ""
    application_type: Literal["native", "web"] | None = None
    token_endpoint_auth_method: AuthMethod = "client_secret_basic"  # noqa: S105 a method, not a secret
    grant_types: tuple[str, ...] = ("authorization_code",)
    response_types: tuple[str, ...] = ("code",)
    jwks: dict[str, Any] | None = None

    @property
    def application(self) -> str:
        """As told; untold, native where a redirect URI is not https."""
        https = all(uri.startswith("https:") for uri in self.redirect_uris)
        return self.application_type or ("web" if https else "native")


class Registration:
    """Dynamic client registration (RFC 7591), open to everybody and therefore bounded in number and rate."""

    def __init__(self, clients: Clients, events: Events, clock: Callable[[], float], per_minute: int) -> None:
        self._clients = clients
        self._events = events
        self._clock = clock
        self._allowance = Allowance(per_minute, clock)

    @json_answer
    async def register(self, request: Request) -> JSONResponse:
        if not self._allowance.take():
            raise OAuthError("temporarily_unavailable", "Too many registrations. Try again in a minute.", 429)
        metadata = _checked(await request.body())
        method = metadata.token_endpoint_auth_method
        client = Client(
            id=secrets.token_urlsafe(16),
            name=visible(metadata.client_name),
            auth_methods=(method,),
            redirect_uris=metadata.redirect_uris,
            secret=secrets.token_urlsafe(32) if method in _SECRET_METHODS else None,
            grant_types=tuple(name for name in _GRANT_TYPES if name in metadata.grant_types),
            keys=_keys(metadata),
        )
        self._clients.add(client)
        hosts = tuple(urlsplit(uri).netloc or urlsplit(uri).scheme for uri in client.redirect_uris)
        self._events.report(
            "client_registered", client_id=client.id, client_name=client.name, method=method, redirect_hosts=hosts
        )
        return JSONResponse(_information(client, metadata, int(self._clock())), 201)


def _checked(body: bytes) -> ClientMetadata:
    try:
        metadata = ClientMetadata.model_validate_json(body)
    except ValidationError as error:
        fields = sorted({str(problem["loc"][0]) for problem in error.errors() if problem["loc"]})
        known = [name for name in fields if name in ClientMetadata.model_fields]
        code = "invalid_redirect_uri" if "redirect_uris" in known else "invalid_client_metadata"
        raise OAuthError(code, f"Send a JSON object; check: {', '.join(known) or 'its syntax'}.") from None
    if not all(redirects.acceptable(uri, metadata.application) for uri in metadata.redirect_uris):
        raise OAuthError(
            "invalid_redirect_uri",
            "Use https, or for application_type native also http on 127.0.0.1 or a reverse-domain scheme; "
            "no fragment, no wildcard.",
        )
    if "authorization_code" not in metadata.grant_types or "code" not in metadata.response_types:
        raise OAuthError(
            "invalid_client_metadata",
            "Register the grant authorization_code, with refresh_token if wanted, and response type code.",
        )
    return metadata


def _keys(metadata: ClientMetadata) -> tuple[Key, ...]:
    """Of a client that proves itself with one; `jwks_uri`, which anybody could have us fetch, is not followed."""
    if metadata.token_endpoint_auth_method != "private_key_jwt":  # noqa: S105 a method, not a secret
        return ()
    try:
        return client_keys.registered(metadata.jwks)
    except ValueError:
        said = "For private_key_jwt send jwks: up to five public keys of P-256, Ed25519, or RSA with 2048 bits or more."
        raise OAuthError("invalid_client_metadata", said) from None


def _information(client: Client, metadata: ClientMetadata, now: int) -> dict[str, Any]:
    """The client information response (RFC 7591 §3.2.1): what we made of the request."""
    proof: dict[str, Any] = {"jwks": metadata.jwks} if client.keys else {}
    if client.secret:
        proof = {"client_secret": client.secret, "client_secret_expires_at": 0}
    return {
        "client_id": client.id,
        "client_id_issued_at": now,
        **proof,
        "client_name": client.name,
        "redirect_uris": list(client.redirect_uris),
        "application_type": metadata.application,
        "token_endpoint_auth_method": metadata.token_endpoint_auth_method,
        "grant_types": list(client.grant_types),
        "response_types": ["code"],
    }
