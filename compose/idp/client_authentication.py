import base64
import hmac
from urllib.parse import unquote_plus

from compose.idp.clients import Client, Clients
from compose.idp.parameters import Parameters
from compose.idp.refusals import OAuthError


def authenticate(clients: Clients, authorization: str | None, form: Parameters) -> Client:
    """The client a token request comes from (RFC 6749 §2.3, §3.2.1).

    Raises:
        OAuthError: `invalid_client`: unknown, a wrong secret, or not the way it registered for.
            `invalid_request`: several ways at once.
    """
    method, client_id, secret = _presented(authorization, form)
    client = clients.get(client_id)
    known = client.secret if client and client.secret else ""
    matches = hmac.compare_digest(known.encode(), secret.encode())
    if client is None or method not in client.auth_methods or not matches:
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
