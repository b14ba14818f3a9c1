"""POST, GET and DELETE of the 2025 era (MCP 2025-11-25, basic/transports), each served by any replica."""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
import mcp_types as types
from mcp.server.lowlevel import Server as SdkServer
from mcp.server.streamable_http import check_accept_headers
from mcp.shared.jsonrpc_dispatcher import cancelled_request_id_from_params
from mcp_types.version import LATEST_HANDSHAKE_VERSION, is_version_at_least
from starlette.requests import Request as Http
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Send

from shared.core.caller import Caller
from shared.core.errors import RateLimited
from shared.edge import envelope
from shared.edge.common import Common
from shared.edge.deliveries import Deliveries
from shared.edge.kept import InSession
from shared.edge.sessions.exchange import COMMIT_S, PRIMED_SINCE, Exchange
from shared.edge.sessions.handlers import Handlers
from shared.edge.sessions.opening import Opening
from shared.edge.sessions.questions import Questions
from shared.edge.sessions.replay import Replay
from shared.edge.sessions.standing import NOTICES, tell_changes
from shared.edge.sessions.underway import Underway
from shared.pipeline import Pipeline
from shared.state.notices import NOW
from shared.state.sessions import Session, UnknownStream, handle_of

SESSION = "suite.session"
"""Key of the ASGI scope that holds the session of a request of the 2025 era."""

HEADER = "mcp-session-id"

_REQUEST_CANCELLED = -32800
_ID_BYTES = 32


class SessionEndpoint:
    """The 2025 era of one server.

    Args:
        name: Of the server.
        sdk: Its handlers.
        pipeline: What opening and ending a session pass.
        deliveries: Which changes a session is told of.
        common: What it shares with other endpoints.
    """

    def __init__(
        self,
        name: str,
        sdk: SdkServer[Any],
        pipeline: Pipeline,
        deliveries: Deliveries,
        common: Common,
    ) -> None:
        self._server = name
        self._deliveries = deliveries
        self._common = common
        self._sessions = common.sessions
        self._questions = Questions(common.sessions, common.bus, common.replicas)
        self._underway = Underway(common.bus)
        self._replay = Replay(common.sessions, common.bus, common.replicas, common.draining)
        self._handlers = Handlers(sdk)
        self._opening = Opening(name, pipeline, common.sessions, self._underway, common.settings)
        self._exchanges: set[Exchange] = set()
        self._tasks: anyio.abc.TaskGroup | None = None

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        """Hear of other replicas, and let the client of every open stream go on elsewhere when we drain."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            tasks.start_soon(self._questions.run)
            tasks.start_soon(self._underway.run)
            with self._common.draining.on_begin(self._detach_all):
                try:
                    yield
                finally:
                    tasks.cancel_scope.cancel()

    async def post(self, http: Http, send: Send, message: dict[str, Any], caller: Caller) -> None:
        """One message of a client.

        Raises:
            Refused: There is no such session of this caller.
            Unavailable: Nobody can tell.
        """
        if message.get("method") == "initialize" and "id" in message:
            await self._initialize(http, send, message, caller)
            return
        session = await self._session_of(http, caller, message.get("id"))
        http.scope[SESSION] = session
        if "method" in message and "id" in message:
            await self._answer(http, send, message, session)
            return
        if "method" not in message:
            await self._questions.answered(session, message)
        elif message["method"] == "notifications/cancelled":
            request_id = cancelled_request_id_from_params(message.get("params"))
            if request_id is not None:
                await self._underway.cancel(session.handle, request_id)
        await Response(status_code=202)(http.scope, _nothing, send)

    async def get(self, http: Http, receive: Receive, send: Send, caller: Caller) -> None:
        """A stream: the rest of an answer after `Last-Event-ID`, or what changes.

        Raises:
            Refused: No such session, or no such stream of it.
            Unavailable: Nobody can tell.
        """
        session = await self._session_of(http, caller, None)
        if not check_accept_headers(http)[1]:
            raise envelope.Refused("not_acceptable", types.INVALID_REQUEST, 406, "Send Accept: text/event-stream")
        stream, _, after = http.headers.get("last-event-id", "").partition("/")
        try:
            await self._opening.listen(http, caller, session)
            if stream and stream != NOTICES:
                await self._replay.resume(session, stream, after or "0", send)
                return
        except RateLimited as failure:
            raise envelope.Refused("rate_limited", types.INVALID_REQUEST, 429, failure.message) from None
        except UnknownStream:
            said = "What came after this event is no longer kept. Make the call again, with the same idempotency_key"
            raise envelope.Refused("stream", types.INVALID_REQUEST, 410, said) from None
        await self._tell_changes(http, session, caller, after or NOW, receive, send)

    async def delete(self, http: Http, send: Send, caller: Caller) -> None:
        """End the session, everywhere.

        Raises:
            Refused: There is no such session of this caller.
        """
        session = await self._session_of(http, caller, None)
        await self._opening.end(http, caller, session)
        await Response(status_code=204)(http.scope, _nothing, send)

    async def _session_of(self, http: Http, caller: Caller, message_id: Any) -> Session:
        """The session the request names, if it is the caller's: to anybody else it does not exist."""
        given = http.headers.getlist(HEADER)
        if len(given) > 1:  # a proxy before us may have believed the other
            said = "Send one Mcp-Session-Id header"
            raise envelope.Refused("invalid_request", types.INVALID_REQUEST, 400, said, message_id)
        if not given:
            said = "Initialize first, then send the Mcp-Session-Id header with every request"
            raise envelope.Refused("no_session", types.INVALID_REQUEST, 400, said, message_id)
        session = await self._sessions.find(caller.tenant, handle_of(self._server, given[0]))
        if session is None or _owner(session) != (caller.issuer, caller.subject, caller.client):
            said = "Session not found: it ended, or it is not yours. Initialize again"
            raise envelope.Refused("unknown_session", types.INVALID_REQUEST, 404, said, message_id)
        return session

    async def _initialize(self, http: Http, send: Send, message: dict[str, Any], caller: Caller) -> None:
        session_id = secrets.token_urlsafe(_ID_BYTES)
        session = Session(
            handle=handle_of(self._server, session_id),
            tenant=caller.tenant,
            issuer=caller.issuer,
            subject=caller.subject,
            client=caller.client,
            version=LATEST_HANDSHAKE_VERSION,
            initialize=message.get("params") or {},
            opened_at=time.time(),
        )
        exchange = self._exchange(http, send, message, session, streams=False)
        answer, version = await self._handlers.initialize(exchange, message)
        if "result" in answer:
            answer = await self._opening.open(http, caller, replace(session, version=version), answer)
        headers = {"Mcp-Session-Id": session_id} if "result" in answer else {}
        await JSONResponse(answer, headers=headers)(http.scope, _nothing, send)

    async def _answer(self, http: Http, send: Send, message: dict[str, Any], session: Session) -> None:
        exchange = self._exchange(http, send, message, session, streams=check_accept_headers(http)[1])
        assert self._tasks is not None, "requests are served inside run()"  # noqa: S101 - an invariant
        late = asyncio.get_running_loop().call_later(COMMIT_S, self._tasks.start_soon, exchange.go_on_as_stream)
        self._exchanges.add(exchange)
        answer = _error(exchange.request_id, _REQUEST_CANCELLED, "Request cancelled")
        try:
            with self._underway.request(session.handle, exchange.request_id):
                answer = await self._handlers.answer(exchange, message)
            await exchange.answer(answer)
        except asyncio.CancelledError:  # the drain is over: whoever goes on with this stream must not wait for ever
            with anyio.CancelScope(shield=True):
                said = "The server stopped before the call was done; nothing more will come. Make the call again."
                await exchange.answer(_error(exchange.request_id, 503, said))
            raise
        finally:
            late.cancel()
            self._exchanges.discard(exchange)

    async def _tell_changes(
        self, http: Http, session: Session, caller: Caller, after: str, receive: Receive, send: Send
    ) -> None:
        """The standing stream: one a session, the newest."""
        request = self._opening.request(http, "stream", session.version)
        kept = InSession(self._common.sessions, session, self._common.settings.subscriptions_per_stream)
        primed = is_version_at_least(session.version, PRIMED_SINCE)

        async def alive() -> None:
            if await self._common.sessions.find(session.tenant, session.handle) is None:
                await self._underway.end(session.handle)

        with self._underway.stream(session.handle) as token:
            await self._underway.take_over(session.handle, token)
            try:
                async with self._deliveries.to(caller, request, kept, after) as delivery:
                    await tell_changes(delivery, alive, receive, send, primed=primed)
            except RateLimited as failure:
                raise envelope.Refused("streams", types.INVALID_REQUEST, 429, failure.message) from None

    def _exchange(
        self, http: Http, send: Send, message: dict[str, Any], session: Session, *, streams: bool
    ) -> Exchange:
        return Exchange(
            session=session,
            http=http,
            send=send,
            request_id=message["id"],
            params=message.get("params"),
            streams=streams,
            sessions=self._sessions,
            questions=self._questions,
            replicas=self._common.replicas,
            pressure=self._common.pressure,
        )

    def _detach_all(self) -> None:
        assert self._tasks is not None, "requests are served inside run()"  # noqa: S101 - an invariant
        for exchange in self._exchanges:
            self._tasks.start_soon(exchange.detach)


def _owner(session: Session) -> tuple[str, str, str]:
    return session.issuer, session.subject, session.client


def _error(request_id: str | int, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": message}}


async def _nothing() -> Any:
    """A `receive` for answers that read nothing."""
    await anyio.sleep_forever()
