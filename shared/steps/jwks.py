"""The issuer's keys: found, cached, refreshed, and never asked for more often than the issuer can bear.

| age of the keys | a call |
|---|---|
| under 4 min | uses them |
| 4 to 5 min | uses them and has them refreshed in the background |
| 5 min to 1 h | waits for fresh ones; uses these if the issuer does not answer |
| beyond | waits for fresh ones, or is refused as `Unavailable` |

A token with an unknown key id has the keys fetched at once, so a rotated key works from its first token on.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from math import inf

import httpx
import structlog

from shared.core.backend import RoundTrip
from shared.core.errors import Misconfigured, Unavailable
from shared.core.issuers import Issuer
from shared.state.allowance import Allowance
from shared.state.discovery import Discovery
from shared.state.http import BadAnswer, get_json
from shared.steps.signing_keys import SigningKey, usable

log = structlog.get_logger("jwks")

REFRESH_AFTER_S = 240
TTL_S = 300
STALE_S = 3600
FETCH_S = 5
BURST = 4
REFILL_S = 10
"""Four fetches at once, then one each ten seconds: never more than ten in any minute, and under a storm of
unknown key ids a new key still works within ten seconds."""


class Jwks:
    """The keys of one issuer.

    Args:
        issuer: `url`, `jwks_url`.
        discovery: Where its endpoints are.
        client: Used for issuers alone; the caller closes it.
        clock: Seconds, never going back.

    Raises:
        Misconfigured: The issuer's URL cannot be trusted.
    """

    def __init__(
        self,
        issuer: Issuer,
        discovery: Discovery,
        client: httpx.AsyncClient,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer.url
        self._configured = issuer.jwks_url
        self._discovery = discovery
        self._client = client
        self._clock = clock
        self._keys: tuple[SigningKey, ...] = ()
        self._fetched_at = -inf
        self._failing = False
        self._flight: asyncio.Task[None] | None = None
        self._allowance = Allowance(BURST, REFILL_S, clock)
        if not discovery.is_secure(issuer.jwks_url or issuer.url):
            raise Misconfigured(f"issuer {issuer.url}: it and its jwks_url must be https URLs (http on loopback only)")

    async def find(self, algorithm: str, kid: str | None) -> SigningKey | None:
        """The key to check a signature with; None if the issuer has none, or more than one it could be.

        Raises:
            Unavailable: The issuer does not answer, and it alone knows.
        """
        await self._ready()
        found = self._pick(algorithm, kid)
        if found or kid is None or any(key.kid == kid for key in self._keys):
            return found
        await self._refresh()
        if self._failing:
            raise _unavailable()
        return self._pick(algorithm, kid)

    async def holds(self, key: SigningKey) -> bool:
        """Whether the issuer still publishes `key`.

        Raises:
            Unavailable: The issuer has not answered for an hour.
        """
        await self._ready()
        return key in self._keys

    async def aclose(self) -> None:
        """Stop a refresh that is under way."""
        if self._flight is not None:
            self._flight.cancel()
            with suppress(asyncio.CancelledError):
                await self._flight

    def _pick(self, algorithm: str, kid: str | None) -> SigningKey | None:
        named = [key for key in self._keys if kid is not None and key.kid == kid]
        possible = named or [key for key in self._keys if kid is None or key.kid is None]
        fitting = [key for key in possible if key.fits(algorithm)]
        return fitting[0] if len(fitting) == 1 else None

    async def _ready(self) -> None:
        age = self._clock() - self._fetched_at
        if age < REFRESH_AFTER_S:
            return
        if age < TTL_S or (self._failing and age < STALE_S):
            self._start()
            return
        await self._refresh()
        if self._clock() - self._fetched_at >= STALE_S:
            raise _unavailable()

    async def _refresh(self) -> None:
        flight = self._start()
        if flight is not None:
            # One caller that gives up must not take the answer from the others.
            await asyncio.shield(flight)

    def _start(self) -> asyncio.Task[None] | None:
        """The fetch under way, or a new one unless there were too many."""
        if self._flight is None and self._allowance.take():
            self._flight = asyncio.create_task(self._fly())
        return self._flight

    async def _fly(self) -> None:
        began = self._clock()
        try:
            with RoundTrip("jwks", "fetch"):
                async with asyncio.timeout(FETCH_S):
                    uri = self._configured or await self._discovery.endpoint("jwks_uri")
                    self._keys = tuple(usable(await get_json(self._client, uri)))
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, BadAnswer) as error:
            self._failing = True
            self._discovery.forget()
            log.warning("issuer_keys_not_fetched", issuer=self._issuer, error=type(error).__name__)
        else:
            self._failing = False
            self._fetched_at = began
        finally:
            self._flight = None


def _unavailable() -> Unavailable:
    return Unavailable(
        "The identity provider does not answer, so the access token cannot be checked; retry later",
        retry_after_s=REFILL_S,
    )
