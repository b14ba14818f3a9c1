"""Whose word we take for who calls."""

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shared.core.issuers import Issuer, require_apart
from shared.core.loopback import in_the_clear, is_loopback
from shared.core.rules.rule import Rule, in_production, told_by

if TYPE_CHECKING:
    from shared.core.settings import Settings

_LONGEST_IN_PRODUCTION_S = 4 * 3600
_ISSUERS = ("issuer", "issuers", "jwks_url", "public_url", "host", "profile", "environment")


def _mock_for_all(settings: "Settings") -> str | None:
    if settings.mock_issuer is None or is_loopback(settings.host):
        return None
    return f"the mock identity provider is trusted, and host is {settings.host}: whoever reaches it may be anybody"


def _mock_in_production(settings: "Settings") -> str | None:
    if not in_production(settings):
        return None
    for issuer in settings.trusted_issuers:
        parts = urlsplit(issuer.url)
        if issuer.url == f"{settings.base_url}/idp" or is_loopback(parts.hostname or ""):
            return f"environment is {settings.environment}, and {issuer.url} is trusted: the mock identity provider"
    return None


def _plain_issuer(settings: "Settings") -> str | None:
    if settings.plain_http:
        return None
    plain = next((url for issuer in settings.trusted_issuers for url in _urls(issuer) if in_the_clear(url)), None)
    return f"{plain} is http: anybody between could choose whose tokens we accept" if plain else None


def _urls(issuer: Issuer) -> Iterator[str]:
    yield issuer.url
    yield from filter(None, (issuer.jwks_url, issuer.introspection_url, issuer.token_url))


def _symmetric(settings: "Settings") -> str | None:
    for algorithms in (settings.token_algorithms, *(issuer.algorithms for issuer in settings.issuers.values())):
        if any(not name or name.lower() == "none" or name.upper().startswith("HS") for name in algorithms):
            return "token_algorithms must be asymmetric: `none` and HS* would let anyone mint tokens"
    return None


def _long_tokens(settings: "Settings") -> str | None:
    lives = [settings.token_max_lifetime_s, *(one.max_lifetime_s or 0 for one in settings.issuers.values())]
    if not in_production(settings) or max(lives) <= _LONGEST_IN_PRODUCTION_S:
        return None
    return f"tokens may live for {max(lives)} seconds: a stolen one is good for as long"


def _twice(settings: "Settings") -> str | None:
    if settings.issuers and (settings.issuer or settings.jwks_url or "tenant_claim" in settings.model_fields_set):
        return "issuers stands in place of issuer, jwks_url and tenant_claim; set one or the other"
    return None


def _admin_over_stdio(settings: "Settings") -> str | None:
    said = "stdio_roles" in settings.model_fields_set and "admin" in settings.stdio_roles
    return (
        "stdio_roles has admin: whoever gets a shell in a container is one"
        if settings.profile == "fleet" and said
        else None
    )


RULES = (
    Rule(
        name="mock-issuer-on-public-address",
        when="the mock identity provider is trusted, and `host` is not loopback",
        reason="It lets everybody sign in as anybody: that is no authentication.",
        remedy="Set SUITE_ISSUER or SUITE_ISSUERS to your identity provider, or SUITE_HOST=127.0.0.1.",
        settings=_ISSUERS,
        found=_mock_for_all,
    ),
    Rule(
        name="mock-issuer-in-production",
        when="in stage or prod an issuer is on loopback, or is our own `/idp`",
        reason="It lets everybody sign in as anybody.",
        remedy="Set SUITE_ISSUER or SUITE_ISSUERS to your identity provider, or SUITE_ENVIRONMENT=dev.",
        settings=_ISSUERS,
        found=_mock_in_production,
    ),
    Rule(
        name="issuer-unencrypted",
        when="an issuer, its keys, introspection or token endpoint is `http` beyond loopback; a laptop in dev may",
        reason="Whoever is between us and its keys can make tokens that we accept, or read tokens and client secrets.",
        remedy="Use the provider's https URLs; trust a private authority with SSL_CERT_FILE.",
        settings=_ISSUERS,
        found=_plain_issuer,
    ),
    Rule(
        name="symmetric-algorithm",
        when="`token_algorithms`, or those of an issuer, have `none` or HS*",
        reason="Whoever can check such a token can make one.",
        remedy="Leave SUITE_TOKEN_ALGORITHMS out, or name asymmetric ones such as ES256, EdDSA, PS256.",
        settings=("token_algorithms", "issuers"),
        found=_symmetric,
    ),
    Rule(
        name="long-lived-tokens",
        when="in stage or prod tokens may live for more than four hours",
        reason="Who lost rights at the provider keeps them here until the token ends.",
        remedy="Set SUITE_TOKEN_MAX_LIFETIME_S to 3600, and let clients refresh.",
        settings=("token_max_lifetime_s", "issuers", "environment"),
        found=_long_tokens,
    ),
    Rule(
        name="issuer-twice",
        when="`issuers` is set beside `issuer`, `jwks_url` or `tenant_claim`",
        reason="One of them would quietly not count.",
        remedy="Put it all into SUITE_ISSUERS, and leave the others out.",
        settings=("issuer", "issuers", "jwks_url", "tenant_claim"),
        found=_twice,
    ),
    Rule(
        name="issuers-overlap",
        when="two issuers may speak for the same tenant without saying so, or one is incomplete",
        reason="One company's provider could vouch for another company's people.",
        remedy="Give each issuer its `tenant` or `tenants` (docs/identity-providers.md).",
        settings=("issuers",),
        found=told_by(require_apart, lambda settings: settings.issuers),
    ),
    Rule(
        name="stdio-admin-in-fleet",
        when="in a fleet `stdio_roles` is set, with admin",
        reason="Over stdio there is no sign-in: a shell in a container would be an administrator of the tenant.",
        remedy="Leave SUITE_STDIO_ROLES out of a fleet's environment, or set it to a role that reads.",
        settings=("profile", "stdio_roles"),
        found=_admin_over_stdio,
        warns=True,
    ),
)
