import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from secrets import token_hex

from redis.asyncio import Redis

from shared.core.errors import Unavailable
from shared.core.metrics import BUS_LOST
from shared.core.settings import Settings
from shared.state.bus import Bus
from shared.state.following import Follower
from shared.state.notices import KEPT_S, MOST, NOW, Following, Notice, notices_topic, position_of
from shared.state.redis_bus import channel_of
from shared.state.redis_calls import RedisCalls, Script, key_of

_BEGINNING = "0-0"
_SKEW_MS = 5000

_PUBLISH = Script("""
-- KEYS: the log, whether this was done. ARGV: channel, entries to keep, seconds to keep, URIs.
if not redis.call('SET', KEYS[2], 1, 'NX', 'EX', 60) then return end  -- the client asks again after a lost connection
for i = 4, #ARGV do
  local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'uri', ARGV[i])
  redis.call('PUBLISH', ARGV[1], id .. ' ' .. ARGV[i])
end
redis.call('XTRIM', KEYS[1], 'MINID', '~', string.format('%.0f', (redis.call('TIME')[1] - ARGV[3]) * 1000))
redis.call('EXPIRE', KEYS[1], ARGV[3])
""")


class RedisNotices:
    """A log for each server and tenant; the bus tells of what is new, and the log of what the bus lost."""

    def __init__(self, redis: Redis, settings: Settings, bus: Bus) -> None:
        self._calls = RedisCalls(redis, settings, "Notices")
        self._bus = bus

    async def publish(self, server: str, tenant: str, uris: Sequence[str]) -> None:
        try:
            await self.deliver(server, tenant, uris)
        except Unavailable:
            BUS_LOST.add("not_sent", by=len(uris))

    async def deliver(self, server: str, tenant: str, uris: Sequence[str]) -> None:
        if not uris:
            return
        keys = [_log(server, tenant), key_of(tenant, "noticed", token_hex(8))]
        channel = channel_of(notices_topic(server, tenant))
        await self._calls.script(_PUBLISH, keys, channel, MOST, KEPT_S, *uris)

    @asynccontextmanager
    async def following(self, server: str, tenant: str, after: str = NOW) -> AsyncGenerator[Following]:
        log = _log(server, tenant)

        async def read(seen: str) -> Sequence[Notice]:
            entries = await self._calls.command("XRANGE", log, f"({seen}", "+")
            return [Notice(notice_id.decode(), fields[b"uri"].decode()) for notice_id, fields in entries]

        async with self._bus.listening(notices_topic(server, tenant)) as inbox:
            seen = await self._last(log) if after == NOW else "{}-{}".format(*position_of(after))
            yield Follower(inbox, read, seen, behind=after != NOW)

    async def _last(self, log: str) -> str:
        """The newest id; guessed, rather too early, while nobody can tell."""
        try:
            entries = await self._calls.command("XREVRANGE", log, "+", "-", "COUNT", 1)
        except Unavailable:
            return f"{int(time.time() * 1000) - _SKEW_MS}-0"
        return entries[0][0].decode() if entries else _BEGINNING


def _log(server: str, tenant: str) -> str:
    return key_of(tenant, "notices", server)
