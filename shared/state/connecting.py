"""How connections to PostgreSQL are made: one by itself, or the pool of a process."""

from typing import Any

import asyncpg
import orjson

from shared.core.errors import Misconfigured, Unavailable
from shared.core.settings import Settings
from shared.state.lending import UNSAID, refused_as_unknown, session_settings
from shared.state.lines import database_context

LOST = (
    ConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what asyncpg raises when the server is killed under it
    asyncpg.PostgresConnectionError,
    asyncpg.exceptions.OperatorInterventionError,
    asyncpg.exceptions.InsufficientResourcesError,
)
"""What means that PostgreSQL is not there, or not there any more."""


def unreachable() -> Unavailable:
    return Unavailable("The database cannot be reached. Nothing was done; retry in a moment.")


async def connect(url: str, purpose: str, timeout_s: float = 5, *, lent: bool = False) -> Any:
    """One connection of its own, outside the pool.

    Args:
        url: Straight to PostgreSQL, unless `lent`.
        purpose: What PostgreSQL lists it as.
        timeout_s: How long it may take.
        lent: A pooler may be in between: leave nothing behind on its connections.

    Raises:
        Unavailable: It cannot be had, for whatever reason.
    """
    try:
        return await asyncpg.connect(  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            url,
            timeout=timeout_s,  # pyright: ignore[reportArgumentType] - seconds, fractions too
            ssl=database_context(url),
            statement_cache_size=0 if lent else 100,
            server_settings={"application_name": f"mcp-suite {purpose}"},
        )
    except (*LOST, OSError, ValueError, asyncpg.PostgresError) as error:  # ValueError: the URL cannot be read
        raise unreachable() from error


async def fill_pool(dsn: str, settings: Settings) -> Any:
    """A pool that has `pool_min` connections.

    Raises:
        Unavailable: PostgreSQL cannot be reached, or does not let us in.
        Misconfigured: A pooler is in between, and the settings do not say so.
    """
    lent = settings.database_pooler == "transaction"
    pool: Any = asyncpg.create_pool(  # pyright: ignore[reportUnknownMemberType]
        dsn,
        min_size=settings.pool_min,
        max_size=settings.pool_max,
        max_inactive_connection_lifetime=300,
        init=_prepare,
        connect=_opened,
        reset=_keep,
        statement_cache_size=0 if lent else 100,
        command_timeout=settings.statement_timeout_s if lent else None,
        server_settings={"application_name": "mcp-suite"} if lent else session_settings(settings),
    )
    try:
        return await pool
    except asyncpg.ProtocolViolationError as error:
        if refused_as_unknown(error):
            raise Misconfigured(f"a pooler is between us and PostgreSQL ({error}). {UNSAID}") from error
        raise unreachable() from error
    except (*LOST, OSError, ValueError, asyncpg.PostgresError) as error:  # OSError: its name is not known yet
        raise unreachable() from error


async def _prepare(connection: Any) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: orjson.dumps(value).decode(),  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
        decoder=orjson.loads,
    )


async def _opened(dsn: str, *rest: Any, **options: Any) -> Any:
    """One more for the pool, with the certificates as they are now."""
    options["ssl"] = database_context(dsn)
    return await asyncpg.connect(dsn, *rest, **options)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


async def _keep(connection: Any) -> None:
    """Pool release without a reset round trip: all our session state is transaction-local."""
