"""The servers as one process serves them: what each works over, and the policies in force."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import anyio

from shared.core.errors import Misconfigured
from shared.core.server import Server
from shared.core.settings import Settings
from shared.parts import Parts
from shared.state.foreign import open_domain
from shared.steps.policy import InForce


@asynccontextmanager
async def open_domains(parts: Parts, servers: Sequence[Server]) -> AsyncGenerator[list[Server]]:
    """The servers as this process serves them, with their policies in force: over their own tables, or over views of a
    company's own database.
    """
    async with AsyncExitStack() as stack:
        tasks = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(tasks.cancel_scope.cancel)
        served: list[Server] = []
        for server in servers:
            policy = parts.policies[server.name] = InForce(server, parts.settings.policy_dir)
            tasks.start_soon(policy.keep)
            url = parts.settings.domain_url.get(server.name)
            served.append(_as_served(server, parts.settings))
            if server.migrations and not url and _upstream_of(server, parts.settings) is None:
                await parts.database.require_tables({server.name: server.migrations})
            if url and server.views:
                opening = open_domain(server.name, url.get_secret_value(), server.views, parts.settings)
                domain = parts.domains[server.name] = await stack.enter_async_context(opening)
                parts.checks[f"{server.name} database"] = domain.check
            if (name := _upstream_of(server, parts.settings)) is not None:
                from shared.edge.outbound.opened import open_upstream  # noqa: PLC0415 - most processes have none

                keys, over = parts.keys.ledger, server.over[name]
                upstream = open_upstream(server.name, name, over, parts.settings, parts.records or parts.database, keys)
                parts.upstreams[server.name] = await stack.enter_async_context(upstream)
            if server.open is not None:
                parts.opened[server.name] = await stack.enter_async_context(server.open(parts.process))
        yield served


def _upstream_of(server: Server, settings: Settings) -> str | None:
    """The system over which the settings have the server work, if they do."""
    named = sorted(server.over.keys() & settings.upstreams.keys())
    if len(named) + (server.name in settings.domain_url) > 1:
        raise Misconfigured(f"the server {server.name} works over one system; there are {', '.join(named)} and others")
    return named[0] if named else None


def _as_served(server: Server, settings: Settings) -> Server:
    if server.name in settings.domain_url:
        return server.over_views()
    if (name := _upstream_of(server, settings)) is not None:
        return server.over_upstream(name)
    return replace(server, workers=()) if settings.read_only else server
