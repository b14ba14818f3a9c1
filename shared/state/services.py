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
from shared.state.fitness import record
from shared.state.lines import verified
from shared.state.revisions import SUITE_REVISIONS, newest_revision
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
        return verified(secret.get_secret_value(), settings) if secret else ""

    return Urls(
        owner=url(settings.database_owner_url),
        app=url(settings.database_url),
        reader=url(settings.database_reader_url),
        operator=url(settings.database_operator_url),
        console=url(settings.database_console_url),
    )


async def migrate(owner_url: str, revisions: Mapping[str, Path]) -> None:
    """Bring the suite's schema and each server's to their newest revisions, unless a newer release has been here.

    Raises:
        Misconfigured: There is no URL of the owner; no other role may change tables.
        Unavailable: The database cannot be reached, or something holds on to a table for minutes.
    """
    if not owner_url:
        raise Misconfigured("SUITE_DATABASE_OWNER_URL is needed: only the owner of the tables may migrate them")
    folders = {"suite": SUITE_REVISIONS, **revisions}
    newest = {schema: newest_revision(folder) for schema, folder in folders.items()}
    connection = await connect(owner_url, "migrations")
    try:
        behind = [schema for schema in folders if (await _revision(connection, schema) or "") < newest[schema]]
        if behind:
            # Alembic and the ORM take 0.3 s and 20 MB to import; most starts need neither.
            from shared.state.migrate import upgrade  # noqa: PLC0415

            for schema in behind:
                await upgrade(owner_url, schema, folders[schema])
        await record(connection, newest)
    finally:
        await connection.close()


async def _revision(connection: Any, schema: str) -> str | None:
    if not await connection.fetchval("SELECT to_regclass($1)", f'"{schema}".revision'):
        return None
    return await connection.fetchval(f'SELECT version_num FROM "{schema}".revision')  # noqa: S608 - a folder's name
