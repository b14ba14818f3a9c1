"""Where PostgreSQL is: the one in the settings, or an embedded one that this process shares with others."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from shared.state.database import connect
from shared.state.embedded import open_embedded_postgres
from shared.state.roles import Urls, embedded_urls

SUITE_REVISIONS = Path(__file__).parent / "migrations"
"""Of the suite's own schema."""


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
        operator=url(settings.database_operator_url),
        console=url(settings.database_console_url),
    )


async def migrate(owner_url: str, revisions: Mapping[str, Path]) -> None:
    """Bring the suite's schema and each server's to their newest revisions.

    Raises:
        Misconfigured: There is no URL of the owner; no other role may change tables.
    """
    if not owner_url:
        raise Misconfigured("SUITE_DATABASE_OWNER_URL is needed: only the owner of the tables may migrate them")
    behind = await _behind(owner_url, {"suite": SUITE_REVISIONS, **revisions})
    if not behind:
        return
    # Alembic and the ORM take 0.3 s and 20 MB to import; most starts need neither.
    from shared.state.migrate import upgrade  # noqa: PLC0415

    for schema, folder in behind.items():
        await upgrade(owner_url, schema, folder)


async def _behind(owner_url: str, revisions: Mapping[str, Path]) -> dict[str, Path]:
    """The schemas that are not at their newest revision."""
    connection = await connect(owner_url, "migrations")
    try:
        return {
            schema: folder
            for schema, folder in revisions.items()
            if await _revision(connection, schema) != newest_revision(folder)
        }
    finally:
        await connection.close()


async def _revision(connection: Any, schema: str) -> str | None:
    if not await connection.fetchval("SELECT to_regclass($1)", f'"{schema}".revision'):
        return None
    return await connection.fetchval(f'SELECT version_num FROM "{schema}".revision')  # noqa: S608 - a folder's name


def newest_revision(folder: Path) -> str:
    """The highest number that a revision's file name starts with; revisions are named by these numbers."""
    return max(path.name.partition("_")[0] for path in folder.glob("[0-9]*_*.py"))
