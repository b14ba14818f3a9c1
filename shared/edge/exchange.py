"""Calls to other servers in a caller's name: the caller's token is exchanged (RFC 8693), never passed on.

Besides the verifier this module alone sees the token of a request; what leaves it is another token, for another server.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256

import httpx
import structlog
from pydantic import SecretStr

from shared.core.backend import RoundTrip
from shared.core.caller import Caller
from shared.core.delegation import NOBODY, OnBehalf
from shared.core.errors import CannotDelegate, Failure, Misconfigured, Unavailable
from shared.core.issuers import Issuer
from shared.core.settings import Settings
from shared.edge.exchanged import ACCESS_TOKEN, Exchanged, read
from shared.state.client_assertion import authenticate
from shared.state.discovery import Discovery
from shared.state.http import BadAnswer, open_client, post_form_any
from shared.steps.tokens import bearer

log = structlog.get_logger("exchange")

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ANSWER_S = 5
"""How long an answer may take."""
ANSWER_BYTES = 64 * 1024
REMEMBERED = 4096
"""Tokens kept, those that were used least lately dropped first."""
EARLY_S = 30
"""How long before its end a token is given up; of short-lived ones a quarter of their life."""


@dataclass(frozen=True, slots=True)
class _Key:
    """Who acts for whom, where, and to do what: the subject by a digest, so that memory holds its token no longer than
    the request does.
    """

    subject: bytes
    resource: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Kept:
    token: SecretStr
    until: float


class Exchange:
    """Token exchange at one provider.

    Args:
        issuer: The provider, and who we are there.
        discovery: Where its token endpoint is.
        client: Used for it alone; the caller closes it.
        clock: Seconds, never going back.

    Raises:
        Misconfigured: `token_url` cannot be trusted with tokens.
    """

    def __init__(
        self,
        issuer: Issuer,
        discovery: Discovery,
        client: httpx.AsyncClient,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer
        self._discovery = discovery
        self._client = client
        self._clock = clock
        self._kept: dict[_Key, _Kept] = {}
        self._flights: dict[_Key, asyncio.Task[SecretStr | Failure]] = {}
        if not discovery.is_secure(issuer.token_url or issuer.url):
            raise Misconfigured(f"token_url of {issuer.url} must be https (http on loopback only)")

    async def token(
        self, subject: SecretStr, resource: str, scopes: Sequence[str], *, instead_of: SecretStr | None = None
    ) -> SecretStr:
        """As `OnBehalf.token`, for the subject of this token."""
        digest = sha256(subject.get_secret_value().encode()).digest()
        key = _Key(digest, resource, tuple(sorted(set(scopes))))
        kept = self._kept.pop(key, None)
        if kept is not None and kept.token != instead_of and self._clock() < kept.until:
            self._kept[key] = kept
            return kept.token
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = asyncio.create_task(self._fly(key, subject))
        # One caller that gives up must not take the answer from the others.
        answer = await asyncio.shield(flight)
        if isinstance(answer, Failure):
            raise answer
        return answer

    async def aclose(self) -> None:
        """Stop what is under way."""
        for flight in list(self._flights.values()):
            flight.cancel()
            with suppress(asyncio.CancelledError):
                await flight

    async def _fly(self, key: _Key, subject: SecretStr) -> SecretStr | Failure:
        try:
            async with asyncio.timeout(ANSWER_S):
                status, answer = await self._ask(key, subject)
            got = read(status, answer, subject, key.resource, key.scopes)
            self._keep(key, got)
            return got.token
        except Failure as failure:
            log.warning("exchange_refused", issuer=self._issuer.url, resource=key.resource, code=failure.code)
            return failure
        except Misconfigured as error:  # the key file went bad; only a log may name it
            log.warning("exchange_failed", issuer=self._issuer.url, error=str(error))
            return CannotDelegate("This server cannot prove to the identity provider who it is. Ask who runs it.")
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, BadAnswer) as error:
            self._discovery.forget()
            log.warning("exchange_failed", issuer=self._issuer.url, error=type(error).__name__)
            return Unavailable(
                "The identity provider does not answer, so nothing can be done in your name; retry later."
            )
        finally:
            del self._flights[key]

    async def _ask(self, key: _Key, subject: SecretStr) -> tuple[int, dict[str, object]]:
        url = self._issuer.token_url or await self._discovery.endpoint("token_endpoint")
        proof = await authenticate(self._issuer, url)
        form = {
            "grant_type": GRANT,
            "subject_token": subject.get_secret_value(),
            "subject_token_type": ACCESS_TOKEN,
            "requested_token_type": ACCESS_TOKEN,
            self._issuer.exchange_for: key.resource,
            "scope": " ".join(key.scopes),
        }
        with RoundTrip("exchange", "ask"):
            return await post_form_any(self._client, url, {**form, **proof.form}, proof.headers, ANSWER_BYTES)

    def _keep(self, key: _Key, got: Exchanged) -> None:
        if got.lifetime_s <= 0:
            return
        while len(self._kept) >= REMEMBERED:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = _Kept(got.token, self._clock() + got.lifetime_s - min(EARLY_S, got.lifetime_s / 4))


@dataclass(frozen=True, slots=True)
class _Caller:
    """A caller's token, for this module alone."""

    exchange: Exchange
    subject: SecretStr = field(repr=False)
    granted: frozenset[str]

    async def token(self, resource: str, scopes: Sequence[str], *, instead_of: SecretStr | None = None) -> SecretStr:
        return await self.exchange.token(self.subject, resource, scopes, instead_of=instead_of)


class _NotSetUp:
    """Of callers whose issuer does not know us; their token is not even kept."""

    granted: frozenset[str] = frozenset()

    async def token(self, resource: str, scopes: Sequence[str], *, instead_of: SecretStr | None = None) -> SecretStr:
        del resource, scopes, instead_of
        raise CannotDelegate(
            "This call would act at another server in your name, and this server has no client at your identity "
            "provider to do so. Who runs it must set client_id, and client_secret or client_key, of that issuer in "
            "SUITE_ISSUERS, best in its `clients` for this server alone."
        )


_NOT_SET_UP: OnBehalf = _NotSetUp()


class Exchanges:
    """Token exchange of one server, at every provider that knows it, by its URL."""

    def __init__(self, exchanges: Mapping[str, Exchange]) -> None:
        self._exchanges = exchanges

    def on_behalf(self, authorization: str | None, caller: Caller) -> OnBehalf:
        """What the tools that this caller calls may do in the caller's name.

        Args:
            authorization: The header that `caller` was verified by.
            caller: Says whose token it is.
        """
        exchange = self._exchanges.get(caller.issuer)
        if exchange is None:
            return _NOT_SET_UP
        return _Caller(exchange, SecretStr(bearer(authorization)), caller.scopes) if authorization else NOBODY


@asynccontextmanager
async def open_exchanges(settings: Settings, servers: Sequence[str]) -> AsyncGenerator[dict[str, Exchanges]]:
    """By server, token exchange at those of `trusted_issuers` where it is a client, or all our servers are one.

    Raises:
        Misconfigured: The `token_url` of one cannot be trusted.
    """
    async with open_client() as client:
        made: dict[str, dict[str, Exchange]] = {server: {} for server in servers}
        for issuer in settings.trusted_issuers:
            discovery = Discovery(issuer.url, client, plain_http=settings.plain_http)
            for server, exchanges in made.items():
                if (own := issuer.as_client(server)) is not None:
                    exchanges[issuer.url] = Exchange(own, discovery, client)
        try:
            yield {server: Exchanges(exchanges) for server, exchanges in made.items()}
        finally:
            for exchange in (one for exchanges in made.values() for one in exchanges.values()):
                await exchange.aclose()
