"""The database as an administrator sees it, whom row-level security does not bind."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from shared.state.database import connect
from shared.state.embedded import open_embedded_postgres
from shared.state.lines import verified
from shared.state.roles import embedded_urls

_ROLE = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"


@dataclass(frozen=True)
class Opened:
    """A connection of the administrator's, and what it was made with."""

    url: str
    connection: Any

    @property
    def major(self) -> int:
        """The server's major version."""
        return self.connection.get_server_version().major


@asynccontextmanager
async def open_as_administrator(settings: Settings) -> AsyncGenerator[Opened]:
    """The database of the settings; an embedded one is started, and gets its roles.

    Raises:
        Misconfigured: There is no URL of an administrator, or it is one whom row-level security binds.
    """
    async with _url(settings) as url:
        connection = await connect(url, "backup")
        try:
            if not await connection.fetchval(_ROLE):
                raise Misconfigured(
                    "the role of SUITE_DATABASE_ADMIN_URL sees no rows: row-level security binds it. Give it BYPASSRLS "
                    "and pg_read_all_data, or name a superuser (docs/back-up-and-restore.md)"
                )
            yield Opened(url, connection)
        finally:
            await connection.close()


@asynccontextmanager
async def _url(settings: Settings) -> AsyncGenerator[str]:
    if settings.database_url is None:
        home = settings.data_dir / "postgres"
        async with open_embedded_postgres(home, source=settings.embedded_source) as embedded:
            urls = await embedded_urls(embedded, home)
            yield urlsplit(embedded.admin_url)._replace(path=urlsplit(urls.app).path).geturl()
        return
    given: SecretStr | None = settings.database_admin_url
    if given is None:
        raise Misconfigured(
            "SUITE_DATABASE_ADMIN_URL is needed: whoever serves sees one tenant at a time (docs/back-up-and-restore.md)"
        )
    database = urlsplit(settings.database_url.get_secret_value()).path
    yield verified(urlsplit(given.get_secret_value())._replace(path=database).geturl(), settings)
