"""The HTTP edge of one server: what is checked before the SDK sees a request, in this order.

Method, token, size, JSON; Host and Origin were checked for the whole application. Refusals here happen before
anything is believed, so they are counted and not recorded one by one.
"""

import json
from contextlib import AbstractAsyncContextManager
from typing import Any

import mcp_types as types
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.core.caller import Caller
from shared.core.errors import Forbidden, Unauthenticated, Unavailable
from shared.core.server import Server
from shared.core.settings import Settings
from shared.edge import body
from shared.edge.address import Address
from shared.edge.protocol import CHALLENGE, Context, Protocol
from shared.edge.refusals import Refusals
from shared.pipeline import Pipeline
from shared.steps.auth import Verifier, challenge_401, challenge_403

CALLER = "suite.caller"
"""Key of the ASGI scope that holds the verified caller."""

_RETRY_S = "2"


def caller_of(context: Context) -> Caller:
    """The caller the edge verified for this request."""
    assert context.request is not None, "HTTP handlers have their request"  # noqa: S101 - an invariant
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
        headers = Headers(scope=scope)
        if scope["method"] != "POST":
            await Response(status_code=405, headers={"Allow": "POST"})(scope, receive, send)
            return
        try:
            caller = await self._verifier.verify(_authorization(headers))
            content = await body.read(receive, self._settings.body_limit_bytes, headers.get("content-length"))
            body.check(content)
        except body.Disconnected:
            return
        except (Unauthenticated, Unavailable, body.TooLarge, body.Malformed) as error:
            answer = await self._refusal(error, scope, receive)
            await answer(scope, receive, send)
            return
        # httptools keeps trailing blanks in values; the SDK compares some of these headers with the body.
        trimmed = [(name, value.strip()) for name, value in scope["headers"]]
        scope = {**scope, CALLER: caller, "headers": trimmed}
        await self._manager.handle_request(scope, body.replay(content, receive), self._challenged(scope, send))

    async def _refusal(self, error: Exception, scope: Scope, receive: Receive) -> ASGIApp:
        source = scope["client"][0] if scope.get("client") else None
        match error:
            case Unauthenticated():
                self._refusals.count(self._server.name, error.reason, source)
                challenge = challenge_401(error, metadata_url=self._metadata_url, scopes=self._server.baseline)
                shown = {"error": "invalid_token", "error_description": error.description or "Authorize first."}
                return JSONResponse(shown, 401, {"WWW-Authenticate": challenge, "Cache-Control": "no-store"})
            case body.TooLarge():
                self._refusals.count(self._server.name, "too_large", source)
                limit = self._settings.body_limit_bytes
                return _rpc_error(413, None, types.INVALID_REQUEST, f"The body exceeds {limit} bytes")
            case body.Malformed():
                self._refusals.count(self._server.name, "malformed", source)
                return _rpc_error(400, None, types.PARSE_ERROR, f"Parse error: {error}")
            case _:
                return await self._unavailable(str(error), scope, receive)

    async def _unavailable(self, message: str, scope: Scope, receive: Receive) -> ASGIApp:
        """503 with Retry-After; 2025-era clients drop their connection on any 5xx, so they get it inside a 200."""
        version = Headers(scope=scope).get("mcp-protocol-version")
        if version is not None and version not in HANDSHAKE_PROTOCOL_VERSIONS:
            answer = _rpc_error(503, None, types.INTERNAL_ERROR, message)
            answer.headers["Retry-After"] = _RETRY_S
            return answer
        try:
            content = await body.read(receive, self._settings.body_limit_bytes, None)
            message_id = json.loads(content).get("id")
        except (body.TooLarge, body.Disconnected, ValueError, AttributeError, RecursionError):
            message_id = None
        return _rpc_error(200, message_id, types.INTERNAL_ERROR, message)

    def _challenged(self, scope: Scope, send: Send) -> Send:
        """A `send` that turns the answer into a 403 when a handler found a scope lacking."""

        async def send_challenged(message: Message) -> None:
            if message["type"] == "http.response.start" and isinstance(error := scope.get(CHALLENGE), Forbidden):
                challenge = challenge_403(error.scopes, metadata_url=self._metadata_url, description=error.message)
                header = (b"www-authenticate", challenge.encode("latin-1", "replace"))
                message = {**message, "status": 403, "headers": [*message["headers"], header]}
            await send(message)

        return send_challenged


def _authorization(headers: Headers) -> str | None:
    """The one Authorization header: of two, a proxy before us may have believed the other."""
    given = headers.getlist("authorization")
    if len(given) > 1:
        raise Unauthenticated("malformed", "Send one Authorization header")
    return given[0] if given else None


def _rpc_error(status: int, message_id: Any, code: int, message: str) -> JSONResponse:
    shown = {"jsonrpc": "2.0", "id": message_id, "error": {"code": code, "message": message}}
    return JSONResponse(shown, status)
