"""Server-sent events (WHATWG HTML §9.2): a page hears that something changed, and asks anew."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from shared.core.caller import Caller
from shared.edge.open_streams import OpenStreams
from shared.edge.pressure import Pressure
from shared.state.bus import Bus
from shared.state.notices import NOW, Notices, position_of
from shared.state.web_store import topic_of

PING_S = 15.0
_HEADERS = [(b"content-type", b"text/event-stream"), (b"x-accel-buffering", b"no")]
_PING = b": ping\n\n"
_AGAIN = b"retry: 3000\n\n"


@dataclass(frozen=True)
class Sources:
    """Where events come from, and what ends them."""

    server: str
    notices: Notices
    streams: OpenStreams
    pressure: Pressure
    bus: Bus


class Events(Response):
    """The notices of one server and tenant, for one open page.

    It ends when the process drains, when the caller's token or session does, and when the caller is stopped; the
    browser then asks again by itself, and is checked anew.

    Args:
        topics: Which URIs, by how they begin.
        after: The id of the last event the browser had.
        lasts: Whether the session is there still.
    """

    def __init__(
        self,
        sources: Sources,
        caller: Caller,
        session_id: str,
        topics: Sequence[str],
        after: str | None,
        lasts: Callable[[], Awaitable[bool]],
    ) -> None:
        super().__init__()
        self._sources = sources
        self._caller = caller
        self._session_id = session_id
        self._topics = tuple(topics)
        self._after = after if after and position_of(after) != (0, 0) else NOW
        self._lasts = lasts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as ASGI has it
        """Raises RateLimited or Busy before anything is sent: too many streams are open."""
        sources = self._sources
        with sources.pressure.aside(), sources.streams.open(self._caller):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._until_gone, receive, tasks.cancel_scope)
                tasks.start_soon(self._until_ended, tasks.cancel_scope)
                await send({"type": "http.response.start", "status": 200, "headers": self._told()})
                await self._tell(send)
        with anyio.CancelScope(shield=True), anyio.move_on_after(1):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _tell(self, send: Send) -> None:
        sources = self._sources
        following = sources.notices.following(sources.server, self._caller.tenant, self._after)
        await send({"type": "http.response.body", "body": _AGAIN, "more_body": True})
        async with following as notices:
            while True:
                found = await notices.next(PING_S)
                told = [notice for notice in found if notice.uri.startswith(self._topics)]
                events = [f"id: {one.id}\nevent: changed\ndata: {_line(one.uri)}\n\n".encode() for one in told]
                await send({"type": "http.response.body", "body": b"".join(events) or _PING, "more_body": True})

    async def _until_gone(self, receive: Receive, scope: anyio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        scope.cancel()

    async def _until_ended(self, scope: anyio.CancelScope) -> None:
        """Sessions also end by themselves, which nobody tells."""
        async with self._sources.bus.listening(topic_of(self._session_id)) as inbox:
            while await self._lasts():
                await inbox.next(PING_S)
        scope.cancel()

    def _told(self) -> list[tuple[bytes, bytes]]:
        return [*self.raw_headers_without_length(), *_HEADERS]

    def raw_headers_without_length(self) -> list[tuple[bytes, bytes]]:
        """What others set on the answer, e.g. cookies."""
        return [(name, value) for name, value in self.raw_headers if name not in {b"content-length", b"content-type"}]


def _line(text: str) -> str:
    return text.replace("\r", " ").replace("\n", " ")
