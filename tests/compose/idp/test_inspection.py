from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from compose.idp.keys import SigningKeys
from compose.idp.provider import IdentityProvider
from compose.idp.revoked import Revoked
from compose.idp.tokens import TOKEN_LIFETIME_S
from tests.compose.idp.flow import CUSTOMERS, ISSUER, ORIGIN, RESOURCES, TICKETS, Clock, Flow

pytestmark = pytest.mark.anyio

INACTIVE = {"active": False}
BOTH = ["authorization_code", "refresh_token"]


@pytest.fixture(autouse=True)
async def _registered(flow: Flow) -> None:
    await flow.register(grant_types=BOTH)


async def revoke(flow: Flow, token: str, **form: str) -> httpx.Response:
    return await flow.http.post("/idp/revoke", data={"token": token, "client_id": flow.client_id, **form})


async def test_a_server_is_told_everything_about_a_token_for_it(flow: Flow) -> None:
    token = (await flow.tokens("manager", scope="customers:write", acr_values="aal2"))["access_token"]
    told = await flow.introspected(token)
    claims = (await flow.verified(token)).claims
    assert told == {"active": True, "token_type": "Bearer", **claims}
    assert {"acr", "auth_time", "scope", "client_id", "sub", "aud", "iss", "exp", "jti"} <= told.keys()


async def test_a_server_is_told_nothing_about_a_token_for_another(flow: Flow) -> None:
    token = (await flow.tokens())["access_token"]
    assert await flow.introspected(token, TICKETS) == INACTIVE


async def test_a_client_is_told_about_its_own_tokens_only(flow: Flow) -> None:
    others = (await flow.tokens())["access_token"]
    form = {"grant_type": "client_credentials", "resource": CUSTOMERS}
    secret = flow.provider.machine_secret("acme-sync")
    own = (await flow.http.post("/idp/token", data=form, auth=("acme-sync", secret))).json()["access_token"]
    for token, active in ((own, True), (others, False)):
        answer = await flow.http.post("/idp/introspect", data={"token": token}, auth=("acme-sync", secret))
        assert (answer.status_code, answer.json()["active"]) == (200, active)
    assert answer.json() == INACTIVE


async def test_refresh_tokens_are_told_about_to_their_client_alone(flow: Flow) -> None:
    client = await flow.register(token_endpoint_auth_method="client_secret_post", grant_types=BOTH)
    proof = {"client_id": client["client_id"], "client_secret": client["client_secret"]}
    tokens = (await flow.redeem((await flow.login())["code"], **proof)).json()
    token = tokens["refresh_token"]
    answer = (await flow.http.post("/idp/introspect", data={"token": token, **proof})).json()
    assert (answer["active"], answer["scope"]) == (True, "customers:read offline_access")
    assert await flow.introspected(token) == INACTIVE
    await flow.refresh(token, **proof)
    assert (await flow.http.post("/idp/introspect", data={"token": token, **proof})).json() == INACTIVE


async def test_whatever_is_no_token_of_ours_or_has_ended_is_just_inactive(flow: Flow) -> None:
    mint = flow.provider.mint
    other = IdentityProvider(ISSUER, resources=RESOURCES, clock=flow.clock)
    identity = (await flow.tokens(scope="customers:read openid"))["id_token"]
    good = mint("support", CUSTOMERS)
    bad: list[str] = [
        "x",
        "a.b.c",
        good[:-4] + "AAAA",
        other.mint("support", CUSTOMERS),
        mint("support", CUSTOMERS, lifetime_s=-1),
        mint("support", CUSTOMERS, iss="https://other.example"),
        mint("support", CUSTOMERS, jti=None),
        mint("support", CUSTOMERS, iat="soon"),
        identity,
    ]
    assert (await flow.introspected(good))["active"]
    for token in bad:
        assert await flow.introspected(token) == INACTIVE
    flow.clock.now += TOKEN_LIFETIME_S
    assert await flow.introspected(good) == INACTIVE


async def test_what_our_key_signed_for_another_purpose_is_no_access_token(flow: Flow, tmp_path: Path) -> None:
    provider = IdentityProvider(ISSUER, resources=RESOURCES, clock=flow.clock, keys_dir=tmp_path)
    claims = (await flow.verified(flow.provider.mint("support", CUSTOMERS))).claims
    transport = httpx.ASGITransport(Starlette(routes=provider.routes))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as http:
        other = Flow(provider, http, flow.clock)
        for typ, active in (("at+jwt", True), ("JWT", False), ("logout+jwt", False)):
            token = SigningKeys(flow.clock, tmp_path).sign(claims, typ)
            assert (await other.introspected(token))["active"] is active


async def test_nobody_introspects_without_a_secret(flow: Flow) -> None:
    data: dict[str, Any] = {"token": (await flow.tokens())["access_token"]}
    client_id, _ = flow.provider.resource_server(CUSTOMERS)
    proofs = [{"client_id": flow.client_id}, {"client_id": client_id}, {"client_id": "nobody"}]
    for proof in [*proofs, {"client_id": client_id, "client_secret": "wrong"}]:
        answer = await flow.http.post("/idp/introspect", data={**data, **proof})
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert "sub" not in answer.json()
    assert len(flow.told("client_authentication_failed")) == 4


async def test_a_resource_server_gets_no_tokens_itself(flow: Flow) -> None:
    auth = flow.provider.resource_server(CUSTOMERS)
    form = {"grant_type": "client_credentials", "resource": CUSTOMERS}
    assert (await flow.http.post("/idp/token", data=form, auth=auth)).json()["error"] == "unauthorized_client"
    assert (await flow.http.get(flow.authorize_url(client_id=auth[0]))).status_code == 400
    with pytest.raises(KeyError):
        flow.provider.resource_server("https://unknown.example")


async def test_a_revoked_access_token_is_inactive_and_its_siblings_are_not(flow: Flow) -> None:
    first = await flow.tokens()
    second = (await flow.refresh(first["refresh_token"])).json()
    answer = await revoke(flow, first["access_token"])
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert await flow.introspected(first["access_token"]) == INACTIVE
    assert (await flow.introspected(second["access_token"]))["active"]
    jti = (await flow.verified(first["access_token"])).claims["jti"]
    assert [(told["kind"], told["jti"]) for told in flow.told("revoked")] == [("access", jti)]


@pytest.mark.parametrize("which", [0, 1])
async def test_revoking_any_refresh_token_of_a_family_ends_all_its_tokens(flow: Flow, which: int) -> None:
    first = await flow.tokens()
    second = (await flow.refresh(first["refresh_token"])).json()
    family = [first, second]
    assert (await revoke(flow, family[which]["refresh_token"], token_type_hint="access_token")).status_code == 200
    assert (await flow.refresh(second["refresh_token"])).json()["error"] == "invalid_grant"
    for tokens in family:
        assert await flow.introspected(tokens["access_token"]) == INACTIVE


async def test_what_does_not_exist_is_as_good_as_revoked(flow: Flow) -> None:
    assert (await revoke(flow, "nothing")).status_code == 200
    assert flow.told("revoked") == []


async def test_another_clients_tokens_cannot_be_revoked(flow: Flow) -> None:
    tokens = await flow.tokens()
    owner, _ = flow.client_id, await flow.register()
    for name in ("access_token", "refresh_token"):
        answer = await revoke(flow, tokens[name])
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert (await flow.introspected(tokens["access_token"]))["active"]
    flow.client_id = owner
    assert (await flow.refresh(tokens["refresh_token"])).status_code == 200


async def test_an_unknown_client_cannot_revoke(flow: Flow) -> None:
    answer = await flow.http.post("/idp/revoke", data={"token": "x", "client_id": "nobody"})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_after_a_restart_tokens_from_before_do_not_count_but_minted_ones_do(flow: Flow, tmp_path: Path) -> None:
    def started() -> IdentityProvider:
        return IdentityProvider(ISSUER, resources=RESOURCES, clock=flow.clock, keys_dir=tmp_path)

    async def is_active(provider: IdentityProvider, token: str) -> bool:
        transport = httpx.ASGITransport(Starlette(routes=provider.routes))
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as http:
            return (await Flow(provider, http, flow.clock).introspected(token))["active"]

    before = started()
    issued = before.mint("support", CUSTOMERS, client_id="somebody")
    minted = before.mint("support", CUSTOMERS)
    assert await is_active(before, issued)
    flow.clock.now += 1
    after = started()
    assert after.resource_server(CUSTOMERS) == before.resource_server(CUSTOMERS)
    assert [await is_active(after, token) for token in (issued, minted)] == [False, True]


def test_the_list_of_the_revoked_is_bounded_and_forgets_what_ended() -> None:
    clock = Clock()
    revoked = Revoked(clock, capacity=10)
    for number in range(20):
        revoked.token(str(number), clock.now + 60)
    assert [revoked.holds({"jti": str(number)}) for number in (0, 9, 10, 19)] == [False, False, True, True]
    clock.now += 60
    assert not revoked.holds({"jti": "19"})
