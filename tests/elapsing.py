"""Time that passes in a Redis because a test says so."""

from typing import Any, cast

from redis.asyncio import Redis


async def elapse(redis: Redis, pattern: str, seconds: float) -> None:
    """Let that much time pass for every key that fits; none of them may be kept for ever."""
    for key in await cast("Any", redis).keys(pattern):
        left = await redis.pttl(key)
        assert left != -1, f"{key} would be kept for ever"
        await redis.pexpire(key, max(int(left - seconds * 1000), 0))
