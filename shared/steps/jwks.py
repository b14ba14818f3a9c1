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
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from typing import Any, cast

import httpx
import structlog
from joserfc import jwk
from joserfc.errors import JoseError, SecurityWarning

from shared.core.backend import RoundTrip
from shared.core.errors import Misconfigured, Unavailable
from shared.core.settings import Settings
from shared.state.http import BadAnswer, get_json, is_loopback

log = structlog.get_logger("jwks")

REFRESH_AFTER_S = 240
TTL_S = 300
STALE_S = 3600
FETCH_S = 5
BURST = 4
REFILL_S = 10
"""Four fetches at once, then one each ten seconds: never more than ten in any minute, and under a storm of
unknown key ids a new key still works within ten seconds."""

RSA_BITS = 2048
"""RFC 7518 §3.3."""

ALGORITHMS = {
    "RS256": "RSA",
    "RS384": "RSA",
    "RS512": "RSA",
    "PS256": "RSA",
    "PS384": "RSA",
    "PS512": "RSA",
    "ES256": "P-256",
    "ES384": "P-384",
    "ES512": "P-521",
    "EdDSA": "Ed25519",
    "Ed25519": "Ed25519",
}
"""The only kind of key each algorithm may use: the curve, or RSA (RFC 7518 §3.1, RFC 8037, RFC 9864)."""

_MATERIAL = {"RSA": ("kty", "n", "e"), "EC": ("kty", "crv", "x", "y"), "OKP": ("kty", "crv", "x")}


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A public key of the issuer; equal when id, purpose and material are.

    Attributes:
        kid: Its id, if it has one.
        kind: The curve, or RSA.
        algorithm: The one algorithm its `alg` allows, or None for all of its kind.
        thumbprint: RFC 7638.
    """

    kid: str | None
    kind: str
    algorithm: str | None
    thumbprint: str
    key: jwk.Key = field(compare=False, repr=False)

    def fits(self, algorithm: str) -> bool:
        """Whether a signature by `algorithm` may be checked with this key."""
        declared = self.algorithm is None or _renamed(self.algorithm) == _renamed(algorithm)
        return declared and ALGORITHMS.get(algorithm) == self.kind


class Jwks:
    """The keys of the configured issuer.

    Args:
        settings: `token_issuer`, `jwks_url`.
        client: Used for the issuer alone; the caller closes it.
        clock: Seconds, never going back.

    Raises:
        Misconfigured: The issuer's URL cannot be trusted.
    """

    def __init__(
        self, settings: Settings, client: httpx.AsyncClient, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._issuer = settings.token_issuer
        self._plain_http = settings.profile == "laptop" and settings.environment == "dev"
        self._configured = settings.jwks_url
        self._client = client
        self._clock = clock
        self._keys: tuple[SigningKey, ...] = ()
        self._fetched_at = -inf
        self._failing = False
        self._discovered: tuple[str, float] = ("", -inf)
        self._flight: asyncio.Task[None] | None = None
        self._allowance = _Allowance(clock)
        if not self._is_secure(self._configured or self._issuer):
            raise Misconfigured("SUITE_ISSUER and SUITE_JWKS_URL must be https URLs (http on loopback only)")

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
                    uri = self._configured or await self._discover()
                    self._keys = tuple(_usable(await get_json(self._client, uri)))
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, BadAnswer) as error:
            self._failing = True
            self._discovered = ("", -inf)
            log.warning("issuer_keys_not_fetched", error=type(error).__name__)
        else:
            self._failing = False
            self._fetched_at = began
        finally:
            self._flight = None

    async def _discover(self) -> str:
        """`jwks_uri` of the issuer's metadata, remembered for an hour."""
        uri, since = self._discovered
        if self._clock() - since < STALE_S:
            return uri
        for url in metadata_urls(self._issuer):
            with suppress(BadAnswer):
                metadata = await get_json(self._client, url)
                uri = metadata.get("jwks_uri")
                # RFC 8414 §3.3: what names another issuer must not be used.
                if metadata.get("issuer") == self._issuer and isinstance(uri, str) and self._is_secure(uri):
                    self._discovered = (uri, self._clock())
                    return uri
        raise BadAnswer("no metadata of this issuer with a secure jwks_uri")

    def _is_secure(self, url: str) -> bool:
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL:
            return False
        plain_http = self._plain_http or is_loopback(parsed)
        return bool(parsed.host) and (parsed.scheme == "https" or (parsed.scheme == "http" and plain_http))


def metadata_urls(issuer: str) -> list[str]:
    """Where an issuer's metadata may be: RFC 8414 §3.1, then OpenID Connect in both forms."""
    url = httpx.URL(issuer)
    origin = str(url.copy_with(raw_path=b"/", fragment=None)).rstrip("/")
    path = url.path.rstrip("/")
    forms = (
        f"{origin}/.well-known/oauth-authorization-server{path}",
        f"{origin}/.well-known/openid-configuration{path}",
        f"{origin}{path}/.well-known/openid-configuration",
    )
    return list(dict.fromkeys(forms))


class _Allowance:
    """A token bucket: `BURST` at once, one more each `REFILL_S`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._left = float(BURST)
        self._at = clock()

    def take(self) -> bool:
        now = self._clock()
        self._left = min(BURST, self._left + (now - self._at) / REFILL_S)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


def _unavailable() -> Unavailable:
    return Unavailable(
        "The identity provider does not answer, so the access token cannot be checked; retry later",
        retry_after_s=REFILL_S,
    )


def _renamed(algorithm: str) -> str:
    """EdDSA with this curve is called Ed25519 since RFC 9864."""
    return "Ed25519" if algorithm == "EdDSA" else algorithm


def _usable(document: dict[str, Any]) -> Iterator[SigningKey]:
    """The signature keys of a JWK set (RFC 7517 §5); what we do not understand is left out.

    Raises:
        BadAnswer: No JWK set.
    """
    keys: object = document.get("keys")
    if not isinstance(keys, list):
        raise BadAnswer("no JWK set")
    for entry in cast("Iterable[object]", keys):
        if isinstance(entry, dict):
            key = _import(cast("dict[str, Any]", entry))
            if key is not None:
                yield key


def _import(entry: dict[str, Any]) -> SigningKey | None:
    """The key if it is public, for signatures, and strong enough.

    Its declarations are judged by `SigningKey.fits`, so the library sees the material alone.
    """
    kid, algorithm = entry.get("kid"), entry.get("alg")
    if not (_is_for_verifying(entry) and isinstance(kid, str | None) and isinstance(algorithm, str | None)):
        return None
    try:
        material = {name: entry[name] for name in _MATERIAL[entry["kty"]]}
        with warnings.catch_warnings():
            # It only warns of short RSA keys, which are left out here.
            warnings.simplefilter("ignore", SecurityWarning)
            key = jwk.import_key(material)
    except (JoseError, ValueError, KeyError, TypeError):
        return None
    if isinstance(key, jwk.OctKey) or (isinstance(key, jwk.RSAKey) and key.public_key.key_size < RSA_BITS):
        return None
    kind = "RSA" if isinstance(key, jwk.RSAKey) else key.curve_name
    return SigningKey(kid, kind, algorithm, key.thumbprint(), key)


def _is_for_verifying(entry: dict[str, Any]) -> bool:
    """RFC 7517 §4.2 and §4.3; a private key that was published is not to be trusted."""
    operations = entry.get("key_ops", ["verify"])
    listed = isinstance(operations, list) and "verify" in operations
    return listed and entry.get("use", "sig") == "sig" and "d" not in entry
