"""Failures as pages: what a person reads instead of a model."""

import math
from dataclasses import dataclass

from shared.core.errors import (
    Conflict,
    Denied,
    Failure,
    Forbidden,
    Internal,
    Invalid,
    NeedsApproval,
    NotFound,
    RateLimited,
    SuiteError,
    Suspended,
    Timeout,
    Unavailable,
    UnknownTarget,
)
from shared.edge.pressure import Busy
from shared.edge.web.refused import Refused

_STATUSES: tuple[tuple[type[SuiteError], int], ...] = (
    *((kind, 403) for kind in (Forbidden, Denied, NeedsApproval, Suspended)),
    *((kind, 404) for kind in (NotFound, UnknownTarget)),
    (Invalid, 422),
    (Conflict, 409),
    (RateLimited, 429),
    (Unavailable, 503),
    (Timeout, 504),
    (Internal, 500),
)
_OTHER = 422
_TITLES = {
    400: "This cannot be read",
    401: "You are signed out",
    403: "Not allowed",
    404: "Not found",
    405: "Not possible here",
    409: "Something changed meanwhile",
    413: "Too large",
    422: "This cannot be done as it is",
    429: "Too many requests",
    500: "Something went wrong",
    503: "Not available right now",
    504: "This took too long",
}


@dataclass(frozen=True)
class Told:
    """An error page."""

    status: int
    message: str
    retry_after_s: int | None = None

    @property
    def title(self) -> str:
        return _TITLES.get(self.status, "This cannot be done")


def told(error: Exception) -> Told:
    """What a person is told of a failure; of what is unforeseen, only that it is."""
    if isinstance(error, Refused):
        return Told(error.status, error.message)
    if isinstance(error, Busy):
        return Told(503, "Too many requests right now.", 1)
    if isinstance(error, UnknownTarget):
        return Told(404, "There is no such thing, or it is switched off.")
    if not isinstance(error, Failure):
        error = Internal()
    status = next((status for kind, status in _STATUSES if isinstance(error, kind)), _OTHER)
    wait_s = math.ceil(error.retry_after_s) if isinstance(error, RateLimited) else None
    return Told(status, error.message, wait_s)
