import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx

from shared.state.discovery import REMEMBERED_S, Discovery, metadata_urls
from shared.state.http import BadAnswer, get_json


@dataclass(frozen=True)
class Endpoints:
    """What a relying party has to know of its provider.

    Attributes:
        tells_issuer: Whether its answers name it (RFC 9207 §3).
        scopes: Those it lists.
    """

    authorization: str
    token: str
    tells_issuer: bool
    scopes: frozenset[str]


class Metadata:
    """A provider's metadata (RFC 8414, OpenID Connect Discovery), remembered for an hour.

    Args:
        issuer: Whose; the metadata must name it byte for byte.
        place: Where it is; default where RFC 8414 and OpenID Connect Discovery put it.
        plain_http: Whether endpoints on other machines may do without TLS.
        clock: Seconds that never run backwards.
    """

    def __init__(
        self,
        issuer: str,
        client: httpx.AsyncClient,
        *,
        place: str | None = None,
        plain_http: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._places = (place,) if place else metadata_urls(issuer)
        self._issuer = issuer
        self._client = client
        self._discovery = Discovery(issuer, client, plain_http=plain_http, clock=clock)
        self._clock = clock
        self._known: tuple[Endpoints, float] | None = None

    async def endpoints(self) -> Endpoints:
        """What it says.

        Raises:
            BadAnswer: No metadata of this issuer has what is needed, or not with TLS.
            httpx.HTTPError, httpx.InvalidURL: Not reached, or not in time.
        """
        if self._known is not None and self._clock() - self._known[1] < REMEMBERED_S:
            return self._known[0]
        for url in filter(self._discovery.is_secure, self._places):
            with suppress(BadAnswer):
                found = self._read(await get_json(self._client, url))
                if found is not None:
                    self._known = found, self._clock()
                    return found
        raise BadAnswer("no metadata of this issuer with secure endpoints")

    def _read(self, told: dict[str, Any]) -> Endpoints | None:
        named = [told.get("authorization_endpoint"), told.get("token_endpoint")]
        secure = [url for url in named if isinstance(url, str) and self._discovery.is_secure(url)]
        if told.get("issuer") != self._issuer or len(secure) != len(named):
            return None
        authorization, token = secure
        scopes: Any = told.get("scopes_supported")
        return Endpoints(
            authorization,
            token,
            tells_issuer=told.get("authorization_response_iss_parameter_supported") is True,
            scopes=frozenset(map(str, scopes)) if isinstance(scopes, list) else frozenset(),  # pyright: ignore[reportUnknownArgumentType]
        )
