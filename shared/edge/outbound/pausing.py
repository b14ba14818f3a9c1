"""When the other side wants to be left alone: `Retry-After` (RFC 9110 §10.2.3) and the headers of its rate limits."""

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx

_LONGEST_S = 3600.0
"""Nobody makes us stay away for longer, by mistake or otherwise."""
_UNTOLD_S = 1.0


class Pause:
    """How long one upstream is not to be asked, as it said to anybody in this process."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until = 0.0

    @property
    def left_s(self) -> float:
        """0 when it may be asked."""
        return max(self._until - self._clock(), 0.0)

    def heard(self, seconds: float) -> None:
        """It said so; of several the longest counts."""
        self._until = max(self._until, self._clock() + seconds)


def asked_for(answer: httpx.Response, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> float:
    """How many seconds of pause the answer asks for; 0 if it does not.

    Atlassian sends `X-RateLimit-Remaining` with every answer and `X-RateLimit-Reset` (ISO 8601) when none remain:
    https://developer.atlassian.com/cloud/jira/platform/rate-limiting/. Others send seconds of the epoch there.
    """
    limited = answer.status_code == HTTPStatus.TOO_MANY_REQUESTS
    said = answer.headers.get("retry-after")
    if (limited or answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE) and said:
        return _bounded(_after(said, now()))
    if limited or answer.headers.get("x-ratelimit-remaining", "").strip() == "0":
        reset = _until(answer.headers.get("x-ratelimit-reset", ""), now())
        return _bounded(reset if reset > 0 or not limited else _UNTOLD_S)
    return 0.0


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), _LONGEST_S)


def _after(said: str, now: datetime) -> float:
    try:
        return float(int(said))
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(said)
    except ValueError:
        return _UNTOLD_S
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()


def _until(said: str, now: datetime) -> float:
    try:
        at = datetime.fromtimestamp(int(said), UTC) if said.strip().isdecimal() else datetime.fromisoformat(said)
    except (ValueError, OverflowError, OSError):
        return 0.0
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()
