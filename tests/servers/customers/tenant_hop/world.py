"""The world of the matrix: an application with two servers, its database and its stores."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from compose.idp.provider import IdentityProvider
from servers.customers.server import server as customers
from shared.state.services import migrate
from tests.drill.server import server as drill
from tests.harness import Databases, Suite, open_suite
from tests.servers.customers.tenant_hop.people import FOREIGNERS, OWNER, THIEVES, Person

STREAMS, SESSIONS = 3, 6
"""What one user may hold open at a time."""

_OWNER = {"sub": "acme-admin", "client_id": "desk", "tenant": "acme"}


@dataclass
class Hop:
    """Whoever is asked for calls the same application."""

    suite: Suite
    http: httpx.AsyncClient
    issuers: Mapping[str, IdentityProvider] = field(default_factory=dict[str, IdentityProvider])

    def person(self, who: str = OWNER, era: str = "modern", scopes: list[str] | None = None, **claims: Any) -> Person:
        """The owner or a thief, without any session yet; `scopes` are those at the customers server, by default all."""
        given = {**_OWNER, **(THIEVES | FOREIGNERS).get(who, {}), **claims}
        provider = self.issuers[given.pop("issuer")] if "issuer" in given else self.suite.provider
        return Person(self.suite, self.http, era, given, provider, scopes)


@asynccontextmanager
async def open_hop(databases: Databases, folder: Path, **settings: Any) -> AsyncGenerator[Hop]:
    """The customers and the drill server in one process."""
    urls = await databases.fresh()
    assert drill.migrations
    await migrate(urls.owner, {drill.name: drill.migrations})
    values: dict[str, Any] = {"streams_per_user": STREAMS, "sessions_per_user": SESSIONS, **settings}
    async with (
        open_suite(urls, folder, databases.admin_url, served=[customers, drill], **values) as suite,
        httpx.AsyncClient(timeout=20) as http,
    ):
        yield Hop(suite, http)
