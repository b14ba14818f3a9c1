import base64
import hmac
from urllib.parse import unquote_plus

from starlette.requests import Request

from compose.idp.clients import Client, Clients
from compose.idp.events import Events
from compose.idp.parameters import Parameters
from compose.idp.refusals import OAuthError


class ClientAuthentication:
    """Who asks at an endpoint for programs (RFC 6749 §2.3, §3.2.1)."""

    def __init__(self, clients: Clients, events: Events) -> None:
        self._clients = clients
        self._events = events

    async def of(self, request: Request, form: Parameters, *, public: bool = True) -> Client:
        """The client a request comes from.

        Args:
            request: Read for its `Authorization` header.
            form: Its body.
            public: Whether a client without a secret will do.

        Raises:
            OAuthError: `invalid_client`: unknown, a wrong secret, or not the way it registered for.
                `invalid_request`: several ways at once.
        """
        method, client_id, secret = _presented(request.headers.get("authorization"), form)
        client = await self._clients.find(client_id)
        known = client.secret if client and client.secret else ""
        matches = hmac.compare_digest(known.encode(), secret.encode())
        if client is None or method not in client.auth_methods or not matches or (method == "none" and not public):
            self._events.report("client_authentication_failed", client_id=client.id if client else None, method=method)
            raise _unknown()
        return client


def _presented(authorization: str | None, form: Parameters) -> tuple[str, str, str]:
    """Method, client id and secret (empty for a public client)."""
    secret = form.get("client_secret")
    if authorization is None:
        method = "none" if secret is None else "client_secret_post"
        return method, form.need("client_id"), secret or ""
    if secret is not None:
        raise OAuthError("invalid_request", "Authenticate in one way: the header or the form.")
    client_id, basic_secret = _basic(authorization)
    if form.get("client_id") not in {None, client_id}:
        raise OAuthError("invalid_request", "The form names another client than the header.")
    return "client_secret_basic", client_id, basic_secret


def _basic(authorization: str) -> tuple[str, str]:
    """Id and secret, each form-encoded within the header (RFC 6749 §2.3.1)."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise _unknown()
    try:
        pair = base64.b64decode(encoded.strip(), validate=True).decode("ascii")
    except ValueError:
        raise _unknown() from None
    client_id, _, secret = pair.partition(":")
    return unquote_plus(client_id), unquote_plus(secret)


def _unknown() -> OAuthError:
    return OAuthError(
        "invalid_client", "Client authentication failed. Check id, secret and method, or register again.", 401
    )
