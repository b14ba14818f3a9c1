import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from compose.idp import redirects
from compose.idp.allowance import Allowance
from compose.idp.events import Events
from compose.idp.expiring import Expiring
from compose.idp.refusals import OAuthError
from compose.idp.visible import visible
from shared.state.guarded import Guarded, Judge, is_loopback_address, is_public_address
from shared.state.http import BadAnswer, get_json

LIMIT_BYTES = 5 * 1024
"""draft-ietf-oauth-client-id-metadata-document-00 §6.6."""
TTL_S = 60
_KEPT = 200
_TOGETHER = 10
_PER_MINUTE = 60
_FETCH_S = 5
_FORBIDDEN = ("client_secret", "client_secret_expires_at")


class _Document(BaseModel):
    """What we read of a document (§4); without `token_endpoint_auth_method` it is taken for a public client's."""

    model_config = ConfigDict(frozen=True, strict=True)

    client_id: str
    client_name: Annotated[str, Field(max_length=1000)]
    redirect_uris: Annotated[list[str], Field(min_length=1, max_length=20)]
    grant_types: list[str] = ["authorization_code"]
    response_types: list[str] = ["code"]
    token_endpoint_auth_method: str = "none"  # noqa: S105 - a method, not a secret


@dataclass(frozen=True)
class Published:
    """What a metadata document says of its client.

    Attributes:
        host: Where it is published: the one thing about it that is proven.
    """

    host: str
    name: str
    redirect_uris: tuple[str, ...]
    grant_types: tuple[str, ...]


class Documents:
    """Client ID Metadata Documents (draft-ietf-oauth-client-id-metadata-document-00): `client_id` is a URL.

    Anybody can make us fetch, so fetches are few, short, small, follow no redirect, and reach public addresses
    only (§6.5). What was read is kept for a minute; failures are not kept (§4.4).

    Args:
        loopback: Also read http documents of this computer: for development.
        connect: Opens a transport that only reaches addresses the judge allows.
    """

    def __init__(
        self,
        events: Events,
        clock: Callable[[], float],
        *,
        loopback: bool = False,
        connect: Callable[[Judge], httpx.AsyncBaseTransport] = Guarded,
    ) -> None:
        self._events = events
        self._clock = clock
        self._loopback = loopback
        self._connect = connect
        self._read: Expiring[Published] = Expiring(_KEPT, clock)
        self._flights: dict[str, asyncio.Task[Published]] = {}
        self._allowance = Allowance(_PER_MINUTE, clock)

    async def read(self, url: str) -> Published:
        """The document at the URL.

        Raises:
            OAuthError: `invalid_client`; `temporarily_unavailable`, too many are being read.
        """
        judge = self._judge(url)
        known = self._read.get(url)
        if known is not None:
            return known
        flight = self._flights.get(url)
        if flight is None:
            flight = self._start(url, judge)
        # One browser that gives up must not take the answer from the others.
        return await asyncio.shield(flight)

    def _start(self, url: str, judge: Judge) -> asyncio.Task[Published]:
        if len(self._flights) >= _TOGETHER or not self._allowance.take():
            raise OAuthError("temporarily_unavailable", "Too many clients are being looked up. Try again soon.", 503)
        flight = asyncio.create_task(self._fly(url, judge))
        self._flights[url] = flight
        flight.add_done_callback(lambda done: self._land(url, done))
        return flight

    def _land(self, url: str, flight: asyncio.Task[Published]) -> None:
        self._flights.pop(url, None)
        if not flight.cancelled():
            flight.exception()  # or asyncio complains where every waiter left

    async def _fly(self, url: str, judge: Judge) -> Published:
        host = urlsplit(url).netloc
        try:
            async with asyncio.timeout(_FETCH_S), httpx.AsyncClient(transport=self._connect(judge)) as client:
                document = await get_json(client, url, LIMIT_BYTES)
            published = _checked(document, url, host)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, BadAnswer) as error:
            self._events.report("client_document_refused", host=host, reason=type(error).__name__)
            raise _unusable("it cannot be read from where it is") from None
        except OAuthError as error:
            self._events.report("client_document_refused", host=host, reason=error.description)
            raise
        self._read.put(url, published, self._clock() + TTL_S)
        self._events.report("client_document_read", host=host, client_id=url)
        return published

    def _judge(self, url: str) -> Judge:
        """Which addresses the document may come from, if the URL is one of a client (§3)."""
        if not redirects.acceptable(url, "native") or not _names_a_document(url):
            raise _unusable("its URL must be https, with a path, without fragment, user or dot segments")
        if urlsplit(url).scheme == "https":
            return is_public_address
        if self._loopback and redirects.is_loopback(url):
            return is_loopback_address
        raise _unusable("its URL must be https")


def _names_a_document(url: str) -> bool:
    path = unquote(urlsplit(url).path)
    return path not in {"", "/"} and not {".", ".."} & set(path.split("/"))


def _checked(document: dict[str, Any], url: str, host: str) -> Published:
    if any(name in document for name in _FORBIDDEN):
        raise _unusable("it holds a client secret, which everybody can read")
    try:
        told = _Document.model_validate(document)
    except ValidationError:
        raise _unusable("it needs client_id, client_name and redirect_uris") from None
    if told.client_id != url:
        raise _unusable("its client_id is not its own URL")
    if told.token_endpoint_auth_method != "none":  # noqa: S105 - a method, not a secret
        raise _unusable("its token_endpoint_auth_method must be none")
    if not all(redirects.acceptable(uri, "native") for uri in told.redirect_uris):
        raise _unusable("use https, http on 127.0.0.1, or a reverse-domain scheme for redirect_uris")
    if "authorization_code" not in told.grant_types or "code" not in told.response_types:
        raise _unusable("its grant_types must have authorization_code, its response_types code")
    return Published(host, visible(told.client_name), tuple(told.redirect_uris), tuple(told.grant_types))


def _unusable(reason: str) -> OAuthError:
    return OAuthError("invalid_client", f"The client metadata document cannot be used: {reason}.")
