"""Access token → Caller."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from shared.core.caller import Caller
from shared.core.errors import Unavailable
from shared.core.settings import Settings
from shared.steps.challenges import refuse
from shared.steps.claims import caller
from shared.steps.introspection import Introspection
from shared.steps.jwks import Jwks
from shared.steps.providers import Provider
from shared.steps.signing_keys import SigningKey
from shared.steps.tokens import bearer, looks_signed, parse
from shared.steps.validity import Terms, check_kind

REMEMBERED = 4096
"""Verified tokens kept, the least recently used dropped first."""


@dataclass(frozen=True, slots=True)
class _Verified:
    """A caller, as long as the issuer publishes the key, if one signed, and says that the token is active, if asked."""

    caller: Caller
    keys: Jwks
    key: SigningKey | None
    introspection: Introspection | None


class Verifier:
    """Verifies access tokens for one resource: JWTs (RFC 9068, with the leniency real issuers need), and opaque ones
    by asking their provider (RFC 7662).

    Args:
        settings: Algorithms, lifetime, clock skew, as far as an issuer has none of its own.
        server: Its name, by which an issuer may call it another audience.
        resource: The audience tokens must name: this server's URL (RFC 8707), byte for byte.
        providers: By `iss`; asked about opaque tokens in this order.
        revoked: Asked on every request, so it must be quick: whether the caller's token no longer counts here.
        clock: Seconds since the epoch.

    Raises:
        Misconfigured: An algorithm is named that we cannot verify.
    """

    def __init__(
        self,
        settings: Settings,
        server: str,
        resource: str,
        providers: Mapping[str, Provider],
        *,
        revoked: Callable[[Caller], bool] = lambda _: False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._providers = providers
        self._terms = {
            url: Terms.of(provider.issuer, settings, server, resource) for url, provider in providers.items()
        }
        self._skew_s = settings.clock_skew_s
        self._revoked = revoked
        self._clock = clock
        self._known: dict[bytes, _Verified] = {}

    async def verify(self, authorization: str | None) -> Caller:
        """Who calls, by the value of the `Authorization` header (None if there is none).

        Raises:
            Unauthenticated: No token, or one that is not accepted; the reason is a key of `ADVICE`.
            Unavailable: The issuer's keys, or its word on the token, cannot be had.
        """
        token = bearer(authorization)
        digest = sha256(token.encode()).digest()
        known = self._known.pop(digest, None)
        if known is not None and known.key is not None and not await known.keys.holds(known.key):
            known = None
        if known is not None and known.introspection is not None and not known.introspection.vouches(digest):
            known = None
        if known is None:
            known = await (self._check(token, digest) if looks_signed(token) else self._ask(token, digest))
        if self._is_over(known.caller):
            raise refuse("expired")
        if self._revoked(known.caller):
            raise refuse("revoked")
        self._remember(digest, known)
        return known.caller

    def _is_over(self, caller: Caller) -> bool:
        return self._clock() >= caller.expires_at + self._skew_s

    def _remember(self, digest: bytes, verified: _Verified) -> None:
        if len(self._known) >= REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[digest] = verified

    async def _check(self, token: str, digest: bytes) -> _Verified:
        """A JWT, by its signature; and by its provider's word where that is wanted of every token."""
        jwt = parse(token)
        # Not verified yet; asked first so that another issuer's tokens cost ours no fetch.
        provider = self._of(jwt.claims.get("iss"))
        terms = self._terms[provider.issuer.url]
        terms.check_algorithm(jwt.algorithm)
        key = await provider.keys.find(jwt.algorithm, jwt.kid)
        if key is None:
            raise refuse("key")
        if not jwt.is_signed_with(key):
            raise refuse("signature")
        terms.check_type(jwt.header, jwt.claims)
        terms.check_audience(jwt.claims)
        terms.check_times(jwt.claims, self._clock())
        who = caller(jwt.claims, provider.issuer)
        asked = provider.introspection if provider.issuer.introspect == "always" else None
        if asked is not None and await asked.ask(token, digest) is None:
            raise refuse("inactive")
        return _Verified(who, provider.keys, key, asked)

    async def _ask(self, token: str, digest: bytes) -> _Verified:
        """A token only its provider can read: the first that says it is active, it is of."""
        asked = [provider for provider in self._providers.values() if provider.introspection is not None]
        away: Unavailable | None = None
        for provider in asked:
            assert provider.introspection is not None  # noqa: S101 - as chosen above
            try:
                claims = await provider.introspection.ask(token, digest)
            except Unavailable as error:
                away = error
                continue
            if claims is not None:
                return _Verified(self._told(provider, claims), provider.keys, None, provider.introspection)
        raise away or refuse("inactive" if asked else "malformed")

    def _told(self, provider: Provider, claims: Mapping[str, Any]) -> Caller:
        """The caller by a provider's answer, which is held to what its JWTs are held to."""
        if claims.get("iss", provider.issuer.url) != provider.issuer.url:
            raise refuse("issuer")
        terms = self._terms[provider.issuer.url]
        check_kind(claims)
        terms.check_audience(claims)
        # RFC 7662 §2.2: `iat` is optional. One that does not tell has at most its longest life ahead.
        terms.check_times({"iat": self._clock(), **claims}, self._clock())
        return caller(claims, provider.issuer)

    def _of(self, issuer: object) -> Provider:
        provider = self._providers.get(issuer) if isinstance(issuer, str) else None
        if provider is None:
            raise refuse("issuer")
        return provider
