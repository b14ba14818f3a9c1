"""The 2.x SDK's own OAuth client, a person before its browser, and a record of everything it sent."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl

from tests.compose.idp.consent import sign_in

CALLBACK = "http://127.0.0.1:33333/callback"


class SignIn:
    """Somebody who signs in as `persona`, and the storage of their client.

    Attributes:
        ticked: Boxes of the sign-in page that are ticked.
        asked: The authorization URLs the browser was sent to.
        trace: Each exchange of the client: method, url, status, challenge (`WWW-Authenticate`), and, of those
            that did not go to the server itself, the bodies `sent` and `answer`.
    """

    def __init__(self, persona: str, url: str) -> None:
        self._persona = persona
        self._url = url
        self._client: OAuthClientInformationFull | None = None
        self._tokens: OAuthToken | None = None
        self._answer: dict[str, list[str]] = {}
        self.ticked: dict[str, str] = {}
        self.asked: list[str] = []
        self.trace: list[dict[str, Any]] = []

    async def get_tokens(self) -> OAuthToken | None:
        return self._tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self._tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self._client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self._client = client_info

    async def browse(self, authorize_url: str) -> None:
        self.asked.append(authorize_url)
        async with httpx.AsyncClient() as browser:
            location = await sign_in(browser, authorize_url, self._persona, **self.ticked)
        assert location.startswith(CALLBACK)
        self._answer = parse_qs(urlsplit(location).query)

    async def come_back(self) -> AuthorizationCodeResult:
        return AuthorizationCodeResult(**{name: self._answer[name][0] for name in ("code", "state", "iss")})

    async def note(self, response: httpx2.Response) -> None:
        request = response.request
        to_server = str(request.url) == self._url
        if not to_server:
            await response.aread()
        self.trace.append(
            {
                "method": request.method,
                "url": str(request.url),
                "status": response.status_code,
                "challenge": response.headers.get("www-authenticate"),
                "sent": "" if to_server else request.content.decode(),
                "answer": "" if to_server else response.text,
            }
        )

    @asynccontextmanager
    async def connect(self, mode: str) -> AsyncGenerator[Client]:
        """A client that starts without a token."""
        metadata = OAuthClientMetadata(redirect_uris=[AnyUrl(CALLBACK)], client_name="Journey of SDK 2")
        auth = OAuthClientProvider(self._url, metadata, self, self.browse, self.come_back)
        async with (
            httpx2.AsyncClient(auth=auth, timeout=30, event_hooks={"response": [self.note]}) as http,
            Client(streamable_http_client(self._url, http_client=http), mode=mode) as client,
        ):
            yield client
