"""Around every handler: our errors become the protocol's, and nothing else that went wrong shows its text."""

import secrets
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

import mcp_types as types
import structlog
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from shared.core import tracing
from shared.core.errors import (
    Failure,
    Forbidden,
    Internal,
    Invalid,
    InvalidCursor,
    LoopDetected,
    NotFound,
    RateLimited,
    StepUp,
    UnknownTarget,
)
from shared.edge.watch import Context

log = structlog.get_logger("protocol")

ResultT = TypeVar("ResultT")

CHALLENGE = "suite.challenge"
"""Key of the ASGI scope where a handler leaves the failure that the HTTP edge turns into a 401, 403, 429 or 503."""

CODES = {
    **dict.fromkeys(("forbidden", "denied", "needs_approval", "suspended"), 403),
    **{"step_up": 401, "conflict": 409, "unavailable": 503, "timeout": 504},
    **dict.fromkeys(("rate_limited", "over_budget", "loop_detected", "shed"), 429),
}
"""JSON-RPC leaves codes outside -32768..-32000 to applications; these read as their HTTP cousins do."""


def boundary(handler: Callable[[Any, Any, str], Awaitable[ResultT]]) -> Callable[[Any, Any], Awaitable[ResultT]]:
    """Turn our errors into the protocol's, and everything unforeseen into a reference that the log repeats."""

    @wraps(handler)
    async def bounded(context: Context, params: Any) -> ResultT:
        reference = f"req_{secrets.token_hex(8)}"
        tracing.tell(request_id=reference)
        try:
            return await handler(context, params, reference)
        except MCPError:
            raise
        except (UnknownTarget, InvalidCursor) as error:
            raise MCPError(types.INVALID_PARAMS, str(error), {"reference": reference}) from None
        except Failure as failure:
            _challenge(context, failure)
            code = next((CODES[kind.code] for kind in _lineage(failure) if kind.code in CODES), None)
            shown = failure.as_object(reference)
            raise MCPError(code or types.INTERNAL_ERROR, failure.message, shown) from None
        except Exception:  # the boundary: the SDK's 2025 leg would send its text
            log.exception("request crashed", method=context.method, request_id=reference)
            shown = Internal().as_object(reference)
            raise MCPError(types.INTERNAL_ERROR, Internal().message, shown) from None

    return bounded


@contextmanager
def invalid_params(reference: str) -> Generator[None]:
    """Say of what is wrong with an argument what it is, where there is no result to say it in."""
    try:
        yield
    except (Invalid, NotFound) as failure:
        raise MCPError(types.INVALID_PARAMS, failure.message, failure.as_object(reference)) from None


def _lineage(failure: Failure) -> list[type[Failure]]:
    return [kind for kind in type(failure).__mro__ if issubclass(kind, Failure)]


def _challenge(context: Context, failure: Failure) -> None:
    if context.request is not None and has_status(context, failure):
        context.request.scope[CHALLENGE] = failure


def has_status(context: Context, failure: Failure) -> bool:
    """Whether HTTP says it too. Of limits only in the newer era: clients of the older end their connection on a 429.

    A loop is for the model to break; a client that reads Retry-After would go on with it.
    """
    if context.request is None or isinstance(failure, LoopDetected):
        return False
    modern = context.protocol_version in MODERN_PROTOCOL_VERSIONS
    return isinstance(failure, Forbidden | StepUp) or (modern and isinstance(failure, RateLimited))
