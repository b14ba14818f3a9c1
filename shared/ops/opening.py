"""What a process that serves begins with: services, tables at their newest revision, and the parts over them."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import servers
from shared.core.errors import Misconfigured
from shared.core.server import Server
from shared.core.settings import Settings
from shared.ops.telemetry import open_telemetry
from shared.ops.vault.leases import LENT
from shared.parts import Parts, open_parts
from shared.state.roles import Urls
from shared.state.services import migrate, open_services


@dataclass(frozen=True)
class Opened:
    """What a command works with."""

    urls: Urls
    parts: Parts


@asynccontextmanager
async def open_all(
    settings: Settings, known: Sequence[Server] | None = None, end: Callable[[], None] | None = None
) -> AsyncGenerator[Opened]:
    """Services, their tables at the newest revision, and the parts over them.

    A fleet migrates on its own time (`mcp-suite db migrate`), so that replicas never run DDL.

    Args:
        settings: Of the process.
        known: The servers that this process knows of, where a client started it and waits: each takes time to import.
            Default: every one.
        end: Ends the process in order, once secrets that Vault lent are about to expire for good.
    """
    _require_known(settings)
    telemetry = open_telemetry(settings, among_others=known is not None)
    async with telemetry, LENT.renewing(end), open_services(settings) as urls:
        if settings.profile == "laptop" and urls.owner:
            await migrate_all(urls)
        everything = {server.name: server for server in (servers.every() if known is None else known)}
        async with open_parts(settings, urls.app, urls=urls, everything=everything) as parts:
            parts.checks.update(LENT.checks)
            yield Opened(urls, parts)


def _require_known(settings: Settings) -> None:
    """A misspelt name would quietly serve the server's own tables, or refuse every token."""
    if settings.upstreams:
        known = {name for server in servers.every() for name in server.over}
        if unknown := settings.upstreams.keys() - known:
            there = ", ".join(sorted(known)) or "none"
            raise Misconfigured(f"upstreams names {', '.join(sorted(unknown))}; servers work over: {there}")
    named = {"domain_url": set(settings.domain_url), "peers": set(settings.peers)}
    named |= {"peer_resources": set(settings.peer_resources)}
    named |= {f"audiences of {issuer.url}": set(issuer.audiences) for issuer in settings.issuers.values()}
    for where, those in named.items():
        if unknown := those - set(servers.names()):
            raise Misconfigured(f"{where} names {', '.join(sorted(unknown))}; there are: {', '.join(servers.names())}")


async def migrate_all(urls: Urls) -> None:
    """Bring every schema to its newest revision."""
    await migrate(urls.owner, servers.revisions())
