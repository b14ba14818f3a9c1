import orjson
from starlette.types import Send

from shared.core.errors import OutcomeUnknown, Unavailable
from shared.edge.draining import Draining
from shared.edge.sessions import sse
from shared.state.bus import Bus, Replicas
from shared.state.sessions import Origin, Session, Sessions, UnknownStream, stream_topic

_LOOK_S = 2.0


class Replay:
    """Going on with an answer that another replica began, and may still be writing."""

    def __init__(self, sessions: Sessions, bus: Bus, replicas: Replicas, draining: Draining) -> None:
        self._sessions = sessions
        self._bus = bus
        self._replicas = replicas
        self._draining = draining

    async def resume(self, session: Session, stream: str, after: str, send: Send) -> None:
        """Send what came after an event, and what still comes, until the answer.

        Raises:
            UnknownStream: Before anything was sent: there is no such stream any more.
            Unavailable: The same, nobody can tell.
        """
        async with self._bus.listening(stream_topic(session, stream)) as inbox:
            origin = await self._sessions.origin(session, stream)
            events = await self._sessions.read(session, stream, after)
            await send({"type": "http.response.start", "status": 200, "headers": sse.HEADERS})
            while True:
                for event in events:
                    after = event.id
                    if event.data:
                        await _send(send, sse.event(event.data, f"{stream}/{event.id}"))
                    if event.last:
                        await _send(send, b"", more=False)
                        return
                if self._draining.begun:  # the client goes on elsewhere
                    await _send(send, b"", more=False)
                    return
                if await inbox.next(_LOOK_S) is None:
                    await _send(send, sse.PING)
                    await self._give_up_if_lost(session, stream, origin)
                try:
                    events = await self._sessions.read(session, stream, after)
                except (UnknownStream, Unavailable):  # the client comes back, and is told then
                    await _send(send, b"", more=False)
                    return

    async def _give_up_if_lost(self, session: Session, stream: str, origin: Origin) -> None:
        """Write the last event for a replica that died: nobody else will, and nobody can tell what it had done."""
        if origin.replica == self._replicas.id or await self._replicas.alive(origin.replica):
            return
        failure = OutcomeUnknown(
            "The replica that served this call was lost. A read can be repeated as it is; repeat a write with the "
            "same idempotency_key to learn its outcome."
        )
        error = {"code": 503, "message": failure.message, "data": failure.as_object("lost")}
        message = {"jsonrpc": "2.0", "id": origin.request_id, "error": error}
        await self._sessions.append(session, stream, orjson.dumps(message), last=True)


async def _send(send: Send, piece: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": piece, "more_body": more})
