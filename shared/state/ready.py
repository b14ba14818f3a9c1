"""Connections kept at hand: to take a pool's and give it back costs asyncpg more than most of our statements."""

import time
from contextlib import suppress
from typing import Any

import anyio
import asyncpg

_STALE_S = 300.0


class Ready:
    """A pool, and the few of its connections that were in use last.

    Args:
        pool: asyncpg's.
        most: Connections kept at hand; the others go back to the pool at once.

    Attributes:
        waiting: How many callers wait for a connection.
    """

    def __init__(self, pool: Any, most: int) -> None:
        self._pool = pool
        self._most = most
        self._idle: list[tuple[Any, float]] = []
        self.waiting = 0

    async def take(self, timeout_s: float) -> Any:
        """A connection, for `give`.

        Raises:
            TimeoutError: All are in use for that long.
            OSError, asyncpg.PostgresError, asyncpg.InterfaceError: What keeps asyncpg from connecting.
        """
        while self._idle:
            connection, since = self._idle.pop()
            if _is_open(connection) and time.monotonic() - since < _STALE_S:
                return connection
            with suppress(asyncpg.InterfaceError):  # it was lost, and the pool has taken it back
                connection.terminate()
            await self._release(connection)
        self.waiting += 1
        try:
            return await self._pool.acquire(timeout=timeout_s)
        finally:
            self.waiting -= 1

    async def give(self, connection: Any, *, sound: bool) -> None:
        """Give it back; one whose user failed is cleaned by the pool, and one that somebody waits for goes there."""
        if sound and not self.waiting and len(self._idle) < self._most and _is_open(connection):
            self._idle.append((connection, time.monotonic()))
        else:
            await self._release(connection)

    async def empty(self) -> None:
        """Give all back and keep no more, before the pool is closed."""
        self._most = 0
        while self._idle:
            await self._release(self._idle.pop()[0])

    @property
    def idle(self) -> int:
        return len(self._idle)

    async def _release(self, connection: Any) -> None:
        with anyio.CancelScope(shield=True):
            await self._pool.release(connection)


def _is_open(connection: Any) -> bool:
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:  # lost, and taken back by the pool
        return False
