"""The HTTP edge of one server: what is checked before the SDK sees a request, in this order.

Method, token, media types, size, JSON, envelope; Host and Origin were checked for the whole application. What is
refused here, or by the SDK before a handler runs, leaves no record of its own: it is counted per source and reason.
"""

import json
import time
from contextlib import AbstractAsyncContextManager
from typing import Any

import mcp_types as types
from mcp.server.streamable_http import check_accept_headers
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.core import metrics
from shared.core.caller import Caller
from shared.core.errors import Forbidden, Unauthenticated, Unavailable
from shared.core.server import Server
from shared.core.settings import Settings
from shared.edge import body, envelope
from shared.edge.address import Address
from shared.edge.protocol import CHALLENGE, Context, Protocol
from shared.edge.refusals import Refusals
from shared.edge.watch import BEGAN
from shared.pipeline import Pipeline
from shared.steps.auth import Verifier, challenge_401, challenge_403

CALLER = "suite.caller"
"""Key of the ASGI scope that holds the verified caller."""

_HANDLED = "suite.handled"
"""Key of the ASGI scope that tells that a handler asked for the caller: from there on there is a record."""

_REASONS = {
    types.INVALID_REQUEST: "invalid_request",
    types.METHOD_NOT_FOUND: "unknown_method",
    types.INVALID_PARAMS: "invalid_params",
    types.HEADER_MISMATCH: "header_mismatch",
    types.UNSUPPORTED_PROTOCOL_VERSION: "unsupported_version",
}
_RETRY_S = "2"


def caller_of(context: Context) -> Caller:
    """The caller the edge verified for this request."""
    assert context.request is not None, "HTTP handlers have their request"  # noqa: S101 - an invariant
    context.request.scope[_HANDLED] = True
    caller: Caller = context.request.scope[CALLER]
    return caller


def metadata(server: Server, address: Address, issuer: str) -> dict[str, Any]:
    """The protected-resource metadata (RFC 9728 §2)."""
    return {
        "resource": address.resource,
        "resource_name": server.title,
        "authorization_servers": [issuer],
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
        refusals: Refusals,
        settings: Settings,
    ) -> None:
        self._server = server
        self._manager = StreamableHTTPSessionManager(
            Protocol(server, pipeline, caller_of, "http").build(),
            json_response=True,
            stateless=True,
            max_request_body_size=settings.body_limit_bytes,
        )
        self._verifier = verifier
        self._refusals = refusals
        self._settings = settings
        self._metadata_url = address.metadata_url

    def run(self) -> AbstractAsyncContextManager[None]:
        """The life of the endpoint; requests are served inside it."""
        return self._manager.run()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began_ns = time.perf_counter_ns()
        headers = Headers(scope=scope)
        if scope["method"] != "POST":
            await Response(status_code=405, headers={"Allow": "POST"})(scope, receive, send)
            return
        try:
            caller = await self._verifier.verify(_authorization(headers))
            _check_media_types(Request(scope))
            content = await body.read(receive, self._settings.body_limit_bytes, headers.get("content-length"))
            message = body.check(content)
            envelope.check(message)
            envelope.check_version(message, headers.get("mcp-protocol-version"))
        except body.Disconnected:
            return
        except (Unauthenticated, Unavailable, body.TooLarge, body.Malformed, envelope.Refused) as error:
            answer = await self._refusal(error, scope, receive)
            await answer(scope, receive, send)
            return
        # httptools keeps trailing blanks in values; the SDK compares some of these headers with the body.
        trimmed = [(name, value.strip()) for name, value in scope["headers"]]
        scope = {**scope, CALLER: caller, BEGAN: began_ns, "headers": trimmed}
        await self._manager.handle_request(scope, body.replay(content, receive), self._answering(scope, send))

    async def _refusal(self, error: Exception, scope: Scope, receive: Receive) -> ASGIApp:
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
                return _rpc_error(error.status, error.message_id, error.code, str(error))
            case _:
                self._count(scope, "unavailable")
                return await self._unavailable(str(error), scope, receive)

    async def _unavailable(self, message: str, scope: Scope, receive: Receive) -> ASGIApp:
        """503 with Retry-After; 2025-era clients drop their connection on any 5xx, so they get it inside a 200."""
        version = Headers(scope=scope).get("mcp-protocol-version")
        if version is not None and version not in HANDSHAKE_PROTOCOL_VERSIONS:
            answer = _rpc_error(503, None, types.INTERNAL_ERROR, message)
            answer.headers["Retry-After"] = _RETRY_S
            return answer
        try:
            said = body.check(await body.read(receive, self._settings.body_limit_bytes, None))
            envelope.check(said)
            message_id = said.get("id")
        except (body.TooLarge, body.Disconnected, body.Malformed, envelope.Refused):
            message_id = None
        return _rpc_error(200, message_id, types.INTERNAL_ERROR, message)

    def _answering(self, scope: Scope, send: Send) -> Send:
        """A `send` that counts what no handler saw, and turns the answer to a lacking scope into a 403."""

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start" and isinstance(error := scope.get(CHALLENGE), Forbidden):
                challenge = challenge_403(error.scopes, metadata_url=self._metadata_url, description=error.message)
                header = (b"www-authenticate", challenge.encode("latin-1", "replace"))
                message = {**message, "status": 403, "headers": [*message["headers"], header]}
            elif message["type"] == "http.response.body" and _HANDLED not in scope:
                self._count_unhandled(scope, message.get("body", b""))
            await send(message)

        return answer

    def _count_unhandled(self, scope: Scope, content: bytes) -> None:
        if content.startswith(b"{") and b'"error"' in content:
            error = json.loads(content).get("error")
            if error is not None:
                self._count(scope, _REASONS.get(error["code"], "protocol"))

    def _count(self, scope: Scope, reason: str) -> None:
        self._refusals.count(self._server.name, reason, scope["client"][0] if scope.get("client") else None)


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
