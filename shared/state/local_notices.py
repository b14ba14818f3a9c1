import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

from shared.state.bus import Bus
from shared.state.following import Follower, message_of
from shared.state.notices import KEPT_S, MOST, NOW, Following, Notice, notices_topic, position_of


class LocalNotices:
    """The twin of `RedisNotices` inside one process.

    Args:
        clock: Seconds since the epoch.
        most_logs: Servers and tenants at once; beyond it the one that was quiet longest is forgotten.
    """

    def __init__(self, bus: Bus, clock: Callable[[], float] = time.time, most_logs: int = 1000) -> None:
        self._bus = bus
        self._clock = clock
        self._most_logs = most_logs
        self._last = (0, 0)
        self._logs: dict[str, deque[Notice]] = {}

    async def publish(self, server: str, tenant: str, uris: Sequence[str]) -> None:
        topic = notices_topic(server, tenant)
        notices = [Notice(self._next_id(), uri) for uri in uris]
        log = self._logs.pop(topic, deque[Notice](maxlen=MOST))
        log.extend(notices)
        self._logs[topic] = log
        if len(self._logs) > self._most_logs:
            del self._logs[next(iter(self._logs))]
        for notice in notices:
            await self._bus.publish(topic, message_of(notice))

    async def deliver(self, server: str, tenant: str, uris: Sequence[str]) -> None:
        await self.publish(server, tenant, uris)

    @asynccontextmanager
    async def following(self, server: str, tenant: str, after: str = NOW) -> AsyncGenerator[Following]:
        topic = notices_topic(server, tenant)

        async def read(seen: str) -> Sequence[Notice]:
            oldest = (int((self._clock() - KEPT_S) * 1000), 0)
            return [kept for kept in self._logs.get(topic, ()) if position_of(kept.id) > max(position_of(seen), oldest)]

        async with self._bus.listening(topic) as inbox:
            seen = "{}-{}".format(*(self._last if after == NOW else position_of(after)))
            yield Follower(inbox, read, seen, behind=after != NOW)

    def _next_id(self) -> str:
        last_ms, number = self._last
        self._last = max((int(self._clock() * 1000), 0), (last_ms, number + 1))
        return f"{self._last[0]}-{self._last[1]}"
