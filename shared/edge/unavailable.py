"""That we cannot serve a request now, said so that the clients of each era come back."""

from typing import Any

import mcp_types as types
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import Scope

_RETRY_S = "2"


def must_be_told_inside(scope: Scope) -> bool:
    """Whether the answer has to be a 200: clients of the 2025 era drop their connection on any 5xx to a POST."""
    version = Headers(scope=scope).get("mcp-protocol-version")
    return scope["method"] == "POST" and (version is None or version.strip() in HANDSHAKE_PROTOCOL_VERSIONS)


def outside(message: str, retry_s: str = _RETRY_S) -> JSONResponse:
    """503 with `Retry-After`."""
    return JSONResponse(_error(None, message), 503, {"Retry-After": retry_s})


def inside(message_id: Any, message: str) -> JSONResponse:
    """A JSON-RPC error on 200, for the request of this id."""
    return JSONResponse(_error(message_id, message))


def _error(message_id: Any, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": message_id, "error": {"code": types.INTERNAL_ERROR, "message": message}}
