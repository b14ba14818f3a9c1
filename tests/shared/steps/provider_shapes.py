"""Access tokens as well-known providers shape them, signed with keys of ours."""

import time
from typing import Any

from tests.shared.steps.issuing import token
from tests.shared.steps.matrix_issuers import KEYS, URLS


def _signed(issuer: str, header: dict[str, Any], claims: dict[str, Any], changes: dict[str, Any]) -> str:
    told = {name: value for name, value in (claims | changes).items() if value is not ...}
    return token({"alg": "RS256", "kid": issuer, **header}, told, KEYS[issuer][issuer])


def entra(**changes: Any) -> str:
    """Entra ID, v2.0, delegated: `aud` is the API's id, `scp` a string, `oid` the user, times five minutes back."""
    now = int(time.time())
    claims = {
        "aud": "00000000-api",
        "iss": URLS["entra"],
        "iat": now - 300,
        "nbf": now - 300,
        "exp": now + 4800,
        "aio": "AWQAm/8X",
        "azp": "11111111-app",
        "azpacr": "0",
        "name": "Alex Example",
        "oid": "22222222-oid",
        "preferred_username": "alex@acme.example",
        "rh": "0.AX",
        "scp": "Customers.Read",
        "sub": "pairwise-subject",
        "tid": "0000-tid",
        "uti": "u-1",
        "ver": "2.0",
    }
    return _signed("entra", {"typ": "JWT"}, claims, changes)


def entra_app(**changes: Any) -> str:
    """Entra ID, client credentials: application permissions come as roles, and `idtyp` where it is asked for."""
    return entra(**{"scp": ..., "roles": ["Customers.ReadWrite.All"], "idtyp": "app", "name": ..., **changes})


def okta(**changes: Any) -> str:
    """Okta, custom authorization server: no `typ`, `scp` a list, `cid` the client, groups by name."""
    now = int(time.time())
    claims = {
        "ver": 1,
        "jti": "AT.1",
        "iss": URLS["okta"],
        "aud": "api://suite",
        "iat": now,
        "exp": now + 3600,
        "cid": "0oa1",
        "uid": "00u1",
        "scp": ["openid", "customers:read"],
        "auth_time": now - 60,
        "sub": "alex@acme.example",
        "groups": ["Everyone", "Support agents"],
    }
    return _signed("okta", {"typ": ...}, claims, changes)


def keycloak(**changes: Any) -> str:
    """Keycloak with an audience mapper: roles nested by realm and by client, `typ` also a claim."""
    now = int(time.time())
    claims = {
        "exp": now + 300,
        "iat": now,
        "auth_time": now - 60,
        "jti": "onrtac:1",
        "iss": URLS["keycloak"],
        "aud": ["customers-api", "account"],
        "sub": "9d2f",
        "typ": "Bearer",
        "azp": "desktop",
        "sid": "s-1",
        "acr": "1",
        "realm_access": {"roles": ["offline_access", "support"]},
        "resource_access": {"customers.api": {"roles": ["lead"]}, "account": {"roles": ["manage-account"]}},
        "scope": "openid email customers:read",
        "email_verified": True,
        "preferred_username": "alex",
    }
    return _signed("keycloak", {"typ": "JWT"}, claims, changes)


def auth0(**changes: Any) -> str:
    """Auth0: an issuer with a slash, a day long, `aud` also userinfo, claims of one's own under a URL."""
    now = int(time.time())
    claims = {
        "iss": URLS["auth0"],
        "sub": "auth0|1",
        "aud": ["http://suite.example/customers/mcp", f"{URLS['auth0']}userinfo"],
        "iat": now,
        "exp": now + 86_400,
        "azp": "client-1",
        "scope": "openid profile",
        "permissions": ["customers:read"],
        "https://suite.example/tenant": "org_1",
        "https://suite.example/roles": ["support"],
    }
    return _signed("auth0", {"typ": "JWT"}, claims, changes)
