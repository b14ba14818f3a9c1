from collections.abc import Awaitable, Callable
from functools import wraps
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse

from compose.idp.refusals import OAuthError

Endpoint = TypeVar("Endpoint")
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}  # RFC 6749 §5.1
_LATER = {"Retry-After": "60"}
_EXTRA = {401: {"WWW-Authenticate": 'Basic realm="idp"'}, 429: _LATER, 503: _LATER}  # RFC 6749 §5.2


def json_answer(
    endpoint: Callable[[Endpoint, Request], Awaitable[JSONResponse]],
) -> Callable[[Endpoint, Request], Awaitable[JSONResponse]]:
    """Answer refusals as JSON (RFC 6749 §5.2) and let nobody keep any answer."""

    @wraps(endpoint)
    async def answer(self: Endpoint, request: Request) -> JSONResponse:
        try:
            response = await endpoint(self, request)
        except OAuthError as error:
            told = {"error": error.error, "error_description": error.description}
            response = JSONResponse(told, error.status, _EXTRA.get(error.status))
        response.headers.update(_NO_STORE)
        return response

    return answer
