"""Bodies that are on their way: each has its time, and slow ones cannot take the places of the others."""

import asyncio
from http import HTTPStatus

import mcp_types as types
from starlette.types import Receive

from shared.core.settings import Settings
from shared.edge import body, envelope


class Arrivals:
    """Who reads a body. Half of the requests that may be in flight can; one more, and the oldest has had its time.

    A body that is sent in one piece is read within a round trip; who holds a connection open without sending one is
    always the oldest. So whoever opens a hundred such connections loses them to the first clients that come along.
    """

    def __init__(self, settings: Settings) -> None:
        self._most = max(1, settings.max_in_flight // 2)
        self._timeout_s = settings.body_timeout_s
        self._reading: dict[asyncio.Timeout, None] = {}

    async def read(self, receive: Receive, limit: int, declared: str | None) -> bytes:
        """The whole body, see `body.read`.

        Raises:
            Refused: With 408; it took longer than `body_timeout_s`, or was the slowest of too many.
        """
        try:
            async with asyncio.timeout(self._timeout_s) as patience:
                self._make_room()
                self._reading[patience] = None
                try:
                    return await body.read(receive, limit, declared)
                finally:
                    self._reading.pop(patience, None)
        except TimeoutError:
            said = "The body came too slowly. Send it in one piece"
            raise envelope.Refused("too_slow", types.INVALID_REQUEST, HTTPStatus.REQUEST_TIMEOUT, said) from None

    def _make_room(self) -> None:
        if len(self._reading) >= self._most:
            oldest = next(iter(self._reading))
            del self._reading[oldest]
            if not oldest.expired():
                oldest.reschedule(0)
