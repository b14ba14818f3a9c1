"""Where PostgreSQL is: the one in the settings, or an embedded one that this process shares with others."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import SecretStr

from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from shared.state.embedded import open_embedded_postgres
from shared.state.migrate import SUITE_REVISIONS, upgrade
from shared.state.roles import Urls, embedded_urls


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncGenerator[Urls]:
    """URLs of the database for each role, valid as long as the context lasts."""
    if settings.database_url is not None:
        yield _configured(settings)
        return
    if settings.profile == "fleet":
        raise Misconfigured("profile=fleet needs SUITE_DATABASE_URL: embedded PostgreSQL is for laptops")
    home = settings.data_dir / "postgres"
    async with open_embedded_postgres(home, source=settings.embedded_source) as embedded:
        yield await embedded_urls(embedded, home)


def _configured(settings: Settings) -> Urls:
    def url(secret: SecretStr | None) -> str:
        return secret.get_secret_value() if secret else ""

    return Urls(
        owner=url(settings.database_owner_url),
        app=url(settings.database_url),
        reader=url(settings.database_reader_url),
    )


async def migrate(owner_url: str, revisions: Mapping[str, Path]) -> None:
    """Bring the suite's schema and each server's to their newest revisions.

    Raises:
        Misconfigured: There is no URL of the owner; no other role may change tables.
    """
    if not owner_url:
        raise Misconfigured("SUITE_DATABASE_OWNER_URL is needed: only the owner of the tables may migrate them")
    await upgrade(owner_url, "suite", SUITE_REVISIONS)
    for schema, folder in revisions.items():
        await upgrade(owner_url, schema, folder)
