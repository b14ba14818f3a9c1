import hashlib
from base64 import urlsafe_b64encode
from typing import Any

import pytest

from tests.compose.idp.flow import CUSTOMERS, ISSUER, Flow, query

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
async def _registered(flow: Flow) -> None:
    await flow.register(grant_types=["authorization_code", "refresh_token"])


async def test_who_asks_for_openid_gets_an_id_token(flow: Flow) -> None:
    code = (await flow.login("manager", scope="openid customers:read", nonce="n-1", acr_values="aal2"))["code"]
    flow.clock.now += 20
    body = (await flow.redeem(code)).json()
    assert body["scope"] == "customers:read openid"
    token = await flow.verified(body["id_token"])
    digest = hashlib.sha256(body["access_token"].encode()).digest()[:16]
    access = (await flow.verified(body["access_token"])).claims
    now = int(flow.clock.now)
    assert token.header["typ"] == "JWT"
    assert token.claims == {
        "iss": ISSUER,
        "sub": "acme-sales-manager",
        "aud": flow.client_id,
        "iat": now,
        "exp": now + 600,
        "auth_time": now - 20,
        "nonce": "n-1",
        "acr": "aal2",
        "at_hash": urlsafe_b64encode(digest).decode().rstrip("="),
        "sid": access["sid"],
        "name": "Sales manager",
        "tenant": "acme",
        "roles": ["sales", "manager"],
    }
    assert access["scope"] == "customers:read"


@pytest.mark.parametrize("changes", [{}, {"scope": "openid customers:read", "untick": ["openid"]}])
async def test_who_does_not_ask_or_is_not_granted_it_gets_none(flow: Flow, changes: dict[str, Any]) -> None:
    tokens = await flow.tokens(**changes)
    assert ("id_token" in tokens, tokens["scope"]) == (False, "customers:read")


async def test_a_refreshed_id_token_speaks_of_the_same_sign_in_without_its_nonce(flow: Flow) -> None:
    first = await flow.tokens(scope="openid customers:read", nonce="n-1")
    flow.clock.now += 900
    second = (await flow.refresh(first["refresh_token"])).json()
    before, after = [(await flow.verified(tokens["id_token"])).claims for tokens in (first, second)]
    assert {name: after[name] for name in ("iss", "sub", "aud", "auth_time", "acr", "sid")} == {
        name: before[name] for name in ("iss", "sub", "aud", "auth_time", "acr", "sid")
    }
    assert "nonce" not in after
    assert after["at_hash"] != before["at_hash"]


async def test_without_a_resource_openid_alone_is_about_the_person_only(flow: Flow) -> None:
    tokens = await flow.tokens("outsider", scope="openid profile", resource=None)
    access = (await flow.verified(tokens["access_token"])).claims
    assert (access["aud"], access["scope"], tokens["scope"]) == (ISSUER, "openid", "openid")
    answer = await flow.http.get("/idp/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    expected = {"sub": "globex-admin", "name": "Administrator of Globex", "tenant": "globex", "roles": ["admin"]}
    assert (answer.status_code, answer.json()) == (200, expected)
    assert answer.headers["cache-control"] == "no-store"


async def test_scopes_of_a_server_still_need_the_server_named(flow: Flow) -> None:
    answer = await flow.http.get(flow.authorize_url(scope="openid customers:read", resource=None))
    assert query(answer.headers["location"])["error"] == "invalid_target"


async def test_userinfo_takes_tokens_for_itself_only(flow: Flow) -> None:
    tokens = await flow.tokens(scope="openid", resource=None)
    server = flow.provider.mint("support", CUSTOMERS)
    await flow.http.post("/idp/revoke", data={"token": tokens["access_token"], "client_id": flow.client_id})
    for token in (server, tokens["id_token"], tokens["access_token"], "x"):
        answer = await flow.http.get("/idp/userinfo", headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json()) == (401, {})
        assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert (await flow.http.get("/idp/userinfo")).headers["www-authenticate"] == "Bearer"
