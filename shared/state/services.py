"""Where PostgreSQL is: the one in the settings, or an embedded one that this process shares with others."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

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
    app = settings.database_url
    assert app is not None, "asked only when it is set"  # noqa: S101 - an invariant
    owner = settings.database_owner_url or app
    reader = settings.database_reader_url or app
    return Urls(owner=owner.get_secret_value(), app=app.get_secret_value(), reader=reader.get_secret_value())


async def migrate(owner_url: str, revisions: Mapping[str, Path]) -> None:
    """Bring the suite's schema and each server's to their newest revisions."""
    await upgrade(owner_url, "suite", SUITE_REVISIONS)
    for schema, folder in revisions.items():
        await upgrade(owner_url, schema, folder)
