"""Alembic revisions, one stream a schema: the suite's own tables, and those of each server that keeps any."""

import time
from pathlib import Path
from typing import Any

import anyio
import structlog
from alembic import op
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.util import await_only

from shared.core.errors import Unavailable
from shared.state.database import connect
from shared.state.revisions import SUITE_REVISIONS

_ONE_AT_A_TIME = 0x6D6370  # advisory lock: two processes that start together migrate one after the other


WAIT_S = 600.0
"""How long a migration tries to get hold of its tables."""
_LOCK_S = 1
"""How long one try waits for a lock: as long, whoever comes for the same table waits behind us."""
_AGAIN_S = 2.0
_LOCKED = "55P03"  # lock_not_available

log = structlog.get_logger("migrations")


async def upgrade(owner_url: str, schema: str, revisions: Path = SUITE_REVISIONS, *, wait_s: float = WAIT_S) -> None:
    """Bring one schema to its newest revision, as the owner of its tables, in one transaction.

    A table that somebody holds on to is not waited for longer than a second at a time, since everybody else would wait
    behind us; all is rolled back and tried again.

    Args:
        owner_url: `postgresql://…` of the owner role.
        schema: Made if missing; also holds the version table.
        revisions: Folder of the revision files.
        wait_s: For how long it is tried again.

    Raises:
        Unavailable: The database cannot be reached, or something held on to a table all that time.
    """
    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: connect(owner_url, "migrations"))
    deadline = time.monotonic() + wait_s
    try:
        while not await _upgraded(engine, schema, revisions):
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"The tables of {schema} are held by other transactions (pg_stat_activity, the oldest xact_start). "
                    "Nothing was changed; end them, or migrate when they are done."
                )
            log.warning("a transaction holds on to a table; will try again", schema=schema)
            await anyio.sleep(_AGAIN_S)
    except OSError as error:
        raise Unavailable("The database cannot be reached; is SUITE_DATABASE_OWNER_URL right?") from error
    finally:
        await engine.dispose()


async def _upgraded(engine: AsyncEngine, schema: str, revisions: Path) -> bool:
    """Whether it could be done without waiting for others."""
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ONE_AT_A_TIME})
            await connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_S}s'"))
            # Asked first: CREATE SCHEMA wants a right on the database even where there is nothing to create.
            found = await connection.scalar(text("SELECT to_regnamespace(:name) IS NOT NULL"), {"name": schema})
            if not found:
                await connection.execute(text(f'CREATE SCHEMA "{schema}"'))
            await connection.run_sync(_run, schema, revisions)
    except Exception as error:  # of SQLAlchemy, or of asyncpg where a revision runs a script
        if _LOCKED in (getattr(error, "sqlstate", None), getattr(getattr(error, "orig", None), "sqlstate", None)):
            return False
        raise
    return True


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
