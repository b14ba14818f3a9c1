"""Whether PostgreSQL allows all the connections that a fleet's pools may ask it for."""

from typing import Any

import structlog

from shared.core.settings import Settings
from shared.state.contract import Finding

BESIDE_OUR_POOL = 2
"""The audit writer's, and the one that looks for what is switched off."""

_ALLOWED = """
    SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
         - coalesce(current_setting('reserved_connections', true), '0')::int
"""

log = structlog.get_logger("database")


async def room(connection: Any, settings: Settings, beside: int = 0) -> Finding:
    """One line of `doctor`; a problem where the pools together may ask for more than there are.

    Args:
        connection: To the database in question.
        settings: Of one of the replicas, which are all alike.
        beside: Connections that each replica keeps outside its pool.
    """
    allowed: int = await connection.fetchval(_ALLOWED)
    pooled = settings.database_pooler == "transaction"  # then the pooler's own limits hold for the pools
    most = 0 if pooled else settings.pool_max
    asked = settings.replicas * (most + beside)
    each = f"({most} + {beside})" if beside and most else f"{most or beside}"
    text = f"replicas × connections: {settings.replicas} × {each} = {asked}; PostgreSQL allows {allowed}"
    if asked <= allowed:
        return Finding("ok", text)
    fix = "Lower SUITE_POOL_MAX or SUITE_REPLICAS, or raise max_connections and restart PostgreSQL."
    return Finding("problem", text, fix)


async def warn_if_cramped(connection: Any, settings: Settings, beside: int = 0) -> None:
    """At start: the replicas that come last would be turned away, so say it while somebody looks."""
    found = await room(connection, settings, beside)
    if found.level == "problem":
        log.warning("PostgreSQL allows too few connections", found=found.text, fix=found.fix)
