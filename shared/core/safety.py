"""What settings must not say: the process refuses to start on it."""

from typing import TYPE_CHECKING

from shared.core.errors import Misconfigured

if TYPE_CHECKING:
    from shared.core.settings import Settings

_NEEDED_BY_A_FLEET = (
    "public_url",
    "issuer",
    "database_url",
    "redis_url",
    "audit_keys",
    "ledger_keys",
    "cursor_keys",
    "session_keys",
    "state_keys",
)


def require_safe(settings: "Settings") -> None:
    """Raise for settings that contradict each other, or would quietly switch a protection off.

    Raises:
        Misconfigured: Names the setting.
    """
    if settings.pool_min > settings.pool_max:
        raise Misconfigured("pool_min exceeds pool_max")
    if unread := settings.domain_tenant.keys() - settings.domain_url.keys():
        names = ", ".join(sorted(unread))
        raise Misconfigured(f"domain_tenant pins a tenant for {names}, which has no domain_url")
    if "*" in settings.allowed_hosts or "*" in settings.allowed_origins:
        raise Misconfigured("allowed_hosts and allowed_origins are lists of names; `*` would switch the check off")
    if "*" in settings.trusted_proxies:
        raise Misconfigured("trusted_proxies are addresses and networks; `*` would let every client choose its own")
    if settings.issuers and (settings.issuer or settings.jwks_url or "tenant_claim" in settings.model_fields_set):
        raise Misconfigured("issuers stands in place of issuer, jwks_url and tenant_claim; set one or the other")
    if settings.profile == "fleet":
        _require_what_a_fleet_needs(settings)
    for algorithms in (settings.token_algorithms, *(issuer.algorithms for issuer in settings.issuers.values())):
        _require_asymmetric(algorithms)


def _require_asymmetric(algorithms: tuple[str, ...]) -> None:
    if any(not name or name.lower() == "none" or name.upper().startswith("HS") for name in algorithms):
        raise Misconfigured("token_algorithms must be asymmetric: `none` and HS* would let anyone mint tokens")


def _require_what_a_fleet_needs(settings: "Settings") -> None:
    given = {"issuer"} if settings.issuers else set[str]()
    given |= {name for name in _NEEDED_BY_A_FLEET if getattr(settings, name)}
    missing = [f"SUITE_{name.upper()}" for name in _NEEDED_BY_A_FLEET if name not in given]
    if missing:
        raise Misconfigured(f"profile=fleet needs {', '.join(missing)}")
    if not (settings.public_url or "").startswith("https://"):
        raise Misconfigured("profile=fleet needs a public_url with https")
