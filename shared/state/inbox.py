import asyncio
from collections import deque
from contextlib import suppress

MOST = 1024
"""Messages that wait for one listener; what comes on top is lost, and `missed` says so."""


class BoundedInbox:
    """The inbox of both buses, for one listener at a time.

    Attributes:
        live: Whether what is published now arrives; a bus over a connection says so.
    """

    def __init__(self, most: int = MOST) -> None:
        self.live = True
        self._most = most
        self._messages: deque[bytes] = deque()
        self._missed = False
        self._untold = False
        self._wake = asyncio.Event()

    def put(self, message: bytes) -> bool:
        """Take a message in; False if there is no room, and it is lost."""
        if len(self._messages) >= self._most:
            self.miss()
            return False
        self._messages.append(message)
        self._wake.set()
        return True

    def miss(self) -> None:
        """Note that something may have been lost."""
        self._missed = self._untold = True
        self._wake.set()

    @property
    def quiet(self) -> bool:
        return self.live and not self._messages and not self._missed

    @property
    def missed(self) -> bool:
        missed, self._missed, self._untold = self._missed, False, False
        return missed

    async def next(self, timeout_s: float) -> bytes | None:
        if not self._messages and not self._untold and timeout_s > 0:
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._wake.wait()
        if self._untold:  # told once for each loss, so that nobody who does not care goes round and round
            self._untold = False
            return None
        return self._messages.popleft() if self._messages else None
