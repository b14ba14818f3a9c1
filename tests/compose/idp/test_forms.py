"""Access tokens in other forms: opaque ones, and the claims of well-known products (`compose.idp.shapes`)."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from starlette.applications import Starlette

from compose.idp.provider import IdentityProvider
from compose.idp.shapes import NAMESPACE, SHAPES, identifier
from shared.core.errors import Misconfigured
from shared.core.issuers import Issuer
from tests.compose.idp.flow import CUSTOMERS, ISSUER, ORIGIN, RESOURCES, TICKETS, Clock, Flow

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def flowing(**settings: Any) -> AsyncGenerator[Flow]:
    """A flow at a provider whose tokens are in another form."""
    clock, events = Clock(), list[dict[str, Any]]()
    provider = IdentityProvider(ISSUER, resources=RESOURCES, clock=clock, on_event=events.append, **settings)
    transport = httpx.ASGITransport(Starlette(routes=provider.routes))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as http:
        yield Flow(provider, http, clock, events)


def minted(shape: str, who: str = "manager", **claims: Any) -> jwt.Token:
    provider = IdentityProvider(ISSUER, resources=RESOURCES, algorithm="RS256")
    token = provider.mint(who, CUSTOMERS, shape=shape, **claims)
    return jwt.decode(token, KeySet.import_key_set(provider.key_set()), algorithms=["RS256"])


async def test_an_opaque_token_tells_nothing_but_by_introspection() -> None:
    async with flowing(access_tokens="opaque") as flow:
        await flow.register(grant_types=["authorization_code", "refresh_token"])
        tokens = await flow.tokens("manager", scope="customers:write openid")
        token = tokens["access_token"]
        assert "." not in token
        told = await flow.introspected(token)
        assert (told["active"], told["sub"], told["scope"]) == (True, "acme-sales-manager", "customers:write")
        assert await flow.introspected(token, TICKETS) == {"active": False}
        assert (await flow.introspected(flow.provider.mint("support", CUSTOMERS)))["active"]
        assert (await flow.verified(tokens["id_token"])).claims["sub"] == "acme-sales-manager"
        form = {"token": token, "client_id": flow.client_id}
        assert (await flow.http.post("/idp/revoke", data=form)).status_code == 200
        assert await flow.introspected(token) == {"active": False}


async def test_a_single_token_may_be_opaque_and_ends_in_time(flow: Flow) -> None:
    token = flow.provider.mint("support", CUSTOMERS, opaque=True, lifetime_s=60)
    assert "." not in token
    assert (await flow.introspected(token))["active"]
    flow.clock.now += 60
    assert await flow.introspected(token) == {"active": False}


async def test_an_opaque_token_can_be_exchanged() -> None:
    async with flowing(access_tokens="opaque") as flow:
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": flow.provider.mint("manager", CUSTOMERS, may_act={"sub": "acme-sync"}),
            "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "resource": CUSTOMERS,
        }
        auth = ("acme-sync", flow.provider.machine_secret("acme-sync"))
        answer = await flow.http.post("/idp/token", data=form, auth=auth)
        assert (await flow.introspected(answer.json()["access_token"]))["act"] == {"sub": "acme-sync"}


async def test_entra_writes_scopes_of_people_and_permissions_of_programs() -> None:
    token = minted("entra", acr="aal2", sid="s-1")
    claims = token.claims
    assert token.header["typ"] == "JWT"
    assert (claims["ver"], claims["scp"]) == ("2.0", "Customers.Read Customers.Write Customers.Pii")
    assert (claims["roles"], claims["acrs"]) == (["sales", "manager"], ["p1", "c1"])
    assert (claims["aud"], claims["tid"]) == (identifier("application", CUSTOMERS), identifier("tenant", "acme"))
    assert claims["oid"] != claims["sub"]
    assert not {"client_id", "scope", "tenant", "acr", "jti", "idtyp"} & claims.keys()
    program = minted("entra", "acme-sync").claims
    assert (program["idtyp"], program["sub"], program["azpacr"]) == ("app", program["oid"], "1")
    assert program["roles"] == ["Customers.Read.All", "Customers.Write.All", "Customers.Pii.All"]
    assert "scp" not in program


async def test_okta_writes_scopes_as_a_list_and_no_type() -> None:
    token = minted("okta", acr="aal2")
    claims = token.claims
    assert "typ" not in token.header
    assert claims["scp"] == ["customers:read", "customers:write", "customers:pii"]
    assert (claims["aud"], claims["cid"], claims["ver"]) == (CUSTOMERS, "mcp-suite", 1)
    assert (claims["groups"], claims["acr"]) == (["Everyone", "mcp-sales", "mcp-manager"], "urn:okta:loa:2fa:any")
    assert (claims["uid"][:3], claims["jti"][:3]) == ("00u", "AT.")
    assert not {"client_id", "scope", "roles", "nbf"} & claims.keys()
    program = minted("okta", "acme-sync").claims
    assert (program["sub"], program["cid"], "uid" in program) == ("acme-sync", "acme-sync", False)


async def test_keycloak_nests_roles_and_lists_audiences() -> None:
    token = minted("keycloak")
    claims = token.claims
    assert (token.header["typ"], claims["typ"], claims["azp"]) == ("JWT", "Bearer", "mcp-suite")
    assert claims["aud"] == [CUSTOMERS, "account"]
    assert "sales" in claims["realm_access"]["roles"]
    assert claims["resource_access"]["mcp-suite"]["roles"] == ["manager"]
    assert claims["scope"].split()[2:] == ["customers:read", "customers:write", "customers:pii"]
    assert "client_id" not in claims
    program = minted("keycloak", "acme-sync").claims
    assert (program["client_id"], program["azp"]) == ("acme-sync", "acme-sync")
    assert program["preferred_username"] == "service-account-acme-sync"
    assert "aud" not in minted("keycloak", aud=None).claims
    assert minted("keycloak", aud="account").claims["aud"] == "account"


async def test_auth0_ends_its_issuer_with_a_slash_and_its_own_claims_are_urls() -> None:
    token = minted("auth0")
    claims = token.claims
    assert (token.header["typ"], claims["iss"]) == ("JWT", f"{ISSUER}/")
    assert claims["aud"] == [CUSTOMERS, f"{ISSUER}/userinfo"]
    assert (claims["sub"], claims["azp"], claims["org_id"]) == ("auth0|acme-sales-manager", "mcp-suite", "org_acme")
    assert claims[f"{NAMESPACE}roles"] == ["sales", "manager"]
    assert claims["permissions"] == claims["scope"].split()
    program = minted("auth0", "acme-sync").claims
    assert (program["sub"], program["gty"], program["aud"]) == ("acme-sync@clients", "client-credentials", CUSTOMERS)


async def test_cognito_names_no_audience() -> None:
    claims = minted("cognito").claims
    assert "aud" not in claims
    assert (claims["token_use"], claims["cognito:groups"]) == ("access", ["sales", "manager"])
    assert claims["scope"].split()[0] == "mcp-suite/customers:read"


@pytest.mark.parametrize("shape", SHAPES)
async def test_what_a_shape_does_not_know_stays_as_it_was_given(shape: str) -> None:
    claims = minted(shape, extra=7, iss="https://other.example", exp=None).claims
    assert (claims["extra"], claims["iss"], "exp" in claims) == (7, "https://other.example", False)


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_shape_holds_for_the_whole_flow_and_introspection_speaks_it(shape: str) -> None:
    async with flowing(shape=shape, algorithm="RS256") as flow:
        await flow.register()
        token = (await flow.tokens("manager", scope="customers:read"))["access_token"]
        published: Any = await flow.jwks()
        claims = jwt.decode(token, KeySet.import_key_set(published), algorithms=["RS256"]).claims
        assert await flow.introspected(token) == {"active": True, "token_type": "Bearer", **claims}
        form = {"token": token, "client_id": flow.client_id}
        assert (await flow.http.post("/idp/revoke", data=form)).status_code == 200
        assert await flow.introspected(token) == {"active": False}
        document = (await flow.http.get("/.well-known/oauth-authorization-server/idp")).json()
        assert document["issuer"] == flow.provider.issuer == claims["iss"]


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_comes_with_settings_that_are_valid(shape: str) -> None:
    known = {"customers": CUSTOMERS, "tickets": TICKETS}
    issuer = Issuer(**SHAPES[shape].accepted_by(ISSUER, known))
    assert issuer.url == (f"{ISSUER}/" if shape == "auth0" else ISSUER)
    assert set(issuer.audiences) == (set(known) if shape == "entra" else set())


def test_a_shape_nobody_has_is_refused_at_start() -> None:
    made: Callable[..., IdentityProvider] = IdentityProvider
    with pytest.raises(Misconfigured, match="there are: suite, entra"):
        made(ISSUER, resources=RESOURCES, shape="x")
