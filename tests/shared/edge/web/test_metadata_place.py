"""`SUITE_ISSUERS__…__METADATA_URL`: the provider's metadata under another name than its own, as containers reach it."""

import json
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from shared.core.errors import Unavailable
from shared.core.issuers import Issuer
from shared.core.settings import Settings
from shared.edge.web.oidc import Asked, RelyingParty

pytestmark = pytest.mark.anyio

NAME = "https://login.example.com/idp"
INSIDE = "https://balancer:8443/.well-known/oauth-authorization-server/idp"
TOLD = {"issuer": NAME, "authorization_endpoint": f"{NAME}/authorize", "token_endpoint": f"{NAME}/token"}


class Provider(httpx.AsyncBaseTransport):
    """It tells its metadata at one address, and remembers which ones it was asked at."""

    def __init__(self, place: str, told: dict[str, Any]) -> None:
        self.place = place
        self.told = told
        self.asked: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url))
        status = 200 if str(request.url) == self.place else 404
        body = httpx.ByteStream(json.dumps(self.told).encode())
        return httpx.Response(status, headers={"content-type": "application/json"}, stream=body)


async def sign_in(provider: Provider, metadata_url: str | None) -> str:
    """Where people are sent to sign in."""
    issuer = Issuer(url=NAME, metadata_url=metadata_url)
    secret, database = SecretStr("secret"), SecretStr("postgresql:///suite")
    settings = Settings(
        environment="stage", database_url=database, issuers={"main": issuer}, console_client_secret=secret
    )
    site = "https://mcp.example.com/console"
    async with httpx.AsyncClient(transport=provider) as client:
        party = RelyingParty(
            issuer, settings, server="console", resource=site, callback=f"{site}/callback", scopes=(), client=client
        )
        return await party.where(Asked(state="s", nonce="n", verifier="v" * 43))


async def test_metadata_is_read_there_and_nowhere_else_and_people_are_sent_to_the_providers_own_name() -> None:
    provider = Provider(INSIDE, TOLD)
    assert (await sign_in(provider, INSIDE)).startswith(f"{NAME}/authorize?")
    assert provider.asked == [INSIDE]


async def test_without_it_metadata_is_where_the_standards_say() -> None:
    provider = Provider("https://login.example.com/.well-known/oauth-authorization-server/idp", TOLD)
    await sign_in(provider, None)
    assert provider.asked == [provider.place]
    with pytest.raises(Unavailable):
        await sign_in(Provider(INSIDE, TOLD), None)


@pytest.mark.parametrize("named", [INSIDE, "https://balancer:8443/idp", "https://evil.example", None])
async def test_metadata_that_names_another_provider_is_of_no_use(named: str | None) -> None:
    with pytest.raises(Unavailable):
        await sign_in(Provider(INSIDE, TOLD | {"issuer": named}), INSIDE)


async def test_a_place_without_tls_on_another_machine_is_not_even_asked() -> None:
    provider = Provider(INSIDE.replace("https", "http"), TOLD)
    with pytest.raises(Unavailable):
        await sign_in(provider, provider.place)
    assert provider.asked == []
