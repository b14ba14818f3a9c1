import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from secrets import token_hex

from shared.core.metrics import BUS_LOST
from shared.state.bus import Inbox
from shared.state.inbox import BoundedInbox


class LocalBus:
    """The twin of `RedisBus` inside one process: another process hears nothing of it."""

    def __init__(self) -> None:
        self._topics: dict[str, set[BoundedInbox]] = {}

    async def publish(self, topic: str, message: bytes = b"") -> None:
        for inbox in self._topics.get(topic, ()):
            if not inbox.put(message):
                BUS_LOST.add("inbox_full")

    @asynccontextmanager
    async def listening(self, topic: str) -> AsyncGenerator[Inbox]:
        inbox = BoundedInbox()
        inboxes = self._topics.setdefault(topic, set())
        inboxes.add(inbox)
        try:
            yield inbox
        finally:
            inboxes.discard(inbox)
            if not inboxes and self._topics.get(topic) is inboxes:
                del self._topics[topic]


class LocalReplicas:
    """The twin of `RedisReplicas` inside one process, which is the only one alive."""

    def __init__(self) -> None:
        self.id = token_hex(8)
        self._left = False

    async def beat(self) -> None:
        """Nobody else listens: waits until cancelled."""
        await asyncio.get_running_loop().create_future()

    async def alive(self, replica: str) -> bool:
        return replica == self.id and not self._left

    async def leave(self) -> None:
        self._left = True
