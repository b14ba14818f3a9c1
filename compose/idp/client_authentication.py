import base64
import hmac
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

from starlette.requests import Request

from compose.idp.client_assertions import METHOD, TYPE, ClientAssertions, named_by
from compose.idp.clients import Client, Clients
from compose.idp.events import Events
from compose.idp.parameters import Parameters
from compose.idp.refusals import OAuthError


@dataclass(frozen=True)
class _Presented:
    """How a request says who it is from.

    Attributes:
        proof: The secret (empty for a public client), or the assertion.
    """

    method: str
    client_id: str
    proof: str = field(repr=False)


class ClientAuthentication:
    """Who asks at an endpoint for programs (RFC 6749 §2.3, §3.2.1)."""

    def __init__(self, clients: Clients, assertions: ClientAssertions, events: Events) -> None:
        self._clients = clients
        self._assertions = assertions
        self._events = events

    async def of(self, request: Request, form: Parameters, *, public: bool = True) -> Client:
        """The client a request comes from.

        Args:
            request: Read for its `Authorization` header.
            form: Its body.
            public: Whether a client without a secret will do.

        Raises:
            OAuthError: `invalid_client`: unknown, a wrong proof, or not the way it registered for.
                `invalid_request`: several ways at once.
        """
        presented = _presented(request.headers.get("authorization"), form)
        method = presented.method
        client = await self._clients.find(presented.client_id)
        proven = self._is_proven(presented, client, request.url.path.rpartition("/")[2])
        if client is None or method not in client.auth_methods or not proven or (method == "none" and not public):
            self._events.report("client_authentication_failed", client_id=client.id if client else None, method=method)
            raise _unknown()
        return client

    def _is_proven(self, presented: _Presented, client: Client | None, endpoint: str) -> bool:
        if presented.method == METHOD:
            return client is not None and self._assertions.proves(presented.proof, client, endpoint)
        known = client.secret if client and client.secret else ""
        return hmac.compare_digest(known.encode(), presented.proof.encode())


def _presented(authorization: str | None, form: Parameters) -> _Presented:
    secret, assertion = form.get("client_secret"), form.get("client_assertion")
    if [authorization, secret, assertion].count(None) < 2:  # noqa: PLR2004 one of the three may be there
        raise OAuthError("invalid_request", "Authenticate in one way: a header, a secret or an assertion.")
    named = form.get("client_id")
    if assertion is not None:
        presented = _asserted(form.get("client_assertion_type"), assertion)
    elif authorization is not None:
        presented = _Presented("client_secret_basic", *_basic(authorization))
    else:
        return _Presented("none" if secret is None else "client_secret_post", form.need("client_id"), secret or "")
    if named not in {None, presented.client_id}:
        raise OAuthError("invalid_request", "The form names another client than its proof.")
    return presented


def _asserted(kind: str | None, assertion: str) -> _Presented:
    try:
        if kind == TYPE:
            return _Presented(METHOD, named_by(assertion), assertion)
    except ValueError:
        pass
    raise _unknown()


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
        "invalid_client", "Client authentication failed. Check id, secret or key, and method, or register again.", 401
    )
