"""The identity providers a process trusts, each with its keys and, if it is asked about tokens, its word on them."""

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx

from shared.core.issuers import Issuer
from shared.core.settings import Settings
from shared.state.client_assertion import authenticate
from shared.state.discovery import Discovery
from shared.state.http import open_client
from shared.steps.introspection import Introspection
from shared.steps.jwks import Jwks


@dataclass(frozen=True, slots=True)
class Provider:
    """One issuer, and what was learnt of it."""

    issuer: Issuer
    keys: Jwks
    introspection: Introspection | None = None

    @classmethod
    def of(
        cls,
        issuer: Issuer,
        settings: Settings,
        client: httpx.AsyncClient,
        asking: httpx.AsyncClient | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> "Provider":
        """The provider over `client`, and over `asking` for introspection, by default the same one.

        Raises:
            Misconfigured: A URL of it cannot be trusted.
        """
        discovery = Discovery(issuer.url, client, plain_http=settings.plain_http, clock=clock)
        keys = Jwks(issuer, discovery, client, clock)
        if issuer.introspect == "never":
            return cls(issuer, keys)
        return cls(issuer, keys, Introspection(issuer, discovery, asking or client, clock, wall))

    async def aclose(self) -> None:
        """Stop what is under way."""
        await self.keys.aclose()
        if self.introspection is not None:
            await self.introspection.aclose()


@asynccontextmanager
async def open_providers(settings: Settings) -> AsyncGenerator[Mapping[str, Provider]]:
    """The providers of `trusted_issuers`, by their URL, in that order.

    Raises:
        Misconfigured: A URL of one cannot be trusted, or its `client_key` cannot be used.
    """
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(open_client())
        providers: dict[str, Provider] = {}
        for issuer in settings.trusted_issuers:
            asking = client if issuer.introspect == "never" else await stack.enter_async_context(open_client())
            provider = providers[issuer.url] = Provider.of(issuer, settings, client, asking)
            stack.push_async_callback(provider.aclose)
            if issuer.client_id is not None:
                await authenticate(issuer, issuer.url)  # a key that cannot sign is told now
        yield providers
