"""The mock identity provider of one server under load; both sides make it from the same keys."""

from dataclasses import dataclass

from compose.idp.provider import IdentityProvider
from shared.core.server import Server
from shared.core.settings import Settings
from shared.edge.address import Address


@dataclass(frozen=True)
class Who:
    """Somebody who calls: a persona, and the one scope of their token."""

    persona: str
    scope: str


def provider(settings: Settings, server: Server) -> IdentityProvider:
    """For a server that is alone in its process."""
    address = Address.of(server.name, settings.base_url, alone=True)
    return IdentityProvider(
        settings.token_issuer, resources={address.resource: server.baseline}, keys_dir=settings.data_dir / "idp"
    )


def token(settings: Settings, server: Server, who: Who, lifetime_s: int) -> str:
    """For that server."""
    address = Address.of(server.name, settings.base_url, alone=True)
    return provider(settings, server).mint(who.persona, address.resource, [who.scope], lifetime_s=lifetime_s)
