"""The way in to one endpoint: who finds no room is refused here, before its token and its body are looked at."""

from contextlib import suppress
from itertools import cycle
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from shared.core.settings import Settings
from shared.edge import body, envelope, unavailable
from shared.edge.arrivals import Arrivals
from shared.edge.pressure import Busy, Pressure
from shared.edge.refusals import Refusals

_LISTEN = b"subscriptions/listen"
_ID_WITHIN_BYTES = 64 * 1024


class Gate:
    """An endpoint, and what may pass to it.

    Args:
        app: The endpoint.
        server: Its server's name, for what is counted.
        pressure: The process's.
        refusals: Counts what is shed.
        settings: How long a body may take, and how many may be read at a time.
    """

    def __init__(self, app: ASGIApp, server: str, pressure: Pressure, refusals: Refusals, settings: Settings) -> None:
        self._app = app
        self._server = server
        self._pressure = pressure
        self._refusals = refusals
        self._arrivals = Arrivals(settings)
        self._most_told = settings.max_waiting
        self._told = 0
        # Who is refused at one moment does not come back at one moment.
        self._retry_s = cycle(("1", "2", "3"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        pressure = self._pressure
        try:
            if _opens_stream(scope):
                pressure.open_stream()
                leave = pressure.close_stream
            else:
                leave = pressure.leave
                if not pressure.enter_at_once():
                    await pressure.enter()
        except Busy as busy:
            await self._shed(busy, scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            leave()

    async def _shed(self, busy: Busy, scope: Scope, receive: Receive, send: Send) -> None:
        content = b""
        message: dict[str, Any] = {}
        if unavailable.must_be_told_inside(scope) and self._told < self._most_told:
            self._told += 1
            try:
                content, message = await self._read(receive)
            finally:
                self._told -= 1
        if message and not ("id" in message and "method" in message):
            # A notification, or what a person answered: it asks for nothing, and some call that has a place needs it.
            await self._app(scope, body.replay(content, receive), send)
            return
        self._refusals.count(self._server, busy.reason, scope["client"][0] if scope.get("client") else None)
        if message:
            answer = unavailable.inside(message["id"], str(busy))
        else:
            answer = unavailable.outside(str(busy), next(self._retry_s))
        await answer(scope, receive, send)

    async def _read(self, receive: Receive) -> tuple[bytes, dict[str, Any]]:
        """The body, and the message if it is one."""
        with suppress(body.TooLarge, body.Disconnected, body.Malformed, envelope.Refused):
            content = await self._arrivals.read(receive, _ID_WITHIN_BYTES, None)
            message = body.check(content)
            envelope.check(message)
            return content, message
        return b"", {}


def _opens_stream(scope: Scope) -> bool:
    if scope["method"] == "GET":
        return True
    for name, value in scope["headers"]:
        if name == b"mcp-method":
            return value.strip() == _LISTEN
    return False
