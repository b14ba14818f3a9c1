import json
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from compose.idp.provider import IdentityProvider
from tests.compose.idp.flow import CALLBACK, CUSTOMERS, ISSUER, ORIGIN, RESOURCES, Clock, Flow

pytestmark = pytest.mark.anyio


async def test_a_sign_in_is_told_step_by_step_with_who_what_and_for_which_server(flow: Flow) -> None:
    await flow.register(client_name="Desk", grant_types=["authorization_code", "refresh_token"])
    tokens = await flow.tokens("manager", scope="customers:read customers:write", untick=["customers:write"])
    claims = (await flow.verified(tokens["access_token"])).claims
    who = {"client_id": flow.client_id, "subject": "acme-sales-manager", "tenant": "acme", "resource": CUSTOMERS}
    at = {"time": flow.clock.now}
    granted = {"scopes": ["customers:read"]}
    issued = {"jti": claims["jti"], "expires_at": claims["exp"], "session": claims["sid"]}
    assert flow.events == [
        {
            **{"event": "client_registered", "client_id": flow.client_id, "client_name": "Desk", **at},
            **{"method": "none", "redirect_hosts": ["127.0.0.1:33418"]},
        },
        {"event": "logged_in", "acr": "aal1", **who, **at},
        {
            **{"event": "consent_given", "withheld": ["customers:write"], "remembered": False, **who, **at},
            **{"scopes": ["customers:read", "offline_access"]},
        },
        {
            **{"event": "token_issued", "grant_type": "authorization_code", **who, **at, **granted, **issued},
            **{"refreshable": True, "identity": False},
        },
    ]


async def test_machines_and_minted_tokens_are_told_too(flow: Flow) -> None:
    form = {"grant_type": "client_credentials", "resource": CUSTOMERS}
    await flow.http.post("/idp/token", data=form, auth=("acme-sync", flow.provider.machine_secret("acme-sync")))
    flow.provider.mint("support", CUSTOMERS)
    told = [(event["grant_type"], event["client_id"], event["subject"]) for event in flow.told("token_issued")]
    assert told == [
        ("client_credentials", "acme-sync", "acme-sync"),
        ("minted", "mcp-suite", "acme-support-agent"),
    ]


async def test_failures_are_told(flow: Flow) -> None:
    await flow.register()
    await flow.login("")
    await flow.login("support", decision="deny")
    await flow.login("support", scope="customers:admin")
    await flow.http.post("/idp/token", data={"client_id": "acme-sync", "client_secret": "wrong"})
    await flow.http.post("/idp/token", data={"client_id": "a secret in the wrong field"})
    assert [told["reason"] for told in flow.told("login_refused")] == ["access_denied", "invalid_scope"]
    assert [told["subject"] for told in flow.told("consent_denied")] == ["acme-support-agent"]
    failed = [(told.get("client_id"), told["method"]) for told in flow.told("client_authentication_failed")]
    assert failed == [("acme-sync", "client_secret_post"), (None, "none")]


async def test_events_are_json_and_hold_nothing_that_opens_a_door(flow: Flow) -> None:
    client = await flow.register(
        token_endpoint_auth_method="client_secret_post", grant_types=["authorization_code", "refresh_token"]
    )
    secret = {"client_secret": client["client_secret"]}
    answer = await flow.login("manager", scope="openid customers:read", nonce="n-once")
    tokens = (await flow.redeem(answer["code"], **secret)).json()
    second = (await flow.refresh(tokens["refresh_token"], **secret)).json()
    await flow.refresh(tokens["refresh_token"], **secret)
    await flow.redeem(answer["code"], **secret)
    await flow.http.post("/idp/revoke", data={"token": second["access_token"], "client_id": flow.client_id, **secret})
    kinds = {event["event"] for event in flow.events}
    assert {"token_issued", "refresh_reused", "code_reused", "revoked"} <= kinds
    written = json.dumps(flow.events)
    for hidden in (
        *(body[name] for body in (tokens, second) for name in ("access_token", "refresh_token", "id_token")),
        *(client["client_secret"], answer["code"], answer["state"], "n-once", *flow.http.cookies.values()),
    ):
        assert hidden not in written
        assert hidden.partition(".")[0] not in written or hidden.count(".") == 2


async def test_a_token_whose_event_cannot_be_kept_does_not_leave() -> None:
    def refuse(event: dict[str, Any]) -> None:
        if event["event"] == "token_issued":
            raise OSError("no room")

    provider = IdentityProvider(ISSUER, resources=RESOURCES, on_event=refuse)
    transport = httpx.ASGITransport(Starlette(routes=provider.routes), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as http:
        flow = Flow(provider, http, Clock())
        await flow.register(redirect_uris=[CALLBACK])
        answer = await flow.redeem((await flow.login())["code"])
    assert (answer.status_code, "token" in answer.text) == (500, False)
