import secrets
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import anyio
import orjson
from mcp.shared.dispatcher import coerce_request_id

from shared.state.bus import Bus

TOPIC = "sessions"
"""The bus topic on which replicas tell each other what to end: `{"ended": handle}`, `{"cancel": [handle, id]}`, and
`{"taken": [handle, token]}` when another GET stream of the session was opened."""


class Underway:
    """What runs here for sessions, so that word from any replica can end it."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._requests: dict[tuple[str, str | int], anyio.CancelScope] = {}
        self._streams: dict[str, tuple[str, anyio.CancelScope]] = {}

    @contextmanager
    def request(self, handle: str, request_id: str | int) -> Generator[anyio.CancelScope]:
        """Work on one request; its scope is cancelled when the client, or the end of its session, says so."""
        key = (handle, coerce_request_id(request_id))
        with anyio.CancelScope() as scope:
            self._requests[key] = scope
            try:
                yield scope
            finally:
                if self._requests.get(key) is scope:
                    del self._requests[key]

    @contextmanager
    def stream(self, handle: str) -> Generator[str]:
        """The GET stream of a session, under a token: a newer one takes over from it, wherever that is opened.

        A client that lost its connection comes back before the old one is known to be dead.
        """
        token = secrets.token_hex(8)
        self._end_stream(handle)
        with anyio.CancelScope() as scope:
            self._streams[handle] = (token, scope)
            try:
                yield token
            finally:
                if self._streams.get(handle) == (token, scope):
                    del self._streams[handle]

    async def take_over(self, handle: str, token: str) -> None:
        """End the session's GET streams at other replicas."""
        await self._bus.publish(TOPIC, orjson.dumps({"taken": [handle, token]}))

    async def cancel(self, handle: str, request_id: str | int) -> None:
        """Cancel a request of the session, here or elsewhere."""
        scope = self._requests.get((handle, coerce_request_id(request_id)))
        if scope is not None:
            scope.cancel()
        else:
            await self._bus.publish(TOPIC, orjson.dumps({"cancel": [handle, request_id]}))

    async def end(self, handle: str) -> None:
        """End everything of a session that is over, here and elsewhere."""
        self._end_all(handle)
        await self._bus.publish(TOPIC, orjson.dumps({"ended": handle}))

    async def run(self) -> None:
        """Hear what other replicas say, until cancelled. What is missed ends by itself: streams look whether their
        session is still there.
        """
        async with self._bus.listening(TOPIC) as inbox:
            while True:
                message = await inbox.next(60.0)
                if message is not None:
                    self._heard(orjson.loads(message))

    def _heard(self, said: Any) -> None:
        match said:
            case {"ended": str(handle)}:
                self._end_all(handle)
            case {"cancel": [str(handle), str() | int() as request_id]}:
                if (scope := self._requests.get((handle, coerce_request_id(request_id)))) is not None:
                    scope.cancel()
            case {"taken": [str(handle), str(token)]}:
                if (stream := self._streams.get(handle)) is not None and stream[0] != token:
                    self._end_stream(handle)
            case _:
                pass

    def _end_all(self, handle: str) -> None:
        for (whose, _), scope in list(self._requests.items()):
            if whose == handle:
                scope.cancel()
        self._end_stream(handle)

    def _end_stream(self, handle: str) -> None:
        if (stream := self._streams.get(handle)) is not None:
            stream[1].cancel()
