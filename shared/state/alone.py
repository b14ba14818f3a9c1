"""One at a time, across all machines: for commands that take long and must not run twice at once."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from hashlib import sha256

from shared.core.errors import Conflict
from shared.state.database import connect


@asynccontextmanager
async def alone(url: str, *names: str) -> AsyncGenerator[None]:
    """Hold a lock of PostgreSQL while the body runs; it ends with the process, however that ends.

    Args:
        url: Of any role.
        names: What is locked.

    Raises:
        Conflict: Somebody else holds it.
        Unavailable: The database is away.
    """
    key = int.from_bytes(sha256("\0".join(names).encode()).digest()[:8], "big", signed=True)
    connection = await connect(url, names[0])
    try:
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", key):
            raise Conflict(f"Another {' '.join(names)} is running. Wait until it has ended.")
        yield
    finally:
        await connection.close()
