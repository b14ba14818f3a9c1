"""The answer to one request of a session: JSON, as long as nothing has to be said before it.

Once a tool asks, or tells of progress, or takes long, the answer becomes a stream of events, each kept before it is
sent, so that a client whose connection broke goes on with it at any replica. Deferring that keeps ordinary calls at
one message without a trace in Redis, and their HTTP status open for a 403.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
import mcp_types as types
import orjson
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import MCPError, NoBackChannelError
from mcp.shared.jsonrpc_dispatcher import progress_token_from_params
from mcp.shared.message import ServerMessageMetadata
from mcp.shared.transport_context import TransportContext
from mcp_types.version import is_version_at_least
from starlette.requests import Request
from starlette.types import Send

from shared.core.errors import Unavailable
from shared.edge.pressure import Pressure
from shared.edge.sessions import sse
from shared.edge.sessions.questions import Questions
from shared.state.bus import Replicas
from shared.state.sessions import Origin, Session, Sessions

COMMIT_S = 2.0
"""Seconds after which an answer becomes a stream, before a proxy or a client gives up on a silent one."""

_ASK_S = 300.0
PRIMED_SINCE = "2025-11-25"
"""The version whose clients take an event that only tells an id."""


@dataclass(eq=False)
class Exchange:
    """One request, and the way back to its client; the SDK's `DispatchContext`.

    Attributes:
        request_id: The client's.
        streams: Whether the client takes a stream of events for an answer.
    """

    session: Session
    http: Request
    send: Send
    request_id: str | int
    params: Mapping[str, Any] | None
    streams: bool
    sessions: Sessions
    questions: Questions
    replicas: Replicas
    pressure: Pressure
    cancel_requested: anyio.Event = field(default_factory=anyio.Event)
    _stream: str | None = None
    _resumable: bool = False
    _detached: bool = False
    _over: anyio.Event = field(default_factory=anyio.Event)
    _lock: anyio.Lock = field(default_factory=anyio.Lock)

    # What the SDK wants to know

    @property
    def transport(self) -> TransportContext:
        return TransportContext(kind="streamable-http", can_send_request=self.streams)

    @property
    def can_send_request(self) -> bool:
        return self.streams and not self._over.is_set()

    @property
    def message_metadata(self) -> ServerMessageMetadata:
        return ServerMessageMetadata(request_context=self.http)

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None:
        """Tell the client something on the way to the answer; dropped where it takes no stream."""
        del opts
        if self.can_send_request:
            await self._say(_message(method, params))

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        token = progress_token_from_params(self.params)
        if token is not None:
            told = {"progressToken": token, "progress": progress, "total": total, "message": message}
            await self.notify(
                "notifications/progress", {key: value for key, value in told.items() if value is not None}
            )

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        """Ask the client, and wait for its answer, at whichever replica it arrives.

        Raises:
            NoBackChannelError: The client takes no stream.
            MCPError: The client answered with an error, or not in time (`-32001`).
        """
        if not self.can_send_request:
            raise NoBackChannelError(method)
        timeout_s = (opts or {}).get("timeout", _ASK_S)
        question = self.questions.new_id()
        with self.pressure.aside():  # people take their time, and hold nobody up meanwhile
            await self.questions.announce(self.session, question, timeout_s)
            await self._say({**_message(method, params), "id": question})
            try:
                answer = await self.questions.wait(self.session, question, timeout_s)
            except TimeoutError:
                told = {"requestId": question, "reason": "nobody answered in time"}
                await self.notify("notifications/cancelled", told)
                raise MCPError(types.REQUEST_TIMEOUT, f"No answer within {timeout_s:g} s") from None
        if "error" in answer:
            raise MCPError(answer["error"]["code"], answer["error"]["message"], answer["error"].get("data"))
        return answer["result"]

    # What the endpoint does with it

    async def answer(self, message: dict[str, Any]) -> None:
        """Send the answer; afterwards nothing else is said."""
        async with self._lock:
            if self._over.is_set():
                return
            self._over.set()
            if self._stream is None:
                await self._send_json(orjson.dumps(message))
            else:
                await self._keep_and_send(orjson.dumps(message), last=True)

    async def go_on_as_stream(self) -> None:
        """After a while: make a stream of the answer, and keep it from looking dead until it is over."""
        async with self._lock:
            if not self._over.is_set():
                await self._open()
        while not self._over.is_set():
            with anyio.move_on_after(sse.PING_S):
                await self._over.wait()
            async with self._lock:
                if not self._over.is_set():
                    await self._send_piece(sse.PING)

    async def detach(self) -> None:
        """Close the connection of a stream that the client can go on with elsewhere; the work goes on here."""
        async with self._lock:
            if self._resumable and not self._over.is_set() and not self._detached:
                self._detached = True
                await self.send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _say(self, message: dict[str, Any]) -> None:
        async with self._lock:
            if self._over.is_set():
                return
            await self._open()
            await self._keep_and_send(orjson.dumps(message))

    async def _open(self) -> None:
        if self._stream is not None:
            return
        self._stream = secrets.token_hex(8)
        await self.send({"type": "http.response.start", "status": 200, "headers": sse.HEADERS})
        try:
            await self.sessions.begin(self.session, self._stream, Origin(self.replicas.id, self.request_id))
        except Unavailable:
            return
        if is_version_at_least(self.session.version, PRIMED_SINCE):
            event_id = await self._keep(b"")
            if event_id is not None:
                await self._send_piece(sse.primed(event_id))

    async def _keep_and_send(self, data: bytes, *, last: bool = False) -> None:
        event_id = await self._keep(data, last=last)
        await self._send_piece(sse.event(data, event_id), last=last)

    async def _keep(self, data: bytes, *, last: bool = False) -> str | None:
        """The id a client can go on after; None while nothing can be kept, and the open connection is all there is."""
        assert self._stream is not None, "a stream is opened before it is written"  # noqa: S101 - an invariant
        try:
            kept = await self.sessions.append(self.session, self._stream, data, last=last)
        except Unavailable:
            return None
        if kept is None:
            return None
        self._resumable = True
        return f"{self._stream}/{kept}"

    async def _send_piece(self, piece: bytes, *, last: bool = False) -> None:
        if not self._detached:
            await self.send({"type": "http.response.body", "body": piece, "more_body": not last})

    async def _send_json(self, content: bytes) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        await self.send({"type": "http.response.start", "status": 200, "headers": headers})
        await self.send({"type": "http.response.body", "body": content})


def _message(method: str, params: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method} | ({"params": params} if params else {})
