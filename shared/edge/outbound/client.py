"""The one client of an upstream in this process: every request to it passes here, and none leaves it unbounded."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

import httpx
import stamina
import structlog

from shared.core.backend import RoundTrip
from shared.core.errors import Failure
from shared.edge.outbound import failures
from shared.edge.outbound.answers import Answered, read
from shared.edge.outbound.bounds import Bounds
from shared.edge.outbound.breaker import Admitted, Breaker
from shared.edge.outbound.credentials import Credential
from shared.edge.outbound.failures import Explain
from shared.edge.outbound.message import Message
from shared.edge.outbound.pausing import Pause, asked_for
from shared.state.http import BadAnswer, open_client

__all__ = ["Client", "open_http"]

_FIRST_WAIT_S = 0.1
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)
"""Nothing of the request left this machine, or nothing beyond a proxy that would not let it through."""

log = structlog.get_logger("outbound")


class _Again(Exception):
    """An attempt that failed in a way that may pass; what to tell if it does not.

    Attributes:
        after_s: The pause the other side asks for; None if it did not.
    """

    def __init__(self, failure: Failure, after_s: float | None = None) -> None:
        super().__init__(failure.code)
        self.failure = failure
        self.after_s = after_s


class Client:
    """Asks one upstream: bounded in time, size and number, and left alone when it fails or says so.

    Args:
        title: What callers are told it is.
        upstream: What is set of it.
        http: Used for it alone.
        explain: Reads its refusals.
        one_account: Whether its limits are ours as a whole; else each caller's own, and nobody waits for another's.
        clock: Seconds, never going back.
    """

    def __init__(
        self,
        title: str,
        name: str,
        upstream: Bounds,
        http: httpx.AsyncClient,
        explain: Explain,
        clock: Callable[[], float] = time.monotonic,
        *,
        one_account: bool = True,
    ) -> None:
        self.title = title
        self.name = name
        self.upstream = upstream
        self.breaker = Breaker(upstream.breaker_failures, upstream.breaker_window_s, upstream.breaker_open_s, clock)
        self.pause = Pause(clock)
        self._http = http
        self._explain = explain
        self._one_account = one_account
        self._places = asyncio.Semaphore(upstream.concurrency)

    async def ask(self, message: Message, credential: Credential) -> Answered:
        """The answer to a read, which is repeated where that may help.

        Raises:
            Failure: As `shared.core.upstreams.Reader`.
        """
        attempts = 0
        sent = _Sent(self._deadline)

        def again(error: Exception) -> bool | float:
            nonlocal attempts
            attempts += 1
            if not isinstance(error, _Again):
                return False
            if error.after_s is not None:
                return error.after_s if error.after_s <= self.upstream.wait_s else False
            # Full jitter: those who failed together must not come back together.
            return random.uniform(0, _FIRST_WAIT_S * 2 ** (attempts - 1))  # noqa: S311 - not a secret

        try:
            async with asyncio.timeout_at(sent.until):
                async for attempt in stamina.retry_context(
                    on=again, attempts=self.upstream.attempts, timeout=self.upstream.answer_s
                ):
                    with attempt:
                        return await self._read(message, credential, sent)
        except _Again as error:
            raise error.failure from None
        except TimeoutError:
            raise failures.away(self.title) from None
        raise failures.away(self.title)

    async def send(self, message: Message, credential: Credential) -> Answered:
        """The answer to a write, which is sent once, or not at all.

        Raises:
            OutcomeUnknown: It may have been done.
            Failure: As `shared.core.upstreams.Sender`; it was not done.
        """
        sent = _Sent(self._deadline)
        try:
            async with asyncio.timeout_at(sent.until):
                answered, pause_s = await self._exchange(message, credential, sent)
        except _NOT_SENT:
            raise failures.away(self.title) from None
        except (httpx.HTTPError, TimeoutError, BadAnswer):
            raise (failures.lost(self.title) if sent.begun else failures.busy(self.title)) from None
        if HTTPStatus.BAD_REQUEST <= answered.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            if answered.status == HTTPStatus.REQUEST_TIMEOUT:
                raise failures.lost(self.title)
            raise self._refusal(message, answered, pause_s)
        if not HTTPStatus.OK <= answered.status < HTTPStatus.MULTIPLE_CHOICES:
            raise failures.lost(self.title)
        return answered

    @property
    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self.upstream.answer_s

    async def _read(self, message: Message, credential: Credential, sent: "_Sent") -> Answered:
        try:
            answered, pause_s = await self._exchange(message, credential, sent)
        except (httpx.HTTPError, BadAnswer) as error:
            log.warning("no answer", upstream=self.name, error=type(error).__name__)
            raise _Again(failures.away(self.title)) from None
        if answered.status < HTTPStatus.MULTIPLE_CHOICES:
            return answered
        if answered.status < HTTPStatus.BAD_REQUEST:  # nobody is followed elsewhere with a credential
            raise failures.away(self.title)
        failure = self._refusal(message, answered, pause_s)
        if answered.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise _Again(failure, pause_s)
        if answered.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise _Again(failure, pause_s or None)
        raise failure

    def _refusal(self, message: Message, answered: Answered, pause_s: float) -> Failure:
        if message.refuse is not None:
            return message.refuse(answered, pause_s)
        return failures.refusal(self.title, answered, self._explain, pause_s)

    async def _exchange(self, message: Message, credential: Credential, sent: "_Sent") -> tuple[Answered, float]:
        """One request; a second one, where the first was not let in and a fresh token may help."""
        answered = Answered(HTTPStatus.UNAUTHORIZED, None)
        for refused in (False, True):
            headers = await credential.headers(refused=refused)
            if headers is None:
                break
            request = message.request(self._http, self.upstream.url, headers)
            async with self._place() as admitted:
                answered, pause_s = await self._once(request, message.operation, sent, admitted)
            if answered.status != HTTPStatus.UNAUTHORIZED:
                return answered, pause_s
            sent.begun = False
        return answered, 0.0

    @asynccontextmanager
    async def _place(self) -> AsyncGenerator[Admitted]:
        """One of so many at a time, if it may be asked now."""
        async with self._places:
            pause_s = self.pause.left_s
            if pause_s > self.upstream.wait_s:
                raise failures.pausing(self.title, pause_s)
            if pause_s:
                await asyncio.sleep(pause_s)
            if (admitted := self.breaker.admit()) is None:
                raise failures.shed(self.title, self.breaker.wait_s())
            yield admitted

    async def _once(
        self, request: httpx.Request, operation: str, sent: "_Sent", admitted: Admitted
    ) -> tuple[Answered, float]:
        sent.begun = True
        try:
            with RoundTrip(self.name, operation):
                answer = await self._http.send(request, stream=True, follow_redirects=False)
                try:
                    pause_s = asked_for(answer)
                    self.pause.heard(pause_s if self._one_account else 0.0)
                    answered = await read(answer, self.upstream.body_limit_bytes)
                finally:
                    await answer.aclose()
        except (httpx.HTTPError, BadAnswer):
            self._count(admitted, failed=True)
            raise
        except BaseException:  # its time is over, or nobody waits any more
            if asyncio.get_running_loop().time() >= sent.until:
                self._count(admitted, failed=True)
            else:
                self.breaker.gave_up(admitted)
            raise
        self._count(admitted, failed=answered.status >= HTTPStatus.INTERNAL_SERVER_ERROR)
        return answered, pause_s

    def _count(self, admitted: Admitted, *, failed: bool) -> None:
        before = self.breaker.state
        if failed:
            self.breaker.failed(admitted)
        else:
            self.breaker.succeeded(admitted)
        if (after := self.breaker.state) != before:
            log.warning("the breaker moved", upstream=self.name, state=after, before=before)


@dataclass(slots=True)
class _Sent:
    """One attempt.

    Attributes:
        until: When its time is over, by the loop's clock.
        begun: Whether a request may have left that was not refused.
    """

    until: float
    begun: bool = False


@asynccontextmanager
async def open_http(upstream: Bounds) -> AsyncGenerator[httpx.AsyncClient]:
    """The HTTP client of one upstream, for a process's lifetime."""
    opened = open_client(answer_s=upstream.answer_s, connect_s=upstream.connect_s, connections=upstream.concurrency)
    async with opened as http:
        yield http
