"""Which notices a client hears of: those it subscribed to, and may still read at that moment.

Both eras deliver through here, `subscriptions/listen` and the GET stream of a session:

    async with deliveries.to(caller, request, kept, after=position) as delivery:
        while delivery.ended is None:
            for notice in await delivery.next(15):
                ...                     # send notifications/resources/updated with notice.uri
    # here we ended the stream, and `delivery.ended` says why

The body is cancelled, even in the middle of sending, when the caller's token expires or access is revoked.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import anyio
import structlog

from shared.core.caller import Caller
from shared.core.errors import Failure, SuiteError, Timeout, Unavailable
from shared.core.request import Request
from shared.core.tool import Tool
from shared.edge.kept import Kept
from shared.edge.open_streams import OpenStreams, Stream, Why
from shared.edge.uris import Uris
from shared.pipeline import Pipeline
from shared.state.jobs.book import job_of
from shared.state.notices import NOW, Following, Notice, Notices

log = structlog.get_logger("deliveries")

_RETRY_S = 1.0


@dataclass(frozen=True)
class Deliveries:
    """What one server delivers.

    Attributes:
        uris: Of the server's resources.
        pipeline: Checks each delivery.
        notices: Where changes are told.
        streams: Where open ones are counted, and ended.
        jobs: The read behind a job, at a server that has any, for those who follow one.
    """

    uris: Uris
    pipeline: Pipeline
    notices: Notices
    streams: OpenStreams
    jobs: Tool | None = None

    def followed(self, uri: str) -> tuple[Tool | None, dict[str, Any]]:
        """The read behind what a stream of the 2026 era follows, a resource or a job, and its arguments."""
        if self.jobs is not None and (job_id := job_of(uri)):
            return self.jobs, {"job_id": job_id}
        return self.uris.watchable(uri)

    @asynccontextmanager
    async def to(self, caller: Caller, request: Request, kept: Kept, after: str = NOW) -> AsyncGenerator["Delivery"]:
        """Follow the notices of the caller's tenant, from the moment the context is entered.

        When the stream is ended by us the body is cancelled, and what follows the `async with` runs.

        Args:
            caller: As verified for the request that opened the stream; its token's expiry ends the stream.
            request: The one that opened the stream, for the audit.
            kept: What the client is subscribed to; asked at each delivery, and told of what the caller lost.
            after: `Delivery.position` of an earlier stream, to go on where it stopped.

        Raises:
            RateLimited: The caller has as many streams open as allowed.
        """
        with self.streams.open(caller) as stream:
            async with self.notices.following(request.server, caller.tenant, after) as following:
                yield Delivery(self, stream, request, kept, following)

    async def may_hear(self, caller: Caller, request: Request, uri: str) -> bool:
        """Whether the caller may read the resource now; False is recorded.

        Raises:
            Unavailable: Nobody can tell right now.
            Timeout: The same.
        """
        tool, arguments = self.followed(uri)
        request = replace(request, kind="subscription", name=uri, arguments=arguments)
        try:
            await self.pipeline.recheck(request, caller, tool)
        except (Unavailable, Timeout):
            raise
        except SuiteError as refusal:
            code = refusal.code if isinstance(refusal, Failure) else type(refusal).__name__
            log.info("a subscription ended", outcome=code, request_id=request.request_id)
            return False
        except Exception:  # the boundary: a crash must not deliver what was not checked
            log.exception("checking a delivery crashed", request_id=request.request_id)
            return False
        return True


class Delivery:
    """The notices for one stream.

    Attributes:
        position: Nothing up to this notice is left to hand out; see `Deliveries.to`.
    """

    def __init__(
        self, deliveries: Deliveries, stream: Stream, request: Request, kept: Kept, following: Following
    ) -> None:
        self._deliveries = deliveries
        self._stream = stream
        self._request = request
        self._kept = kept
        self._following = following
        self._waiting: dict[str, Notice] = {}
        """By URI, the latest: a client that is told once reads what is there then. So no more wait than there are
        URIs, however slowly the client reads."""
        self.position = following.position

    @property
    def ended(self) -> Why | None:
        """Why we ended the stream; None while it is open."""
        return self._stream.ended

    async def next(self, timeout_s: float) -> Sequence[Notice]:
        """What to send now, each URI once; empty when the time is up.

        What cannot be checked right now waits until it can. Do not cancel it to get out of waiting: what it had
        taken would be lost.
        """
        until = anyio.current_time() + timeout_s
        while True:
            left_s = max(0, until - anyio.current_time())
            await self._take(min(left_s, _RETRY_S) if self._waiting else left_s)
            allowed = await self._allowed()
            if allowed or anyio.current_time() >= until:
                return allowed

    async def _take(self, timeout_s: float) -> None:
        for notice in await self._following.next(timeout_s):
            self._waiting.pop(notice.uri, None)  # in the order of ids, so that a client can go on after any of them
            self._waiting[notice.uri] = notice

    async def _allowed(self) -> list[Notice]:
        allowed: list[Notice] = []
        try:
            subscribed = await self._kept.among([*self._waiting]) if self._waiting else ()
            for uri, notice in [*self._waiting.items()]:
                if uri in subscribed:
                    if await self._deliveries.may_hear(self._stream.caller, self._request, uri):
                        allowed.append(notice)
                    else:
                        await self._kept.drop(uri)
                del self._waiting[uri]
        except (Unavailable, Timeout) as failure:
            log.warning("a delivery could not be checked, will try again", code=failure.code)
        if not self._waiting:
            self.position = self._following.position
        return allowed
