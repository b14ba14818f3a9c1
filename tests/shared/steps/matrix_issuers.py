"""The issuers of the token matrix: their keys, what the suite is told of them, and a server on loopback that is all of
them, and an attacker's too.
"""

import time
import warnings
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.shared.steps.issuing import public, token

BASE = "http://suite.example"
OUT_THERE = {"origin": ""}
"""Where the server on loopback is."""
RESOURCE = f"{BASE}/customers/mcp"
KID = "main-es256"


def _short() -> Key:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library says what the test is about
        return RSAKey.generate_key(1024)


_RSA = RSAKey.generate_key(2048)
ATTACKER = ECKey.generate_key("P-256")
KEYS: dict[str, dict[str, Key]] = {
    "main": {
        KID: ECKey.generate_key("P-256"),
        "second": ECKey.generate_key("P-256"),
        "rsa": RSAKey.generate_key(2048),
        "rs256-only": RSAKey.generate_key(2048),
        "ed": OKPKey.generate_key("Ed25519"),
        "p384": ECKey.generate_key("P-384"),
    },
    "other": {"other": ECKey.generate_key("P-256")},
    "slash": {"slash": ECKey.generate_key("P-256")},
    "short": {"short": _short()},
    "twins": {"twin": ECKey.generate_key("P-256")},
    "opaque": {"opaque": ECKey.generate_key("P-256")},
    **{name: {name: _RSA} for name in ("entra", "okta", "keycloak", "auth0")},
}
URLS = {
    "main": "https://main.example",
    "other": "https://other.example",
    "slash": "https://slash.example/",
    "short": "https://short.example",
    "twins": "https://twins.example",
    "opaque": "https://opaque.example",
    "entra": "https://login.entra.example/0000-tid/v2.0",
    "okta": "https://acme.okta.example/oauth2/default",
    "keycloak": "https://sso.keycloak.example/realms/acme",
    "auth0": "https://acme.auth0.example/",
}


def trusted(origin: str) -> dict[str, Any]:
    """What `SUITE_ISSUERS` says; each vouches for tenants of its own."""
    facts: dict[str, dict[str, Any]] = {
        "main": {"tenants": {"acme": "acme"}, "audiences": {"customers": "api://customers"}},
        "other": {"tenants": {"globex": "globex"}},
        **{name: {"tenant": name} for name in ("slash", "short", "twins")},
        "opaque": {
            "tenant": "opaque",
            "introspect": "opaque",
            "introspection_url": f"{origin}/opaque/introspect",
            "client_id": "suite",
            "client_secret": "s3cret: with/blanks",
        },
        "entra": {
            "audiences": {"customers": "00000000-api"},
            "tenant_claim": "tid",
            "tenants": {"0000-tid": "entra"},
            "subject_claim": "oid",
            "service_claims": {"idtyp": "app"},
            "id_claim": "uti",
            "scope_claims": ["scp", "roles"],
            "scope_names": {"Customers.Read": "customers:read", "Customers.ReadWrite.All": "customers:write"},
            "role_names": {"Support.Agent": "support"},
            "acr_claims": ["acrs"],
            "acr_names": {"c1": "aal2", "c3": "aal3"},
            "max_lifetime_s": 7200,
        },
        "okta": {
            "audiences": {"customers": "api://suite"},
            "token_types": "none application/okta-internal-at+jwt",
            "tenant": "okta",
            "role_claims": ["groups"],
            "role_names": {"Support agents": "support"},
        },
        "keycloak": {
            "audiences": {"customers": "customers-api"},
            "tenant": "keycloak",
            "service_claims": {"clientHost": "*"},
            "role_claims": ["realm_access.roles", "resource_access.customers.api.roles"],
            "role_names": {"support": "support", "lead": "manager"},
            "default_roles": ["guest"],
            "acr_names": {"silver": "aal2"},
        },
        "auth0": {
            "tenant_claim": "https://suite.example/tenant",
            "tenants": {"org_1": "auth0"},
            "service_claims": {"gty": "client-credentials"},
            "scope_claims": ["permissions"],
            "role_claims": ["https://suite.example/roles"],
            "acr_claims": ["amr"],
            "acr_names": {"mfa": "aal2"},
            "max_lifetime_s": 86_400,
        },
    }
    where = {name: {"url": URLS[name], "jwks_url": f"{origin}/{name}/jwks"} for name in facts}
    mock = {"mock": {"url": f"{BASE}/idp", "tenant": "mock"}}
    return {name: {**where[name], **told} for name, told in facts.items()} | mock


OPAQUE: dict[str, dict[str, Any]] = {
    "opaque-active": {},
    "opaque-program": {"sub": "desktop", "iat": ...},
    "opaque-in-words": {"active": "true"},
    "opaque-elsewhere": {"iss": "https://else.example"},
    "opaque-for-another": {"aud": "https://else.example/mcp"},
    "opaque-without-aud": {"aud": ...},
    "opaque-ended": {"iat": int(time.time()) - 600, "exp": int(time.time()) - 60},
    "opaque-without-exp": {"exp": ...},
    "opaque-long": {"iat": ..., "exp": int(time.time()) + 86_400},
    "opaque-bound": {"cnf": {"jkt": "AAAA"}},
    "opaque-refresh": {"typ": "Refresh"},
}
"""What is told of opaque tokens, but for good claims; of others, that they are not active."""


@dataclass
class Web:
    """Everything out there, and how often it was asked."""

    asked: Counter[str] = field(default_factory=Counter[str])

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/{issuer}/jwks", self._jwks),
                Route("/opaque/introspect", self._introspect, methods=["POST"]),
                Route("/{rest:path}", self._anything),
            ]
        )

    async def _jwks(self, request: Request) -> Response:
        name = request.path_params["issuer"]
        self.asked[name] += 1
        if name == "attacker":
            return JSONResponse({"keys": [public(ATTACKER, kid=KID), public(ATTACKER, kid="attacker")]})
        keys = [public(key, kid=kid) for kid, key in KEYS[name].items()]
        if name == "main":
            keys = [key | ({"alg": "RS256"} if key["kid"] == "rs256-only" else {}) for key in keys]
        if name == "twins":
            keys.append(public(ECKey.generate_key("P-256"), kid="twin"))
        return JSONResponse({"keys": keys})

    async def _introspect(self, request: Request) -> Response:
        self.asked["introspect"] += 1
        form = {name: value[0] for name, value in parse_qs((await request.body()).decode()).items()}
        assert request.headers["authorization"].startswith("Basic ")
        told = OPAQUE.get(form["token"])
        return JSONResponse({"active": False} if told is None else claims("opaque", **{"active": True, **told}))

    async def _anything(self, request: Request) -> Response:
        self.asked[request.url.path] += 1
        return Response(status_code=404)


def claims(issuer: str = "main", **changes: Any) -> dict[str, Any]:
    """Good claims, but for the changes; `...` leaves one out."""
    now = int(time.time())
    good = {
        "iss": URLS[issuer],
        "aud": RESOURCE,
        "sub": "user-7",
        "client_id": "desktop",
        "tenant": "globex" if issuer == "other" else "acme",
        "scope": "customers:read",
        "iat": now - 10,
        "exp": now + 600,
        "jti": uuid4().hex,
    }
    return {name: value for name, value in (good | changes).items() if value is not ...}


def signed(
    issuer: str = "main",
    header: dict[str, Any] | None = None,
    *,
    by: str | None = None,
    key: Key | None = None,
    **changes: Any,
) -> str:
    """A good token of an issuer, but for what is said.

    Args:
        issuer: By its name here.
        header: Other headers; `...` leaves one out.
        by: The id of the key that signs; the issuer's first one.
        key: The key that signs, in its place.
        changes: Other claims; `...` leaves one out.
    """
    kid = by or next(iter(KEYS[issuer]))
    signer = key or KEYS[issuer][kid]
    usual = {"RSA": "RS256", "OKP": "EdDSA", "EC": "ES384" if kid == "p384" else "ES256"}[signer.key_type]
    head = {"alg": usual, "kid": kid, **(header or {})}
    algorithm = head["alg"] if head["alg"] in {"PS256", "Ed25519"} else usual
    return token(head, claims(issuer, **changes), signer, algorithm.replace("EdDSA", "Ed25519"))
