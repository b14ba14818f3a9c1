import asyncio
from contextlib import suppress
from secrets import token_hex

from redis.asyncio import Redis

from shared.core.errors import Unavailable
from shared.core.settings import Settings
from shared.state.redis_calls import RedisCalls

_BEAT_S = 2.0
_BEAT_AGAIN_S = 0.2
_GONE_S = 6
_DOUBT_S = 2 * _BEAT_S


class RedisReplicas:
    """Each process that lives keeps a key of its own alive."""

    def __init__(self, redis: Redis, settings: Settings) -> None:
        self._calls = RedisCalls(redis, settings, "Other replicas")
        self.id = token_hex(8)
        self._left = False
        self._doubt_until = 0.0

    async def beat(self) -> None:
        while True:
            pause_s = _BEAT_S
            try:
                await self._calls.command("SET", _key(self.id), 1, "EX", _GONE_S)
            except Unavailable:
                self._doubt()
                pause_s = _BEAT_AGAIN_S
            await asyncio.sleep(pause_s)

    async def alive(self, replica: str) -> bool:
        """Whether it said so within the last 6 s.

        After nobody could say anything, others may not have had the time to say it again: for some seconds they are
        taken to be alive.
        """
        if replica == self.id:
            return not self._left
        try:
            if await self._calls.command("EXISTS", _key(replica)):
                return True
        except Unavailable:
            self._doubt()
            raise
        return asyncio.get_running_loop().time() < self._doubt_until

    def _doubt(self) -> None:
        self._doubt_until = asyncio.get_running_loop().time() + _DOUBT_S

    async def leave(self) -> None:
        self._left = True
        with suppress(Unavailable):
            await self._calls.command("DEL", _key(self.id))


def _key(replica: str) -> str:
    return f"suite:replica:{replica}"
