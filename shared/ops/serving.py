"""One process that serves: services, tables, parts, application, and on a laptop the mock identity provider."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr
from starlette.routing import BaseRoute

import servers
from shared.app import open_app, open_domains
from shared.core.errors import Misconfigured
from shared.core.issuers import OwnClient
from shared.core.server import Server
from shared.core.settings import Settings
from shared.edge.address import Address
from shared.edge.draining import Draining
from shared.edge.listen import bind, listen
from shared.edge.stdio import local_caller
from shared.edge.stdio import serve as serve_over_stdio
from shared.ops.telemetry import open_telemetry
from shared.parts import Parts, open_parts
from shared.state.roles import Urls
from shared.state.services import migrate, open_services
from shared.steps.audit.identity import IdentityEvents
from shared.workers import open_workers

if TYPE_CHECKING:
    from compose.idp.provider import IdentityProvider


@dataclass(frozen=True)
class Opened:
    """What a command works with."""

    urls: Urls
    parts: Parts


@asynccontextmanager
async def open_all(settings: Settings) -> AsyncGenerator[Opened]:
    """Services, their tables at the newest revision, and the parts over them.

    A fleet migrates on its own time (`mcp-suite db migrate`), so that replicas never run DDL.
    """
    _require_known(settings)
    async with open_telemetry(settings), open_services(settings) as urls:
        if settings.profile == "laptop" and urls.owner:
            await migrate_all(urls)
        everything = {server.name: server for server in servers.every()}
        async with open_parts(settings, urls.app, urls=urls, everything=everything) as parts:
            yield Opened(urls, parts)


def _require_known(settings: Settings) -> None:
    """A misspelt name would quietly serve the server's own tables, or refuse every token."""
    named = {"domain_url": set(settings.domain_url), "peers": set(settings.peers)}
    named |= {"peer_resources": set(settings.peer_resources)}
    known = {name for server in servers.every() for name in server.over}
    if unknown := settings.upstreams.keys() - known:
        there = ", ".join(sorted(known)) or "none"
        raise Misconfigured(f"upstreams names {', '.join(sorted(unknown))}; servers work over: {there}")
    named |= {f"audiences of {issuer.url}": set(issuer.audiences) for issuer in settings.issuers.values()}
    for where, those in named.items():
        if unknown := those - set(servers.names()):
            raise Misconfigured(f"{where} names {', '.join(sorted(unknown))}; there are: {', '.join(servers.names())}")


async def migrate_all(urls: Urls) -> None:
    """Bring every schema to its newest revision."""
    revisions = {server.name: server.migrations for server in servers.every() if server.migrations}
    await migrate(urls.owner, revisions)


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
    from compose.idp.clients import web_client  # noqa: PLC0415 - a client waits while stdio starts
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
    where = addresses(settings, served, alone=alone)
    events = IdentityEvents(settings.mock_issuer or settings.token_issuer)
    draining = Draining()
    with bind(settings) as listening:
        provider = identity_provider(settings, served, where, events.report)
        extra: Sequence[BaseRoute] = [*(provider.routes if provider else ()), *beside]
        settings = as_its_clients(settings, provider, where)
        async with (
            open_all(settings) as opened,
            events.written(opened.parts.writer),
            open_app(opened.parts, served, where, extra, draining) as app,
        ):
            if ready is not None:
                ready(opened)
            await listen(app.asgi, settings, listening, draining)


async def serve_stdio(settings: Settings, name: str) -> None:
    """Serve one server over stdin and stdout until stdin ends.

    Raises:
        Misconfigured: It is for browsers.
    """
    server = servers.load(name)
    if server.web is not None:
        raise Misconfigured(f"{name} is used in a browser, not over stdio: `mcp-suite serve {name}`")
    one_user = settings.model_copy(update={"pool_min": 1})
    async with (
        open_all(one_user) as opened,
        open_domains(opened.parts, [server]) as [server],
        open_workers(opened.parts, [server]),
    ):
        pipeline = opened.parts.pipeline(server)
        states = opened.parts.keys.states
        await serve_over_stdio(server, pipeline, local_caller(settings, name), states, settings)
