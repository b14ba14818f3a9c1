"""What a token must be, besides signed, to count at one server."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.core.errors import Misconfigured
from shared.core.issuers import Issuer
from shared.core.settings import Settings
from shared.steps.challenges import refuse
from shared.steps.claims import seconds, texts
from shared.steps.signing_keys import ALGORITHMS

_EDDSA = {"EdDSA", "Ed25519"}
_UNTYPED = {"none", "jwt"}
"""Types that do not say what kind of token it is."""
_ID_TOKEN_CLAIMS = {"nonce", "at_hash", "c_hash", "s_hash"}
_OTHER_KINDS = {"id", "refresh", "offline", "logout"}
"""What Keycloak says in a claim `typ` of tokens that are no access tokens."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What one issuer's tokens must be at one server.

    Attributes:
        algorithms: By which they may be signed.
        types: Their `typ`, in small letters; `none` for tokens without one.
        audiences: One of which they must name, byte for byte (RFC 8707).
        longest_s: Seconds they may live.
        skew_s: Seconds that clocks may differ.
    """

    algorithms: frozenset[str]
    types: frozenset[str]
    audiences: frozenset[str]
    longest_s: int
    skew_s: int

    @classmethod
    def of(cls, issuer: Issuer, settings: Settings, server: str, resource: str) -> "Terms":
        """The terms at the server of this name, whose URL is `resource`.

        Raises:
            Misconfigured: An algorithm we cannot verify.
        """
        algorithms = set(issuer.algorithms or settings.token_algorithms)
        if algorithms & _EDDSA:
            algorithms |= _EDDSA
        if unknown := algorithms - ALGORITHMS.keys():
            raise Misconfigured(
                f"issuer {issuer.url}: tokens with {', '.join(sorted(unknown))} cannot be checked. Name others in its "
                f"`algorithms`, or in SUITE_TOKEN_ALGORITHMS: {', '.join(ALGORITHMS)}"
            )
        return cls(
            algorithms=frozenset(algorithms),
            types=frozenset(kind.lower() for kind in issuer.token_types),
            audiences=frozenset({resource, issuer.audiences.get(server, resource)}),
            longest_s=issuer.max_lifetime_s or settings.token_max_lifetime_s,
            skew_s=settings.clock_skew_s,
        )

    def check_algorithm(self, algorithm: str) -> None:
        if algorithm not in self.algorithms:
            raise refuse("algorithm")

    def check_type(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> None:
        """RFC 9068 §4, and plain `JWT` for issuers that do not say; other kinds then give themselves away."""
        kind = header.get("typ", "none").lower()
        if kind not in self.types or (kind in _UNTYPED and _ID_TOKEN_CLAIMS & claims.keys()):
            raise refuse("type")
        check_kind(claims)

    def check_audience(self, claims: Mapping[str, Any]) -> None:
        audience: object = claims.get("aud")
        named = [audience] if isinstance(audience, str) else texts(audience, "audience")
        if self.audiences.isdisjoint(named):
            raise refuse("audience")

    def check_times(self, claims: Mapping[str, Any], now: float) -> None:
        """`iat` and `exp` are required and not too far apart; whether `exp` has passed is judged by each call."""
        issued, ends = seconds(claims, "iat"), seconds(claims, "exp")
        begins = max(issued, seconds(claims, "nbf") if "nbf" in claims else issued)
        if begins > now + self.skew_s:
            raise refuse("not_yet_valid")
        if not 0 < ends - issued <= self.longest_s:
            raise refuse("lifetime")


def check_kind(claims: Mapping[str, Any]) -> None:
    """An access token, and one that needs no other proof than itself (RFC 7800; RFC 9449 §7.2, RFC 8705 §3)."""
    if str(claims.get("typ", "")).lower() in _OTHER_KINDS:
        raise refuse("type")
    if "cnf" in claims:
        raise refuse("bound")
