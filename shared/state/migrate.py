"""Alembic revisions, one stream a schema: the suite's own tables, and those of each server that keeps any."""

from pathlib import Path
from typing import Any

from alembic import op
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.util import await_only

from shared.core.errors import Unavailable
from shared.state.services import SUITE_REVISIONS

_ONE_AT_A_TIME = 0x6D6370  # advisory lock: two processes that start together migrate one after the other


async def upgrade(owner_url: str, schema: str, revisions: Path = SUITE_REVISIONS) -> None:
    """Bring one schema to its newest revision, as the owner of its tables, in one transaction.

    Args:
        owner_url: `postgresql://…` of the owner role.
        schema: Made if missing; also holds the version table.
        revisions: Folder of the revision files.

    Raises:
        Unavailable: The database cannot be reached.
    """
    url = owner_url.replace("postgresql://", "postgresql+asyncpg://", 1)
    engine = create_async_engine(url)
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ONE_AT_A_TIME})
            # Asked first: CREATE SCHEMA wants a right on the database even where there is nothing to create.
            found = await connection.scalar(text("SELECT to_regnamespace(:name) IS NOT NULL"), {"name": schema})
            if not found:
                await connection.execute(text(f'CREATE SCHEMA "{schema}"'))
            await connection.run_sync(_run, schema, revisions)
    except OSError as error:
        raise Unavailable("The database cannot be reached; is SUITE_DATABASE_OWNER_URL right?") from error
    finally:
        await engine.dispose()


def run_script(sql: str) -> None:
    """Run several commands of SQL in a revision's `upgrade()`; asyncpg otherwise prepares them one by one."""
    raw: Any = op.get_bind().connection.driver_connection
    await_only(raw.execute(sql))


def _run(connection: Connection, schema: str, revisions: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(revisions))
    config.set_main_option("version_locations", str(revisions))
    config.set_main_option("path_separator", "newline")
    script = ScriptDirectory.from_config(config)

    def to_head(revision: Any, _context: Any) -> Any:
        return script._upgrade_revs("head", revision)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]

    with EnvironmentContext(config, script, fn=to_head) as environment:
        environment.configure(connection=connection, version_table_schema=schema, version_table="revision")
        environment.run_migrations()
