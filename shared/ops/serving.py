"""One process that serves over HTTP: parts, application, and on a laptop the mock identity provider."""

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr
from starlette.routing import BaseRoute

from shared.app import open_app
from shared.core.issuers import OwnClient
from shared.core.server import Server
from shared.core.settings import Settings
from shared.edge.address import Address
from shared.edge.draining import Draining
from shared.edge.listen import bind, listen
from shared.edge.probes import open_probes
from shared.ops.opening import Opened, open_all
from shared.steps.audit.identity import IdentityEvents

if TYPE_CHECKING:
    from compose.idp.provider import IdentityProvider

_OF_CALLS = ("shared.edge.peers.asked", "shared.steps.untrusted")
"""What the first call that needs it would import: over HTTP it is there by then, over stdio the list comes first."""


def _stop() -> None:
    """As whoever started us would."""
    os.kill(os.getpid(), signal.SIGTERM)


def addresses(settings: Settings, served: Sequence[Server], *, alone: bool) -> dict[str, Address]:
    """Where each server is reached; a process that serves one alone may still share its host (`shared_url`)."""
    alone = alone and not settings.shared_url
    return {server.name: Address.at(server, settings.base_url, alone=alone) for server in served}


def identity_provider(
    settings: Settings,
    served: Sequence[Server],
    where: Mapping[str, Address],
    on_event: Callable[[dict[str, Any]], None] | None = None,
) -> "IdentityProvider | None":
    """The mock provider, where it is the issuer, or one of several, that the settings trust."""
    if settings.mock_issuer is None:
        return None
    from compose.idp.clients import web_client  # noqa: PLC0415 - a fleet has none
    from compose.idp.provider import IdentityProvider  # noqa: PLC0415 - as said above

    return IdentityProvider(
        settings.mock_issuer,
        resources={where[server.name].resource: scopes_of(server) for server in served},
        keys_dir=settings.data_dir / "idp",
        loopback_documents=settings.environment == "dev",
        clients=[web_client(*_of_site(server, where, settings)) for server in served if server.web],
        on_event=on_event,
    )


def as_its_clients(settings: Settings, provider: "IdentityProvider | None", where: Mapping[str, Address]) -> Settings:
    """The settings, with each server as the client that the mock provider knows it as, unless `issuers` says more: so
    servers may act for their callers at each other, and are known when they do.
    """
    if provider is None or settings.issuers:
        return settings
    known = {server: provider.resource_server(address.resource) for server, address in where.items()}
    clients = {name: OwnClient(client_id=id_, client_secret=SecretStr(secret)) for name, (id_, secret) in known.items()}
    (issuer,) = settings.trusted_issuers
    return settings.trusting({"mock": issuer.model_copy(update={"clients": clients})})


def _of_site(server: Server, where: Mapping[str, Address], settings: Settings) -> tuple[str, str, str, str | None]:
    """What the provider knows of a server with pages: id, name, redirect URI, and the secret if it has one."""
    secret = settings.console_client_secret.get_secret_value() if settings.console_client_secret else None
    return settings.console_client_id, server.title, f"{where[server.name].resource}/callback", secret


def scopes_of(server: Server) -> list[str]:
    """Every scope of one server that somebody could be granted: those its declaration names, and those over them."""
    tools = server.tools
    declared = [*tools.tools.values(), *tools.completions.values(), *([tools.lists] if tools.lists else [])]
    declared += [part.tool for part in (*tools.resources.values(), *tools.prompts.values())]
    named = {scope for tool in declared for scope in (*tool.scopes, *tool.elsewhere)} | set(server.clearances)
    return sorted(named | {f"{server.name}:{verb}" for verb in ("read", "write", "pii", "admin")})


async def serve_http(
    settings: Settings,
    served: Sequence[Server],
    *,
    alone: bool,
    ready: Callable[[Opened], None] | None = None,
    beside: Sequence[BaseRoute] = (),
) -> None:
    """Serve until a signal.

    Args:
        settings: Of the process.
        served: The servers.
        alone: The one server is at `/mcp` instead of `/{server}/mcp`, unless others share its `public_url`.
        ready: Called once everything is open, before connections are accepted.
        beside: More routes.
    """
    for module in _OF_CALLS:
        import_module(module)
    where = addresses(settings, served, alone=alone)
    events = IdentityEvents(settings.mock_issuer or settings.token_issuer)
    draining = Draining()
    with bind(settings) as listening:
        provider = identity_provider(settings, served, where, events.report)
        extra: Sequence[BaseRoute] = [*(provider.routes if provider else ()), *beside]
        settings = as_its_clients(settings, provider, where)
        async with (
            open_all(settings, end=_stop) as opened,
            events.written(opened.parts.writer),
            open_app(opened.parts, served, where, extra, draining) as app,
            open_probes(settings, opened.parts.checks, draining),
        ):
            if ready is not None:
                ready(opened)
            await listen(app.asgi, settings, listening, draining)
