"""Where an identity provider's endpoints are."""

import time
from collections.abc import Callable
from contextlib import suppress

import httpx

from shared.state.http import BadAnswer, get_json, is_loopback

REMEMBERED_S = 3600


class Discovery:
    """Endpoints from a provider's metadata (RFC 8414 §2, OpenID Connect Discovery §3), each remembered for an hour.

    Args:
        issuer: Whose; its metadata must name it byte for byte.
        client: Used for the provider alone.
        plain_http: Whether endpoints on other machines may do without TLS.
        clock: Seconds, never going back.
    """

    def __init__(
        self, issuer: str, client: httpx.AsyncClient, *, plain_http: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._issuer = issuer
        self._client = client
        self._plain_http = plain_http
        self._clock = clock
        self._known: dict[str, tuple[str, float]] = {}

    async def endpoint(self, name: str) -> str:
        """The URL under `name`: `jwks_uri`, `introspection_endpoint`, `token_endpoint`.

        Raises:
            BadAnswer: No metadata of this issuer has it, or not with TLS.
            httpx.HTTPError, httpx.InvalidURL: Not reached, or not in time.
        """
        uri, since = self._known.get(name, ("", 0))
        if uri and self._clock() - since < REMEMBERED_S:
            return uri
        for url in metadata_urls(self._issuer):
            with suppress(BadAnswer):
                metadata = await get_json(self._client, url)
                found = metadata.get(name)
                # RFC 8414 §3.3: what names another issuer must not be used.
                if metadata.get("issuer") == self._issuer and isinstance(found, str) and self.is_secure(found):
                    self._known[name] = (found, self._clock())
                    return found
        raise BadAnswer(f"no metadata of this issuer with a secure {name}")

    def forget(self) -> None:
        """Look again next time: an endpoint failed, and may have moved."""
        self._known.clear()

    def is_secure(self, url: str) -> bool:
        """Whether what we send there, and what comes back, is safe on its way: https, or http on loopback."""
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL:
            return False
        plain_http = self._plain_http or is_loopback(parsed)
        return bool(parsed.host) and (parsed.scheme == "https" or (parsed.scheme == "http" and plain_http))


def metadata_urls(issuer: str) -> list[str]:
    """Where an issuer's metadata may be: RFC 8414 §3.1, then OpenID Connect in both forms."""
    url = httpx.URL(issuer)
    origin = str(url.copy_with(raw_path=b"/", fragment=None)).rstrip("/")
    path = url.path.rstrip("/")
    forms = (
        f"{origin}/.well-known/oauth-authorization-server{path}",
        f"{origin}/.well-known/openid-configuration{path}",
        f"{origin}{path}/.well-known/openid-configuration",
    )
    return list(dict.fromkeys(forms))
