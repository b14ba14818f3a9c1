"""What a provider says of a token (RFC 7662): asked once, kept for seconds, and never asked more than it can bear.

A token that the provider does not know, or no longer, is asked about each time it comes, so that strangers share one
allowance. One the provider vouched for before is outside of it: a storm of random tokens locks nobody out.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx
import structlog

from shared.core.backend import RoundTrip
from shared.core.errors import Misconfigured, Unavailable
from shared.core.issuers import Issuer
from shared.state.allowance import Allowance
from shared.state.client_assertion import authenticate
from shared.state.discovery import Discovery
from shared.state.http import BadAnswer, post_form

log = structlog.get_logger("introspection")

ANSWER_S = 5
"""How long an answer may take, with its turn."""
ANSWER_BYTES = 32 * 1024
REMEMBERED = 4096
"""Answers kept, the oldest dropped first."""
BURST = 50
REFILL_S = 0.04
"""Fifty unknown tokens at once, then twenty-five a second."""
STRANGERS_AT_ONCE = 4
KNOWN_AT_ONCE = 6

Answer = Mapping[str, Any] | None
"""The claims of a token that is active; None for one that is not."""


@dataclass(frozen=True, slots=True)
class _Kept:
    claims: Mapping[str, Any]
    until: float


class Introspection:
    """One provider's word on tokens.

    Args:
        issuer: `introspection_url`, `introspection_cache_s`, and who we are there.
        discovery: Where its endpoints are.
        client: Used for introspection alone, so that it holds up nothing else; the caller closes it.
        clock: Seconds, never going back.
        wall: Seconds since the epoch.

    Raises:
        Misconfigured: The URL cannot be trusted with tokens.
    """

    def __init__(
        self,
        issuer: Issuer,
        discovery: Discovery,
        client: httpx.AsyncClient,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._issuer = issuer
        self._discovery = discovery
        self._client = client
        self._clock = clock
        self._wall = wall
        self._kept: dict[bytes, _Kept] = {}
        self._flights: dict[bytes, asyncio.Task[Answer | Unavailable]] = {}
        self._allowance = Allowance(BURST, REFILL_S, clock)
        self._strangers = asyncio.Semaphore(STRANGERS_AT_ONCE)
        self._known = asyncio.Semaphore(KNOWN_AT_ONCE)
        if not discovery.is_secure(issuer.introspection_url or issuer.url):
            raise Misconfigured(f"introspection_url of {issuer.url} must be https (http on loopback only)")

    def vouches(self, digest: bytes) -> bool:
        """Whether the provider said lately that the token of this digest is active."""
        kept = self._kept.get(digest)
        return kept is not None and self._clock() < kept.until

    async def ask(self, token: str, digest: bytes) -> Answer:
        """What the provider says of the token; at most `introspection_cache_s` ago, and never past its `exp`.

        Raises:
            Unavailable: It does not answer, or strangers have asked too much.
        """
        kept = self._kept.get(digest)
        if kept is not None and self._clock() < kept.until:
            return kept.claims
        # One caller that gives up must not take the answer from the others.
        answer = await asyncio.shield(self._flights.get(digest) or self._start(token, digest, known=kept is not None))
        if isinstance(answer, Unavailable):
            raise answer
        return answer

    async def aclose(self) -> None:
        """Stop what is under way."""
        for flight in list(self._flights.values()):
            flight.cancel()
            with suppress(asyncio.CancelledError):
                await flight

    def _start(self, token: str, digest: bytes, *, known: bool) -> asyncio.Task[Answer | Unavailable]:
        if not known and not self._allowance.take():
            raise _unavailable("Too many unknown access tokens at once", retry_after_s=1)
        gate = self._known if known else self._strangers
        flight = self._flights[digest] = asyncio.create_task(self._fly(token, digest, gate))
        return flight

    async def _fly(self, token: str, digest: bytes, gate: asyncio.Semaphore) -> Answer | Unavailable:
        try:
            async with asyncio.timeout(ANSWER_S), gate:
                answer = await self._post(token)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, BadAnswer, Misconfigured) as error:
            self._discovery.forget()
            log.warning("introspection_failed", issuer=self._issuer.url, error=type(error).__name__)
            return _unavailable("The identity provider does not answer", retry_after_s=5)
        finally:
            del self._flights[digest]
        return self._keep(digest, answer)

    async def _post(self, token: str) -> dict[str, Any]:
        with RoundTrip("introspection", "ask"):
            url = self._issuer.introspection_url or await self._discovery.endpoint("introspection_endpoint")
            proof = await authenticate(self._issuer, url)
            form = {**proof.form, "token": token, "token_type_hint": "access_token"}
            return await post_form(self._client, url, form, proof.headers, ANSWER_BYTES)

    def _keep(self, digest: bytes, answer: dict[str, Any]) -> Answer:
        self._kept.pop(digest, None)
        if answer.get("active") is not True:
            return None
        if len(self._kept) >= REMEMBERED:
            del self._kept[next(iter(self._kept))]
        ends: object = answer.get("exp")
        left_s = ends - self._wall() if isinstance(ends, int | float) else 0
        self._kept[digest] = _Kept(answer, self._clock() + min(self._issuer.introspection_cache_s, left_s))
        return answer


def _unavailable(what: str, retry_after_s: float) -> Unavailable:
    return Unavailable(f"{what}, so the access token cannot be checked; retry later", retry_after_s=retry_after_s)
