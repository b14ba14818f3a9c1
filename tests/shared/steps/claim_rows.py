"""THE TABLE of tokens, second half: what they claim, and whose they are; see `token_rows.py`."""

import time
from collections.abc import Callable
from typing import Any

from tests.shared.steps.issuing import b64
from tests.shared.steps.matrix_issuers import BASE, RESOURCE, URLS, signed
from tests.shared.steps.provider_shapes import auth0, entra, entra_app, keycloak, okta
from tests.shared.steps.token_rows import ACCEPTED, Row, resigned


def at(**changes: int) -> dict[str, Any]:
    """Times, in seconds from now."""
    now = int(time.time())
    return {name: now + seconds for name, seconds in changes.items()}


def chain(length: int) -> dict[str, Any]:
    """Actors `agent-1` and so on, the present one first."""
    inner = {"act": chain(length - 1)} if length > 1 else {}
    return {"sub": f"agent-{length}", **inner}


def opaque(name: str) -> Callable[[], str]:
    """A token of which `OPAQUE` says what its provider says."""
    return lambda: f"opaque-{name}"


AUDIENCES = [
    Row("aud as a list", lambda: signed(aud=["https://else.example", RESOURCE]), ACCEPTED),
    Row("aud as this server is called there", lambda: signed(aud="api://customers"), ACCEPTED),
    Row("aud of another resource", lambda: signed(aud="https://else.example/mcp"), "audience"),
    Row("aud of another server here", lambda: signed(aud=f"{BASE}/documents/mcp"), "audience"),
    Row("aud of another issuer's name for us", lambda: signed("slash", aud="api://customers"), "audience"),
    Row("aud absent", lambda: signed(aud=...), "audience"),
    Row("aud empty", lambda: signed(aud=""), "audience"),
    Row("aud an empty list", lambda: signed(aud=[]), "audience"),
    Row("aud null", lambda: signed(aud=None), "audience"),
    Row("aud a number", lambda: signed(aud=7), "audience"),
    Row("aud an object", lambda: signed(aud={RESOURCE: True}), "audience"),
    Row("aud a list with a number", lambda: signed(aud=[RESOURCE, 7]), "audience"),
    Row("aud a prefix of ours", lambda: signed(aud=RESOURCE[:-3]), "audience"),
    Row("aud longer than ours", lambda: signed(aud=f"{RESOURCE}x"), "audience"),
    Row("aud with a slash at its end", lambda: signed(aud=f"{RESOURCE}/"), "audience"),
    Row("aud in capitals", lambda: signed(aud=RESOURCE.upper()), "audience"),
]

TIMES = [
    Row("ended, within the skew", lambda: signed(**at(iat=-600, exp=-20)), ACCEPTED),
    Row("ended, beyond the skew", lambda: signed(**at(iat=-600, exp=-31)), "expired"),
    Row("nbf ahead, within the skew", lambda: signed(**at(nbf=20)), ACCEPTED),
    Row("nbf ahead, beyond the skew", lambda: signed(**at(nbf=60)), "not_yet_valid"),
    Row("iat ahead, within the skew", lambda: signed(**at(iat=20)), ACCEPTED),
    Row("iat ahead, beyond the skew", lambda: signed(**at(iat=60)), "not_yet_valid"),
    Row("an hour long", lambda: signed(**at(iat=0, exp=3600)), ACCEPTED),
    Row("longer than an hour", lambda: signed(**at(iat=0, exp=3601)), "lifetime"),
    Row("ends before it begins", lambda: signed(**at(iat=0, exp=-1)), "lifetime"),
    Row("no exp", lambda: signed(exp=...), "claims"),
    Row("no iat", lambda: signed(iat=...), "claims"),
    Row("exp a text", lambda: signed(exp=str(int(time.time()) + 600)), "claims"),
    Row("exp true", lambda: signed(exp=True), "claims"),
    Row(
        "exp beyond all numbers",
        lambda: resigned(lambda text: text.replace('"exp": ', '"exp": 1e999, "x": ')),
        "malformed",
    ),
]

ISSUERS = [
    Row("an issuer nobody trusts", lambda: signed(iss="https://else.example"), "issuer"),
    Row("no issuer", lambda: signed(iss=...), "issuer"),
    Row("a list of issuers", lambda: signed(iss=[URLS["main"]]), "issuer"),
    Row("the issuer with a slash too many", lambda: signed(iss=URLS["main"] + "/"), "issuer"),
    Row("the issuer in capitals", lambda: signed(iss=URLS["main"].upper()), "issuer"),
    Row("an issuer with a slash of its own", lambda: signed("slash"), ACCEPTED, {"issuer": "https://slash.example/"}),
    Row("that issuer without it", lambda: signed("slash", iss="https://slash.example"), "issuer"),
    Row("the second issuer, for its tenant", lambda: signed("other"), ACCEPTED, {"tenant": "globex"}),
    Row("the second issuer, for the first one's tenant", lambda: signed("other", tenant="acme"), "tenant"),
    Row("the first issuer, for a tenant nobody has", lambda: signed(tenant="initech"), "tenant"),
    Row("one that names another issuer than it is of", lambda: signed("other", iss=URLS["main"]), "key"),
    Row(
        "an issuer of one tenant, whatever it claims",
        lambda: signed("slash", tenant="acme"),
        ACCEPTED,
        {"tenant": "slash"},
    ),
]

CLAIMS = [
    Row("no tenant", lambda: signed(tenant=...), "claims"),
    Row("a tenant with a line end", lambda: signed(tenant="acme\n"), "claims"),
    Row("no subject", lambda: signed(sub=...), "claims"),
    Row("a subject with a NUL", lambda: signed(sub="user\0"), "claims"),
    Row("a subject in another script", lambda: signed(sub="пользователь-七"), ACCEPTED, {"subject": "пользователь-七"}),
    Row("a subject that turns the text around", lambda: signed(sub="user\u202e7"), "claims"),
    Row("half a surrogate pair", lambda: resigned(lambda text: text.replace("user-7", "\\ud800")), "malformed"),
    Row("a subject too long", lambda: signed(sub="u" * 513), "claims"),
    Row("no client", lambda: signed(client_id=...), "claims"),
    Row("a claim twice", lambda: resigned(lambda text: text.replace("{", '{"tenant": "globex", ', 1)), "malformed"),
    Row("NaN", lambda: resigned(lambda text: text.replace('"exp": ', '"x": NaN, "exp": ')), "malformed"),
    Row(
        "an encrypted JWT, of five parts",
        lambda: ".".join(map(b64, (b'{"alg":"dir"}', b"k", b"iv", b"text", b"tag"))),
        "inactive",
    ),
    Row("a JWT in a JWT", lambda: resigned(lambda _: f'"{signed()}"'), "malformed"),
    Row(
        "scope as words",
        lambda: signed(scope="customers:read openid"),
        ACCEPTED,
        {"scopes": {"customers:read", "openid"}},
    ),
    Row("scp as words", lambda: signed(scope=..., scp="customers:read"), ACCEPTED, {"scopes": {"customers:read"}}),
    Row("scp as a list", lambda: signed(scope=..., scp=["customers:read"]), ACCEPTED, {"scopes": {"customers:read"}}),
    Row("scope and scp", lambda: signed(scp=["audit:read"]), ACCEPTED, {"scopes": {"customers:read", "audit:read"}}),
    Row("no scope", lambda: signed(scope=...), ACCEPTED, {"scopes": set()}),
    Row("scope a number", lambda: signed(scope=7), "claims"),
    Row("scp with a number", lambda: signed(scp=["customers:read", 7]), "claims"),
]

TRUST = [
    Row("a program by itself", lambda: signed(sub="desktop"), ACCEPTED, {"trust": "service", "actors": ()}),
    Row("an actor", lambda: signed(act=chain(1)), ACCEPTED, {"trust": "delegated", "actors": ("agent-1",)}),
    Row("a program with an actor", lambda: signed(sub="desktop", act=chain(1)), ACCEPTED, {"trust": "hybrid"}),
    Row(
        "four actors", lambda: signed(act=chain(4)), ACCEPTED, {"actors": ("agent-4", "agent-3", "agent-2", "agent-1")}
    ),
    Row("five actors", lambda: signed(act=chain(5)), "claims"),
    Row("an actor that is a text", lambda: signed(act="agent"), "claims"),
    Row("an actor that is null", lambda: signed(act=None), "claims"),
    Row("an actor without a subject", lambda: signed(act={"client_id": "agent"}), "claims"),
    Row("an actor whose actor is a list", lambda: signed(act={"sub": "a", "act": [{"sub": "b"}]}), "claims"),
]

SHAPES = [
    Row(
        "Entra, a user",
        entra,
        ACCEPTED,
        {
            "subject": "22222222-oid",
            "tenant": "entra",
            "client": "11111111-app",
            "scopes": {"customers:read"},
            "trust": "person",
            "acr": None,
        },
    ),
    Row(
        "Entra, a user with authentication contexts",
        lambda: entra(acrs=["c1", "c3"], roles=["Support.Agent"]),
        ACCEPTED,
        {"acr": "aal3", "roles": {"support"}, "token_id": "u-1"},
    ),
    Row(
        "Entra, an application",
        entra_app,
        ACCEPTED,
        {"trust": "service", "scopes": {"customers:write", "customers:read"}},
    ),
    Row("Entra, of another directory", lambda: entra(tid="9999-tid"), "tenant"),
    Row("Entra, for Graph", lambda: entra(aud="00000003-0000-0000-c000-000000000000"), "audience"),
    Row(
        "Okta, a user",
        okta,
        ACCEPTED,
        {"subject": "alex@acme.example", "client": "0oa1", "roles": {"support"}, "trust": "person"},
    ),
    Row(
        "Okta, a service", lambda: okta(sub="0oa1", uid=..., groups=...), ACCEPTED, {"trust": "service", "roles": set()}
    ),
    Row(
        "Keycloak, a user",
        keycloak,
        ACCEPTED,
        {"client": "desktop", "roles": {"support", "manager"}, "session_id": "s-1", "acr": "1"},
    ),
    Row(
        "Keycloak, a user of no role of ours",
        lambda: keycloak(realm_access=..., resource_access=...),
        ACCEPTED,
        {"roles": {"guest"}},
    ),
    Row("Keycloak, signed in with two factors", lambda: keycloak(acr="silver"), ACCEPTED, {"acr": "aal2"}),
    Row("Keycloak, a service account", lambda: keycloak(clientHost="10.0.0.7"), ACCEPTED, {"trust": "service"}),
    Row("Keycloak, without the audience mapper", lambda: keycloak(aud="account"), "audience"),
    Row("Keycloak, without any aud", lambda: keycloak(aud=...), "audience"),
    Row("Keycloak, an ID token", lambda: keycloak(typ="ID"), "type"),
    Row("Keycloak, a refresh token", lambda: keycloak(typ="Refresh"), "type"),
    Row(
        "Auth0, a user",
        auth0,
        ACCEPTED,
        {"tenant": "auth0", "roles": {"support"}, "scopes": {"customers:read"}, "trust": "person"},
    ),
    Row("Auth0, a user with two factors", lambda: auth0(amr=["pwd", "mfa"]), ACCEPTED, {"acr": "aal2"}),
    Row(
        "Auth0, a machine",
        lambda: auth0(sub="client-1@clients", gty="client-credentials"),
        ACCEPTED,
        {"trust": "service"},
    ),
    Row(
        "Auth0, of an organization that is none of ours",
        lambda: auth0(**{"https://suite.example/tenant": "org_2"}),
        "tenant",
    ),
]

OPAQUE_TOKENS = [
    Row("opaque, active", opaque("active"), ACCEPTED, {"subject": "user-7", "tenant": "opaque"}),
    Row("opaque, of a program", opaque("program"), ACCEPTED, {"trust": "service"}),
    Row("opaque, unknown", opaque("unknown"), "inactive"),
    Row("opaque, active only in words", opaque("in-words"), "inactive"),
    Row("opaque, of another issuer", opaque("elsewhere"), "issuer"),
    Row("opaque, for another resource", opaque("for-another"), "audience"),
    Row("opaque, without aud", opaque("without-aud"), "audience"),
    Row("opaque, ended", opaque("ended"), "expired"),
    Row("opaque, without an end", opaque("without-exp"), "claims"),
    Row("opaque, too long a life", opaque("long"), "lifetime"),
    Row("opaque, bound to a key", opaque("bound"), "bound"),
    Row("opaque, a refresh token", opaque("refresh"), "type"),
]
