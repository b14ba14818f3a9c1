"""One at a time, across all machines: for commands that take long and must not run twice at once."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from hashlib import sha256

from shared.core.errors import Conflict
from shared.state.database import connect


@asynccontextmanager
async def alone(url: str, what: str, *whose: str) -> AsyncGenerator[None]:
    """Hold a lock of PostgreSQL while the body runs; it ends with the process, however that ends.

    Args:
        url: Of any role.
        what: The command.
        whose: What it works on.

    Raises:
        Conflict: Somebody else holds it.
        Unavailable: The database is away.
    """
    key = int.from_bytes(sha256("\0".join((what, *whose)).encode()).digest()[:8], "big", signed=True)
    connection = await connect(url, what)
    try:
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", key):
            raise Conflict(f"Another {what} of {'/'.join(whose)} is running. Wait until it has ended.")
        yield
    finally:
        await connection.close()
