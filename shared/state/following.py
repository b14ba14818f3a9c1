import asyncio
from collections.abc import Awaitable, Callable, Sequence

from shared.core.errors import Unavailable
from shared.state.bus import Inbox
from shared.state.notices import Notice, position_of

_AGAIN_S = 0.5


class Follower:
    """What both kinds of notices follow with: the bus tells what is new, and the log tells what the bus lost.

    Args:
        inbox: Of the topic the notices are published on, listening since before `seen`.
        read: The notices kept after an id, in order.
        seen: The id after which to begin.
        behind: Whether to look at the log first.
    """

    def __init__(
        self, inbox: Inbox, read: Callable[[str], Awaitable[Sequence[Notice]]], seen: str, *, behind: bool
    ) -> None:
        self._inbox = inbox
        self._read = read
        self._seen = seen
        self._behind = behind

    @property
    def position(self) -> str:
        return self._seen

    async def next(self, timeout_s: float) -> Sequence[Notice]:
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_s
        while True:
            found = await self._look(until - loop.time())
            if found or loop.time() >= until:
                return found

    async def _look(self, timeout_s: float) -> Sequence[Notice]:
        if self._inbox.missed or self._behind:
            return await self._catch_up(timeout_s)
        message = await self._inbox.next(max(0, timeout_s))
        arrived: list[Notice] = []
        while message is not None:
            arrived.append(told(message))
            message = await self._inbox.next(0)
        return self._new(arrived)

    async def _catch_up(self, timeout_s: float) -> Sequence[Notice]:
        self._behind = True
        try:
            kept = await self._read(self._seen)
        except Unavailable:
            await asyncio.sleep(min(max(0, timeout_s), _AGAIN_S))
            return []
        self._behind = False
        return self._new(kept)

    def _new(self, notices: Sequence[Notice]) -> Sequence[Notice]:
        """Those not seen yet: what the log told may still arrive by the bus."""
        found = [notice for notice in notices if position_of(notice.id) > position_of(self._seen)]
        if found:
            self._seen = found[-1].id
        return found


def message_of(notice: Notice) -> bytes:
    return f"{notice.id} {notice.uri}".encode()


def told(message: bytes) -> Notice:
    """What `message_of` made."""
    position, _, uri = message.decode().partition(" ")
    return Notice(position, uri)
