"""What a sensible client does about a lost connection or a 5xx: it sends the request again, a few times."""

from collections import Counter
from http import HTTPStatus

import anyio
import httpx2

RETRIES = 3
_FIRST_S = 0.1

_HTTP_FAILED = HTTPStatus.INTERNAL_SERVER_ERROR


class AnswerLost(httpx2.ReadError):
    """On purpose."""

    def __init__(self) -> None:
        super().__init__("lost on its way back")


class Patient(httpx2.AsyncBaseTransport):
    """At most `retries` more tries between two calls of `renew`; every write of the drills has an idempotency key.

    Args:
        inner: What really sends.
        retries: Tries beside the first.
        lost_every: Of the writes, the answer to each so many-th is thrown away and counts as a lost connection: what
            was done must not be done again. 0 loses none.

    Attributes:
        left: Tries that may still be made for the call under way.
        retried: Why, and how often, over all calls.
        replicas: Who answered, and how often.
        sessions: Every session id that went out.
    """

    def __init__(self, inner: httpx2.AsyncBaseTransport, retries: int, lost_every: int = 0) -> None:
        self._inner = inner
        self._lost_every = lost_every
        self._writes = 0
        self._retries = retries
        self.left = retries
        self.retried: Counter[str] = Counter()
        self.replicas: Counter[str] = Counter()
        self.sessions: set[str] = set()

    def renew(self) -> None:
        """A new call begins."""
        self.left = self._retries

    async def again(self, why: str) -> bool:
        """Use up one try, later each time; False if none is left."""
        if self.left == 0:
            return False
        await anyio.sleep(_FIRST_S * 3 ** (self._retries - self.left))
        self.left -= 1
        self.retried[why] += 1
        return True

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if session := request.headers.get("mcp-session-id"):
            self.sessions.add(session)
        while True:
            try:
                response = await self._once(request)
            except httpx2.TransportError as error:
                if request.method == "GET" or not await self.again(type(error).__name__):
                    raise
                continue
            if response.status_code < _HTTP_FAILED or not await self.again(str(response.status_code)):
                return response
            await response.aclose()

    async def _once(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        self.replicas[response.headers.get("suite-replica", "balancer")] += 1
        if response.headers.get("content-type", "").startswith("application/json"):
            await response.aread()  # a body that breaks off is a lost connection, too
        if self._loses(request):
            raise AnswerLost
        return response

    def _loses(self, request: httpx2.Request) -> bool:
        if not self._lost_every or self.left < self._retries or b'"idempotency_key"' not in request.content:
            return False
        self._writes += 1
        return self._writes % self._lost_every == 0

    async def aclose(self) -> None:
        await self._inner.aclose()
