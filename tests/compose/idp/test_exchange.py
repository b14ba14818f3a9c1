"""Token exchange (RFC 8693): a server, or a machine, gets a token for another server in somebody's name."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from compose.idp.exchange import ACCESS_TOKEN, EXCHANGE, FRESH_S
from compose.idp.provider import IdentityProvider
from compose.idp.tokens import TOKEN_LIFETIME_S
from tests.compose.idp.assertions import assertion, proof
from tests.compose.idp.flow import CUSTOMERS, ISSUER, ORIGIN, TICKETS, Clock, Flow

pytestmark = pytest.mark.anyio

DESK, VAULT = f"{ORIGIN}/desk/mcp", f"{ORIGIN}/vault/mcp"
RESOURCES = {
    # The desk's tools declare what they need at the two others, so people grant it that.
    DESK: ("desk:read", "customers:read", "tickets:read", "tickets:write"),
    CUSTOMERS: ("customers:read", "customers:write"),
    TICKETS: ("tickets:read", "tickets:write", "customers:read"),
    VAULT: ("vault:read",),
}
GRANTED = ("desk:read", "customers:read", "tickets:write")
TRIAGE, SYNC = "acme-triage", "acme-sync"


@pytest.fixture
async def flow(anyio_backend: str) -> AsyncGenerator[Flow]:
    clock, events = Clock(), list[dict[str, Any]]()
    provider = IdentityProvider(ISSUER, resources=RESOURCES, clock=clock, on_event=events.append)
    transport = httpx.ASGITransport(Starlette(routes=provider.routes))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as http:
        yield Flow(provider, http, clock, events)


async def exchange(
    flow: Flow, token: str, auth: tuple[str, str] | None = None, actor: str | None = None, **changes: str | None
) -> httpx.Response:
    """The desk asks for a token for the customers server, unless told otherwise."""
    acting = {"actor_token": actor, "actor_token_type": ACCESS_TOKEN} if actor else {}
    form: dict[str, str | None] = {
        "grant_type": EXCHANGE,
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN,
        "resource": CUSTOMERS,
        **acting,
        **changes,
    }
    sent = {name: value for name, value in form.items() if value is not None}
    return await flow.http.post("/idp/token", data=sent, auth=auth or flow.provider.resource_server(DESK))


async def exchanged(flow: Flow, *given: Any, **changes: Any) -> dict[str, Any]:
    """The claims of the token that came back."""
    answer = await exchange(flow, *given, **changes)
    assert answer.status_code == 200, answer.text
    return dict((await flow.verified(answer.json()["access_token"])).claims)


def person(flow: Flow, persona: str = "manager", **claims: Any) -> str:
    return flow.provider.mint(persona, DESK, GRANTED, sid="session-1", **claims)


def machine(flow: Flow, client_id: str) -> tuple[str, str]:
    return client_id, flow.provider.machine_secret(client_id)


async def test_a_server_gets_a_token_for_another_in_the_persons_name(flow: Flow) -> None:
    answer = await exchange(flow, person(flow, acr="aal2"), scope="customers:read")
    body = answer.json()
    assert (body["issued_token_type"], body["token_type"], body["scope"]) == (ACCESS_TOKEN, "Bearer", "customers:read")
    assert "refresh_token" not in body
    assert answer.headers["cache-control"] == "no-store"
    claims = (await flow.verified(body["access_token"])).claims
    desk, _ = flow.provider.resource_server(DESK)
    assert (claims["sub"], claims["client_id"], claims["act"]) == ("acme-sales-manager", desk, {"sub": desk})
    assert (claims["aud"], claims["scope"], claims["tenant"]) == (CUSTOMERS, "customers:read", "acme")
    assert (claims["roles"], claims["acr"], claims["sid"]) == (["sales", "manager"], "aal2", "session-1")
    assert claims["auth_time"] == int(flow.clock.now)
    assert body["expires_in"] == claims["exp"] - claims["iat"]


async def test_the_exchange_is_told_to_the_audit(flow: Flow) -> None:
    claims = await exchanged(flow, person(flow))
    (told,) = flow.told("token_exchanged")
    desk, _ = flow.provider.resource_server(DESK)
    assert (told["subject"], told["client_id"], told["actors"]) == ("acme-sales-manager", desk, [desk])
    assert (told["resource"], told["scopes"], told["jti"]) == (CUSTOMERS, ["customers:read"], claims["jti"])
    assert (told["tenant"], told["session"], told["expires_at"]) == ("acme", "session-1", claims["exp"])


async def test_a_server_may_prove_itself_with_its_key_and_name_an_audience(flow: Flow) -> None:
    client_id, _ = flow.provider.resource_server(DESK)
    text = assertion(flow, client_id, flow.provider.resource_server_key(DESK))
    form = {"grant_type": EXCHANGE, "subject_token": person(flow), "subject_token_type": ACCESS_TOKEN}
    data = {**form, "audience": CUSTOMERS, **proof(text)}
    assert (await flow.http.post("/idp/token", data=data)).json()["scope"] == "customers:read"


async def test_the_chain_of_actors_grows_from_the_front_until_four(flow: Flow) -> None:
    act = {"sub": "c", "act": {"sub": "b", "act": {"sub": "a"}}}
    claims = await exchanged(flow, person(flow, act=act))
    desk, _ = flow.provider.resource_server(DESK)
    assert claims["act"] == {"sub": desk, "act": act}
    longer = person(flow, act={"sub": "d", "act": act})
    answer = await exchange(flow, longer)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert "At most 4" in answer.json()["error_description"]
    for broken in ("b", {"sub": 7}, {"act": {"sub": "a"}}):
        assert (await exchange(flow, person(flow, act=broken))).json()["error"] == "invalid_request"


async def test_a_token_can_be_exchanged_again_by_the_server_it_was_exchanged_for(flow: Flow) -> None:
    first = (await exchange(flow, person(flow), resource=TICKETS, scope="tickets:read customers:read")).json()
    tickets = flow.provider.resource_server(TICKETS)
    claims = await exchanged(flow, first["access_token"], tickets, scope="customers:read")
    desk, _ = flow.provider.resource_server(DESK)
    assert (claims["client_id"], claims["act"]) == (tickets[0], {"sub": tickets[0], "act": {"sub": desk}})


async def test_no_scope_is_had_that_the_subject_or_the_server_lacks(flow: Flow) -> None:
    narrow = flow.provider.mint("manager", DESK, ["desk:read"])
    wide = flow.provider.mint("admin", DESK, ["desk:read", "customers:admin"])
    for token, scope in ((narrow, None), (narrow, "customers:read"), (wide, "customers:write"), (wide, "desk:read")):
        assert (await exchange(flow, token, scope=scope)).json()["error"] == "invalid_scope"
    assert (await exchange(flow, wide, scope="customers:read customers:write")).json()["error"] == "invalid_scope"
    # What a granted scope implies is granted.
    assert (await exchanged(flow, wide, scope="customers:read"))["scope"] == "customers:read"
    both = {"resource": TICKETS, "scope": "tickets:read tickets:write"}
    assert (await exchanged(flow, person(flow), **both))["scope"] == "tickets:read tickets:write"
    assert (await exchanged(flow, person(flow), resource=TICKETS))["scope"] == "tickets:read customers:read"


async def test_a_server_whose_tools_need_nothing_elsewhere_gets_nothing_there(flow: Flow) -> None:
    token = flow.provider.mint("manager", CUSTOMERS, ["customers:read", "desk:read", "vault:read"])
    server = flow.provider.resource_server(CUSTOMERS)
    answer = await exchange(flow, token, server, resource=DESK, scope="desk:read")
    assert answer.json()["error"] == "invalid_scope"
    answer = await exchange(flow, token, server, resource=VAULT)
    assert answer.json()["error"] == "invalid_target"


async def test_it_ends_no_later_than_what_it_was_had_for(flow: Flow) -> None:
    token = flow.provider.mint("manager", DESK, GRANTED, lifetime_s=40)
    flow.clock.now += 15
    answer = (await exchange(flow, token)).json()
    claims = (await flow.verified(answer["access_token"])).claims
    assert (answer["expires_in"], claims["exp"] - claims["iat"]) == (25, 25)
    long = await exchanged(flow, flow.provider.mint("manager", DESK, GRANTED, lifetime_s=3600))
    assert long["exp"] - long["iat"] == TOKEN_LIFETIME_S


async def test_a_subject_token_that_is_not_for_the_server_that_asks_is_refused(flow: Flow) -> None:
    mint, desk = flow.provider.mint, flow.provider.resource_server(DESK)
    other = IdentityProvider(ISSUER, resources=RESOURCES, clock=flow.clock)
    bad = [
        mint("manager", CUSTOMERS, GRANTED),
        mint("manager", CUSTOMERS, GRANTED, client_id=desk[0]),
        mint("manager", DESK, GRANTED, lifetime_s=-1),
        mint("manager", DESK, GRANTED, tenant=None),
        mint("manager", DESK, GRANTED, may_act={"sub": "somebody-else"}),
        mint("manager", DESK, GRANTED, may_act="anybody"),
        other.mint("manager", DESK, GRANTED),
        "x",
    ]
    for token in bad:
        answer = await exchange(flow, token)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert len(flow.told("exchange_refused")) == len(bad)
    told = flow.told("exchange_refused")[0]
    assert (told["client_id"], told["subject"], told["tenant"]) == (desk[0], "acme-sales-manager", "acme")
    assert "is neither for this client" in told["reason"]
    assert all(token not in str(flow.events) for token in bad if len(token) > 10)


async def test_may_act_lets_the_machine_it_names_act_and_nobody_else(flow: Flow) -> None:
    token = flow.provider.mint("manager", CUSTOMERS, may_act={"sub": TRIAGE})
    claims = await exchanged(flow, token, machine(flow, TRIAGE))
    assert (claims["sub"], claims["client_id"], claims["act"]) == ("acme-sales-manager", TRIAGE, {"sub": TRIAGE})
    assert claims["scope"] == "customers:read"
    assert (await exchange(flow, token, machine(flow, SYNC))).json()["error"] == "invalid_request"
    server = flow.provider.resource_server(CUSTOMERS)
    assert (await exchange(flow, token, server)).json()["error"] == "invalid_request"


async def test_a_machine_exchanges_what_was_given_to_it_and_no_more_than_it_holds_itself(flow: Flow) -> None:
    token = flow.provider.mint("manager", TICKETS, ["customers:write"], client_id=TRIAGE)
    assert (await exchange(flow, token, machine(flow, TRIAGE), scope="customers:write")).json()["error"] == (
        "invalid_scope"
    )
    claims = await exchanged(flow, token, machine(flow, TRIAGE), scope="customers:read")
    assert claims["act"] == {"sub": TRIAGE}
    theirs = flow.provider.mint("manager", CUSTOMERS, client_id=SYNC)
    assert (await exchange(flow, theirs, machine(flow, TRIAGE))).json()["error"] == "invalid_request"


async def test_a_machine_of_another_tenant_cannot_act(flow: Flow) -> None:
    token = flow.provider.mint("manager", CUSTOMERS, client_id="globex-sync")
    answer = await exchange(flow, token, machine(flow, "globex-sync"))
    assert (answer.json()["error"], "one tenant" in answer.text) == ("invalid_request", True)


async def test_an_actor_token_must_be_the_clients_own(flow: Flow) -> None:
    token = flow.provider.mint("manager", CUSTOMERS, may_act={"sub": SYNC})
    own, short = (flow.provider.mint(SYNC, CUSTOMERS, lifetime_s=ends) for ends in (600, 30))
    assert (await exchanged(flow, token, machine(flow, SYNC), own))["act"] == {"sub": SYNC}
    claims = await exchanged(flow, token, machine(flow, SYNC), short)
    assert claims["exp"] - claims["iat"] == 30
    for actor in (flow.provider.mint(TRIAGE, CUSTOMERS), flow.provider.mint("support", CUSTOMERS), "x"):
        assert (await exchange(flow, token, machine(flow, SYNC), actor)).json()["error"] == "invalid_request"
    assert (await exchange(flow, token, machine(flow, SYNC), actor_token=own)).json()["error"] == "invalid_request"


async def vouched(flow: Flow, **changes: Any) -> str:
    """A token of a person who signed in just to be known, at the provider itself."""
    await flow.register()
    return (await flow.tokens("manager", scope="openid", resource=None, **changes))["access_token"]


async def test_a_machine_acts_as_itself_with_a_person_who_signed_in_for_it(flow: Flow) -> None:
    actor = await vouched(flow, acr_values="aal2")
    signed_in = int(flow.clock.now)
    flow.clock.now += FRESH_S
    claims = await exchanged(flow, flow.provider.mint(SYNC, CUSTOMERS), machine(flow, SYNC), actor)
    assert (claims["sub"], claims["client_id"], claims["tenant"]) == (SYNC, SYNC, "acme")
    assert claims["act"] == {"sub": "acme-sales-manager"}
    assert (claims["acr"], claims["auth_time"], claims["roles"]) == ("aal2", signed_in, ["service"])
    assert claims["sid"] == (await flow.verified(actor)).claims["sid"]


async def test_who_signed_in_too_long_ago_or_elsewhere_cannot_vouch(flow: Flow) -> None:
    own, mint = flow.provider.mint(SYNC, CUSTOMERS), flow.provider.mint
    late = await vouched(flow)
    flow.clock.now += FRESH_S + 1
    bad = [
        late,
        mint("manager", CUSTOMERS),
        mint("outsider", CUSTOMERS, client_id=SYNC),
        mint("manager", ISSUER, ["openid"], act={"sub": "x"}),
        mint("manager", ISSUER, ["openid"], auth_time=None),
        mint("manager", ISSUER, ["openid"], auth_time="now"),
        mint(TRIAGE, CUSTOMERS, may_act={"sub": SYNC}),
        own,
    ]
    for actor in bad:
        answer = await exchange(flow, own, machine(flow, SYNC), actor)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request"), actor
    for actor in (mint("manager", CUSTOMERS, client_id=SYNC), mint("manager", CUSTOMERS, may_act={"sub": SYNC})):
        assert (await exchange(flow, own, machine(flow, SYNC), actor)).status_code == 200


async def test_a_machine_cannot_vouch_for_itself(flow: Flow) -> None:
    answer = await exchange(flow, flow.provider.mint(SYNC, CUSTOMERS), machine(flow, SYNC))
    assert (answer.json()["error"], "client_credentials" in answer.text) == ("invalid_request", True)


async def test_a_token_in_a_machines_name_that_another_had_is_not_the_machines(flow: Flow) -> None:
    own = flow.provider.mint(SYNC, TICKETS, ["customers:read"])
    theirs = (await exchange(flow, own, flow.provider.resource_server(TICKETS))).json()["access_token"]
    claims = (await flow.verified(theirs)).claims
    tickets, _ = flow.provider.resource_server(TICKETS)
    assert (claims["sub"], claims["client_id"], claims["act"]) == (SYNC, tickets, {"sub": tickets})
    person = flow.provider.mint("manager", ISSUER, ["openid"])
    answer = await exchange(flow, theirs, machine(flow, SYNC), person)
    assert (answer.json()["error"], "another client" in answer.text) == ("invalid_request", True)


async def test_a_public_or_registered_client_exchanges_nothing(flow: Flow) -> None:
    await flow.register()
    form = {"grant_type": EXCHANGE, "subject_token": person(flow), "subject_token_type": ACCESS_TOKEN}
    public = await flow.http.post("/idp/token", data={**form, "resource": CUSTOMERS, "client_id": flow.client_id})
    client = await flow.register(token_endpoint_auth_method="client_secret_basic")
    registered = await exchange(flow, person(flow), (client["client_id"], client["client_secret"]))
    assert [answer.json()["error"] for answer in (public, registered)] == ["unauthorized_client"] * 2
    wrong = await exchange(flow, person(flow), (flow.provider.resource_server(DESK)[0], "wrong"))
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"resource": None}, "invalid_target"),
        ({"resource": "https://x.example/mcp"}, "invalid_target"),
        ({"audience": TICKETS}, "invalid_target"),
        ({"subject_token": None}, "invalid_request"),
        ({"subject_token_type": None}, "invalid_request"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"}, "invalid_request"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request"),
        ({"actor_token_type": ACCESS_TOKEN}, "invalid_request"),
        ({"scope": "customers:unknown"}, "invalid_scope"),
    ],
)
async def test_a_request_that_asks_for_something_else_is_refused(
    flow: Flow, changes: dict[str, Any], error: str
) -> None:
    answer = await exchange(flow, person(flow), **changes)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


async def test_what_was_exchanged_ends_with_the_session(flow: Flow) -> None:
    await flow.register(grant_types=["authorization_code", "refresh_token"])
    resource = {"resource": TICKETS, "scope": "customers:read"}
    tokens = await flow.tokens("support", **resource)
    tickets = flow.provider.resource_server(TICKETS)
    first = (await exchange(flow, tokens["access_token"], tickets)).json()["access_token"]
    assert (await flow.introspected(first))["active"]
    form = {"token": tokens["refresh_token"], "client_id": flow.client_id}
    assert (await flow.http.post("/idp/revoke", data=form)).status_code == 200
    assert await flow.introspected(first) == {"active": False}
    assert (await exchange(flow, tokens["access_token"], tickets)).json()["error"] == "invalid_request"


async def test_what_was_exchanged_ends_with_the_token_it_was_had_for(flow: Flow) -> None:
    subject = flow.provider.mint("manager", DESK, GRANTED, client_id=SYNC)
    first = (await exchange(flow, subject, resource=TICKETS, scope="customers:read")).json()["access_token"]
    tickets = flow.provider.resource_server(TICKETS)
    second = (await exchange(flow, first, tickets)).json()["access_token"]
    other = (await exchange(flow, person(flow))).json()["access_token"]
    answer = await flow.http.post("/idp/revoke", data={"token": subject}, auth=machine(flow, SYNC))
    assert answer.status_code == 200
    assert [await flow.introspected(first, TICKETS), await flow.introspected(second)] == [{"active": False}] * 2
    assert (await flow.introspected(other))["active"]
