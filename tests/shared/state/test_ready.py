"""Connections kept at hand, on a real pool: used again, never when they should not be, and never kept from others."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import asyncpg
import pytest

from shared.state import ready
from shared.state.database import connect
from shared.state.ready import Ready
from tests.harness import Databases

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def pool_of(databases: Databases, most: int) -> AsyncGenerator[Any]:
    pool: Any = await asyncpg.create_pool(databases.template.app, min_size=1, max_size=most)  # pyright: ignore[reportUnknownMemberType]
    try:
        yield pool
    finally:
        with anyio.fail_after(5):
            await pool.close()


async def process_of(connection: Any) -> int:
    return await connection.fetchval("SELECT pg_backend_pid()")


async def test_a_connection_is_used_again_without_the_pool_and_the_last_first(databases: Databases) -> None:
    async with pool_of(databases, 3) as pool:
        kept = Ready(pool, 2)
        taken = [await kept.take(5) for _ in range(3)]
        processes = [await process_of(connection) for connection in taken]
        for connection in taken:
            await kept.give(connection, sound=True)
        assert (kept.idle, pool.get_idle_size()) == (2, 1)
        assert await process_of(await kept.take(5)) == processes[1]
        await kept.give(taken[1], sound=True)
        await kept.empty()
        assert (kept.idle, pool.get_idle_size()) == (0, 3)


async def test_a_connection_whose_user_failed_goes_to_the_pool(databases: Databases) -> None:
    async with pool_of(databases, 1) as pool:
        kept = Ready(pool, 1)
        await kept.give(await kept.take(5), sound=False)
        assert (kept.idle, pool.get_idle_size()) == (0, 1)


async def test_a_connection_that_was_lost_at_hand_is_not_given_to_anybody(databases: Databases) -> None:
    async with pool_of(databases, 1) as pool:
        kept = Ready(pool, 1)
        connection = await kept.take(5)
        process = await process_of(connection)
        await kept.give(connection, sound=True)
        admin = await connect(databases.admin_url, "test")
        await admin.execute("SELECT pg_terminate_backend($1)", process)
        with anyio.fail_after(5):
            while await admin.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", process):
                await anyio.sleep(0.005)
        await admin.close()
        again = await kept.take(5)
        other = await process_of(again)
        await kept.give(again, sound=True)
        await kept.empty()
        assert other != process


async def test_a_stale_connection_is_closed(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    async with pool_of(databases, 1) as pool:
        kept = Ready(pool, 1)
        connection = await kept.take(5)
        process = await process_of(connection)
        await kept.give(connection, sound=True)
        monkeypatch.setattr(ready, "_STALE_S", 0.0)
        again = await kept.take(5)
        other = await process_of(again)
        await kept.give(again, sound=False)
        assert other != process


async def test_a_connection_somebody_waits_for_is_not_kept_from_them(databases: Databases) -> None:
    async with pool_of(databases, 1) as pool:
        kept = Ready(pool, 1)
        first = await kept.take(5)
        got: list[Any] = []

        async def wait() -> None:
            got.append(await kept.take(5))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            with anyio.fail_after(5):
                while not kept.waiting:
                    await anyio.lowlevel.checkpoint()
            await kept.give(first, sound=True)
        await kept.give(got[0], sound=True)
        assert kept.idle == 1
        await kept.empty()


async def test_who_waits_too_long_is_told_and_forgotten(databases: Databases) -> None:
    async with pool_of(databases, 1) as pool:
        kept = Ready(pool, 1)
        first = await kept.take(5)
        with pytest.raises(TimeoutError):
            await kept.take(0.05)
        await kept.give(first, sound=True)
        assert kept.idle == 1
        await kept.empty()
        await kept.give(await kept.take(5), sound=True)
        assert kept.idle == 0, "nothing is kept once the pool is to be closed"
