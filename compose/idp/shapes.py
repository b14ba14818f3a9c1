"""What well-known products put into access tokens, and the settings with which we accept them.

The mock provider can speak in each of these shapes, so that the settings are tested and not only written down. They
are those of `shared.core.issuers.Issuer`; docs/identity-providers.md explains them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import NAMESPACE_URL, uuid5

Claims = Mapping[str, Any]

NAMESPACE = "https://mcp-suite.example/"
"""Auth0 wants custom claims to be URLs."""
_SCOPES = ("customers:read", "customers:write", "customers:pii", "customers:admin", "approvals:decide", "audit:read")
_TENANTS = ("acme", "globex")


@dataclass(frozen=True)
class Shape:
    """How one product writes our claims.

    Attributes:
        typ: Header of its access tokens; None where it sends none.
        tell: Our claims, as the product tells them; one that is None is left out.
        settings: What makes us understand them, besides `url` and `audiences`.
        audience: What it says in `aud` for a resource that we know by its URL.
        slash: Whether its issuers end with a slash.
        refused: Why its tokens are not accepted as they are, in a word of `shared.steps.auth`.
    """

    typ: str | None
    tell: Callable[[Claims], dict[str, Any]]
    settings: Mapping[str, Any]
    audience: Callable[[str], str] = str
    slash: bool = False
    refused: str | None = None

    def issuer(self, url: str) -> str:
        """The issuer as the product would write it."""
        return f"{url.rstrip('/')}/" if self.slash else url

    def accepted_by(self, url: str, resources: Mapping[str, str]) -> dict[str, Any]:
        """The whole `Issuer` for a provider at `url`.

        Args:
            url: Its issuer.
            resources: By server, the URL it is known by.
        """
        audiences = {server: self.audience(resource) for server, resource in resources.items()}
        named = {} if audiences == resources else {"audiences": audiences}
        return {"url": self.issuer(url), **self.settings, **named}


def identifier(kind: str, name: str) -> str:
    """The UUID a product would have given to something: always the same for the same."""
    return str(uuid5(NAMESPACE_URL, f"mock {kind} {name}"))


def _is_alone(ours: Claims) -> bool:
    """Whether a program speaks for itself (RFC 9068 §2.2)."""
    return ours.get("sub") == ours.get("client_id")


def _words(ours: Claims) -> list[str]:
    return str(ours.get("scope") or "").split()


def _pascal(scope: str, suffix: str = "") -> str:
    """`customers:read` as Entra's conventions have it: `Customers.Read`, for programs `Customers.Read.All`."""
    return ".".join(part.capitalize() for part in scope.split(":")) + suffix


def _suite(ours: Claims) -> dict[str, Any]:
    return dict(ours)


def _entra(ours: Claims) -> dict[str, Any]:
    """Version 2 access tokens. Who a token is from differs: people have `scp`, programs `idtyp` and only `roles`."""
    common = {
        **{name: ours.get(name) for name in ("iss", "iat", "nbf", "exp")},
        "aud": identifier("application", str(ours.get("aud"))),
        "azp": identifier("application", str(ours.get("client_id"))),
        "azpacr": "1" if _is_alone(ours) else "0",
        "oid": identifier("object", str(ours.get("sub"))),
        "tid": identifier("tenant", str(ours.get("tenant"))),
        "uti": ours.get("jti"),
        "ver": "2.0",
    }
    if _is_alone(ours):
        permissions = [_pascal(scope, ".All") for scope in _words(ours)]
        return {**common, "sub": common["oid"], "idtyp": "app", "roles": permissions}
    return {
        **common,
        "sub": identifier("pairwise subject", f"{ours.get('sub')} {ours.get('aud')}"),
        "scp": " ".join(_pascal(scope) for scope in _words(ours)),
        "roles": ours.get("roles"),
        "acrs": ["p1", "c1"] if ours.get("acr") == "aal2" else ["p1"],
        "auth_time": ours.get("auth_time"),
        "sid": ours.get("sid"),
    }


def _okta(ours: Claims) -> dict[str, Any]:
    """A custom authorization server, with the claims `tenant` and `groups` added to it."""
    alone = _is_alone(ours)
    contexts = {"aal1": "urn:okta:loa:1fa:any", "aal2": "urn:okta:loa:2fa:any"}
    return {
        **{name: ours.get(name) for name in ("iss", "aud", "iat", "exp", "sub", "auth_time", "tenant")},
        "ver": 1,
        "jti": f"AT.{ours.get('jti')}",
        "cid": ours.get("client_id"),
        "uid": None if alone else f"00u{identifier('user', str(ours.get('sub')))[:17]}",
        "scp": _words(ours),
        "groups": None if alone else ["Everyone", *(f"mcp-{role}" for role in ours.get("roles") or ())],
        "acr": contexts.get(str(ours.get("acr"))),
    }


def _keycloak(ours: Claims) -> dict[str, Any]:
    """A realm with an audience mapper, a mapper of the user attribute `tenant`, and levels of authentication."""
    alone = _is_alone(ours)
    realm_roles, client_roles = list(ours.get("roles") or ())[:1], list(ours.get("roles") or ())[1:]
    account = {"roles": ["manage-account", "view-profile"]}
    return {
        **{name: ours.get(name) for name in ("iss", "iat", "exp", "jti", "auth_time", "sid", "tenant")},
        "aud": [ours.get("aud"), "account"],
        "sub": identifier("user", str(ours.get("sub"))),
        "typ": "Bearer",
        "azp": ours.get("client_id"),
        "acr": {"aal1": "1", "aal2": "2"}.get(str(ours.get("acr"))),
        "realm_access": {"roles": ["offline_access", "uma_authorization", *realm_roles]},
        "resource_access": {"mcp-suite": {"roles": client_roles}, "account": account},
        "scope": " ".join(["profile", "email", *_words(ours)]),
        "preferred_username": f"service-account-{ours.get('client_id')}" if alone else ours.get("sub"),
        "client_id": ours.get("client_id") if alone else None,
    }


def _auth0(ours: Claims) -> dict[str, Any]:
    """Its own token profile, with RBAC, an organization a tenant, and an Action that adds roles and `acr`."""
    alone = _is_alone(ours)
    issuer = f"{str(ours.get('iss')).rstrip('/')}/"
    return {
        **{name: ours.get(name) for name in ("iat", "exp", "scope", "act")},
        "iss": issuer,
        "sub": f"{ours.get('client_id')}@clients" if alone else f"auth0|{ours.get('sub')}",
        "aud": ours.get("aud") if alone else [ours.get("aud"), f"{issuer}userinfo"],
        "azp": ours.get("client_id"),
        "org_id": f"org_{ours.get('tenant')}",
        "permissions": _words(ours),
        "gty": "client-credentials" if alone else None,
        f"{NAMESPACE}roles": ours.get("roles"),
        f"{NAMESPACE}acr": ours.get("acr"),
    }


def _cognito(ours: Claims) -> dict[str, Any]:
    """Amazon Cognito names no audience unless the client binds the token to a resource."""
    return {
        **{name: ours.get(name) for name in ("iss", "iat", "exp", "jti", "client_id", "auth_time", "tenant")},
        "sub": ours.get("client_id") if _is_alone(ours) else identifier("user", str(ours.get("sub"))),
        "token_use": "access",
        "version": 2,
        "scope": " ".join(f"mcp-suite/{scope}" for scope in _words(ours)),
        "cognito:groups": ours.get("roles"),
        "username": None if _is_alone(ours) else ours.get("sub"),
    }


SHAPES: Mapping[str, Shape] = {
    "suite": Shape("at+jwt", _suite, {}),
    "entra": Shape(
        "JWT",
        _entra,
        {
            "subject_claim": "oid",
            "tenant_claim": "tid",
            "tenants": {identifier("tenant", tenant): tenant for tenant in _TENANTS},
            "service_claims": {"idtyp": "app"},
            # Of a person `scp` are the scopes; of a program its application permissions, which are told as roles.
            "scope_claims": ("scp", "roles"),
            "scope_names": {_pascal(scope, suffix): scope for scope in _SCOPES for suffix in ("", ".All")},
            "acr_claims": ("acrs",),
            "acr_names": {"c1": "aal2"},
            "id_claim": "uti",
            # Sixty to ninety minutes, as it likes, told from five minutes before.
            "max_lifetime_s": 7200,
        },
        audience=partial(identifier, "application"),
    ),
    "okta": Shape(
        None,
        _okta,
        {
            "exchange_for": "audience",
            "token_types": ("none",),
            "role_claims": ("groups",),
            "role_names": {
                f"mcp-{role}": role for role in ("support", "sales", "manager", "approver", "auditor", "admin")
            },
            "acr_names": {"urn:okta:loa:1fa:any": "aal1", "urn:okta:loa:2fa:any": "aal2"},
        },
    ),
    "keycloak": Shape(
        "JWT",
        _keycloak,
        {
            "exchange_for": "audience",
            # Put there for service accounts alone; of people `azp` names the program.
            "service_claims": {"client_id": "*"},
            "role_claims": ("realm_access.roles", "resource_access.mcp-suite.roles"),
            "acr_names": {"1": "aal1", "2": "aal2"},
        },
    ),
    "auth0": Shape(
        "JWT",
        _auth0,
        {
            "exchange_for": "audience",
            "tenant_claim": "org_id",
            "tenants": {f"org_{tenant}": tenant for tenant in _TENANTS},
            "service_claims": {"gty": "client-credentials"},
            # Not `permissions`: they are all that the user may do, whatever this client was granted.
            "scope_claims": ("scope",),
            "role_claims": (f"{NAMESPACE}roles",),
            "acr_claims": (f"{NAMESPACE}acr",),
        },
        slash=True,
    ),
    "cognito": Shape(
        "JWT",
        _cognito,
        {"scope_prefix": "mcp-suite/", "role_claims": ("cognito:groups",)},
        refused="audience",
    ),
}
"""By the name `IdentityProvider` knows them by."""
