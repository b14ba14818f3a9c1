"""The HTTP edge of one server: what is checked before the SDK sees a request, in this order.

Method, token, media types, size, JSON, envelope; Host and Origin were checked for the whole application. What is
refused here, or by the SDK before a handler runs, leaves no record of its own: it is counted per source and reason.
"""

import json
import math
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import mcp_types as types
from mcp.server.streamable_http import check_accept_headers
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, LATEST_HANDSHAKE_VERSION
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.core import metrics
from shared.core.caller import Caller
from shared.core.errors import Forbidden, RateLimited, StepUp, Unauthenticated, Unavailable
from shared.core.server import Server
from shared.edge import body, envelope, unavailable
from shared.edge.address import Address
from shared.edge.arrivals import Arrivals
from shared.edge.boundary import CHALLENGE
from shared.edge.common import Common
from shared.edge.deliveries import Deliveries
from shared.edge.entrance import HANDLED, ON_BEHALF
from shared.edge.kept import of_sessions
from shared.edge.protocol import Protocol
from shared.edge.sessions.endpoint import SESSION, SessionEndpoint
from shared.edge.uris import Uris
from shared.edge.watch import BEGAN, Context
from shared.pipeline import Pipeline
from shared.steps.auth import Verifier
from shared.steps.challenges import challenge_401, challenge_403, challenge_step_up
from shared.steps.limits import PRESSURE

CALLER = "suite.caller"
"""Key of the ASGI scope that holds the verified caller."""

_REASONS = {
    types.INVALID_REQUEST: "invalid_request",
    types.METHOD_NOT_FOUND: "unknown_method",
    types.INVALID_PARAMS: "invalid_params",
    types.HEADER_MISMATCH: "header_mismatch",
    types.UNSUPPORTED_PROTOCOL_VERSION: "unsupported_version",
}
_OF_SESSIONS = {"GET", "DELETE"}


def caller_of(context: Context) -> Caller:
    """The caller the edge verified for this request."""
    assert context.request is not None, "HTTP handlers have their request"  # noqa: S101 - an invariant
    caller: Caller = context.request.scope[CALLER]
    return caller


def metadata(server: Server, address: Address, issuers: list[str]) -> dict[str, Any]:
    """The protected-resource metadata (RFC 9728 §2)."""
    return {
        "resource": address.resource,
        "resource_name": server.title,
        "authorization_servers": issuers,
        "scopes_supported": list(server.baseline),
        "bearer_methods_supported": ["header"],
    }


class Endpoint:
    """The MCP endpoint of one server."""

    def __init__(
        self,
        server: Server,
        address: Address,
        pipeline: Pipeline,
        verifier: Verifier,
        common: Common,
    ) -> None:
        self._server = server
        settings = common.settings
        deliveries = Deliveries(Uris(server.tools.resources), pipeline, common.notices, common.streams)
        most = settings.subscriptions_per_stream
        protocol = Protocol(server, pipeline, caller_of, "http", common.states, settings.ask_timeout_s)
        sdk = protocol.build()
        protocol.offer_subscriptions(sdk, deliveries, of_sessions(common.sessions, most, SESSION), most)
        answers, streams = (
            StreamableHTTPSessionManager(
                sdk, json_response=json_only, stateless=True, max_request_body_size=settings.body_limit_bytes
            )
            for json_only in (True, False)
        )
        self._answers = answers
        self._streams = streams
        self._sessions = SessionEndpoint(server.name, sdk, pipeline, deliveries, common)
        self._verifier = verifier
        self._arrivals = Arrivals(settings)
        self._refusals = common.refusals
        self._exchanges = common.exchanges[server.name]
        self._settings = settings
        self._issuers = {issuer.url: issuer for issuer in settings.trusted_issuers}
        self._metadata_url = address.metadata_url

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        """The life of the endpoint; requests are served inside it."""
        async with self._answers.run(), self._streams.run(), self._sessions.run():
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began_ns = time.perf_counter_ns()
        headers = Headers(scope=scope)
        legacy = headers.get("mcp-protocol-version", LATEST_HANDSHAKE_VERSION) in HANDSHAKE_PROTOCOL_VERSIONS
        if scope["method"] != "POST" and not (legacy and scope["method"] in _OF_SESSIONS):
            allowed = "GET, POST, DELETE" if legacy else "POST"
            await Response(status_code=405, headers={"Allow": allowed})(scope, receive, send)
            return
        message: dict[str, Any] = {}
        try:
            authorization = _authorization(headers)
            caller = await self._verifier.verify(authorization)
            # httptools keeps trailing blanks in values; the SDK compares some of these headers with the body.
            # The token goes no further: what is behind may exchange it, and has nothing to pass on.
            trimmed = [(name, value.strip()) for name, value in scope["headers"] if name != b"authorization"]
            on_behalf = self._exchanges.on_behalf(authorization, caller)
            scope = {**scope, CALLER: caller, BEGAN: began_ns, ON_BEHALF: on_behalf, "headers": trimmed}
            if scope["method"] != "POST":
                await self._of_session(scope, receive, send, caller)
                return
            _check_media_types(Request(scope))
            limit = self._settings.body_limit_bytes
            content = await self._arrivals.read(receive, limit, headers.get("content-length"))
            message = body.check(content)
            envelope.check(message)
            envelope.check_version(message, headers.get("mcp-protocol-version"))
            if legacy:
                await self._sessions.post(Request(scope), self._answering(scope, send), message, caller)
                return
        except body.Disconnected:
            return
        except (Unauthenticated, Unavailable, body.TooLarge, body.Malformed, envelope.Refused) as error:
            answer = await self._refusal(error, scope, receive, message)
            await answer(scope, receive, send)
            return
        manager = self._streams if _wants_stream(message) else self._answers
        await manager.handle_request(scope, body.replay(content, receive), self._answering(scope, send))

    async def _of_session(self, scope: Scope, receive: Receive, send: Send, caller: Caller) -> None:
        """GET and DELETE, which only sessions of the 2025 era know."""
        if scope["method"] == "GET":
            await self._sessions.get(Request(scope), receive, send, caller)
        else:
            await self._sessions.delete(Request(scope), send, caller)

    async def _refusal(
        self, error: Exception, scope: Scope, receive: Receive, message: dict[str, Any] | None = None
    ) -> ASGIApp:
        match error:
            case Unauthenticated():
                self._count(scope, error.reason)
                metrics.AUTHENTICATION_FAILURES.add(self._server.name, error.reason)
                challenge = challenge_401(error, metadata_url=self._metadata_url, scopes=self._server.baseline)
                shown = {"error": "invalid_token", "error_description": error.description or "Authorize first."}
                return JSONResponse(shown, 401, {"WWW-Authenticate": challenge, "Cache-Control": "no-store"})
            case body.TooLarge():
                self._count(scope, "too_large")
                limit = self._settings.body_limit_bytes
                return _rpc_error(413, None, types.INVALID_REQUEST, f"The body exceeds {limit} bytes")
            case body.Malformed():
                self._count(scope, "malformed")
                return _rpc_error(400, None, types.PARSE_ERROR, f"Parse error: {error}")
            case envelope.Refused():
                self._count(scope, error.reason)
                answer = _rpc_error(error.status, error.message_id, error.code, str(error))
                if error.status == HTTPStatus.REQUEST_TIMEOUT:
                    answer.headers["Connection"] = "close"  # the rest of the body may still come (RFC 9110 §15.5.9)
                return answer
            case _:
                self._count(scope, "unavailable")
                if message:  # the body was read
                    return unavailable.inside(message.get("id"), str(error))
                return await self._unavailable(str(error), scope, receive)

    async def _unavailable(self, message: str, scope: Scope, receive: Receive) -> ASGIApp:
        if not unavailable.must_be_told_inside(scope):
            return unavailable.outside(message)
        try:
            said = body.check(await self._arrivals.read(receive, self._settings.body_limit_bytes, None))
            envelope.check(said)
            message_id = said.get("id")
        except (body.TooLarge, body.Disconnected, body.Malformed, envelope.Refused):
            message_id = None
        return unavailable.inside(message_id, message)

    def _answering(self, scope: Scope, send: Send) -> Send:
        """A `send` that counts what no handler saw, and gives the refusals that HTTP has a status for theirs."""

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start" and CHALLENGE in scope:
                status, header = self._challenge(scope[CHALLENGE], scope[CALLER])
                message = {**message, "status": status, "headers": [*message["headers"], header]}
            elif message["type"] == "http.response.body" and HANDLED not in scope:
                self._count_unhandled(scope, message.get("body", b""))
            await send(message)

        return answer

    def _challenge(self, error: Forbidden | StepUp | RateLimited, caller: Caller) -> tuple[int, tuple[bytes, bytes]]:
        """The status of a refusal, and the header that goes with it (RFC 6750 §3.1, RFC 9470 §3, RFC 6585 §4)."""
        if isinstance(error, RateLimited):
            wait_s = str(math.ceil(error.retry_after_s))
            return 503 if error.limit == PRESSURE else 429, (b"retry-after", wait_s.encode())
        if isinstance(error, StepUp):
            words = self._issuers[caller.issuer].words_for(error.acr)
            scopes = sorted(caller.scopes)
            challenge = challenge_step_up(error, words=words, metadata_url=self._metadata_url, scopes=scopes)
            return 401, (b"www-authenticate", challenge.encode("latin-1", "replace"))
        challenge = challenge_403(error.scopes, metadata_url=self._metadata_url, description=error.message)
        return 403, (b"www-authenticate", challenge.encode("latin-1", "replace"))

    def _count_unhandled(self, scope: Scope, content: bytes) -> None:
        if content.startswith(b"{") and b'"error"' in content:
            error = json.loads(content).get("error")
            if error is not None:
                self._count(scope, _REASONS.get(error["code"], "protocol"))

    def _count(self, scope: Scope, reason: str) -> None:
        self._refusals.count(self._server.name, reason, scope["client"][0] if scope.get("client") else None)


def _wants_stream(message: dict[str, Any]) -> bool:
    """Whether something may have to be said before the answer: progress, or what a client listens for."""
    params: Any = message.get("params")
    meta: Any = params.get("_meta") if isinstance(params, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return message.get("method") == "subscriptions/listen" or (isinstance(meta, dict) and "progressToken" in meta)


def _check_media_types(request: Request) -> None:
    """JSON both ways, not encoded: a filter before us might have read an encoded body otherwise than we do."""
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if media_type != "application/json" or encoding != "identity":
        said = "Send the body as Content-Type: application/json, without Content-Encoding"
        raise envelope.Refused("media_type", types.INVALID_REQUEST, 415, said)
    takes_json, _ = check_accept_headers(request)
    if not takes_json:
        said = "Accept the answer: send Accept: application/json, text/event-stream"
        raise envelope.Refused("not_acceptable", types.INVALID_REQUEST, 406, said)


def _authorization(headers: Headers) -> str | None:
    """The one Authorization header: of two, a proxy before us may have believed the other."""
    given = headers.getlist("authorization")
    if len(given) > 1:
        raise Unauthenticated("malformed", "Send one Authorization header")
    return given[0] if given else None


def _rpc_error(status: int, message_id: Any, code: int, message: str) -> JSONResponse:
    shown = {"jsonrpc": "2.0", "id": message_id, "error": {"code": code, "message": message}}
    return JSONResponse(shown, status)
