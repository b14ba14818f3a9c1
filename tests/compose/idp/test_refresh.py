import anyio
import pytest

from compose.idp.events import Events
from compose.idp.grants import Grant
from compose.idp.personas import PERSONAS
from compose.idp.refresh import IDLE_S, LIFETIME_S, RefreshFamilies
from compose.idp.refusals import OAuthError
from compose.idp.resources import Resource
from compose.idp.revoked import Revoked
from tests.compose.idp.flow import CUSTOMERS, TICKETS, Clock, Flow

pytestmark = pytest.mark.anyio

BOTH = ["authorization_code", "refresh_token"]
WRITING = "customers:read customers:write"


@pytest.fixture(autouse=True)
async def _registered(flow: Flow) -> None:
    await flow.register(grant_types=BOTH)


async def test_each_use_gives_a_new_access_token_and_a_new_refresh_token(flow: Flow) -> None:
    first = await flow.tokens("manager", scope=WRITING)
    before = (await flow.verified(first["access_token"])).claims
    flow.clock.now += 900
    answer = await flow.refresh(first["refresh_token"], resource=CUSTOMERS)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    second = answer.json()
    assert second["refresh_token"] != first["refresh_token"]
    assert (second["token_type"], second["scope"]) == ("Bearer", WRITING)
    after = (await flow.verified(second["access_token"])).claims
    same = ("iss", "sub", "aud", "client_id", "scope", "tenant", "roles", "acr", "auth_time", "sid")
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert (after["iat"] - before["iat"], after["jti"] != before["jti"]) == (900, True)
    assert (await flow.refresh(second["refresh_token"])).status_code == 200


async def test_only_a_client_that_registered_for_it_gets_one(flow: Flow) -> None:
    await flow.register(grant_types=["authorization_code"])
    tokens = await flow.tokens(scope="customers:read offline_access")
    assert "refresh_token" not in tokens
    assert tokens["scope"] == "customers:read"


async def test_offline_access_may_be_asked_for_and_never_reaches_the_server(flow: Flow) -> None:
    tokens = await flow.tokens(scope="customers:read offline_access")
    assert tokens["scope"] == "customers:read offline_access"
    assert "refresh_token" in tokens
    assert (await flow.verified(tokens["access_token"])).claims["scope"] == "customers:read"
    assert (await flow.tokens())["scope"] == "customers:read", "who did not ask is not told"


async def test_the_person_may_refuse_to_stay_connected(flow: Flow) -> None:
    assert "refresh_token" not in await flow.tokens(untick=["offline_access"])


async def test_scopes_may_be_narrowed_for_one_access_token_and_are_not_lost(flow: Flow) -> None:
    token = (await flow.tokens("manager", scope=WRITING))["refresh_token"]
    narrow = (await flow.refresh(token, scope="customers:read")).json()
    assert narrow["scope"] == "customers:read"
    assert (await flow.verified(narrow["access_token"])).claims["scope"] == "customers:read"
    assert (await flow.refresh(narrow["refresh_token"])).json()["scope"] == WRITING


async def test_what_a_granted_scope_includes_is_a_narrowing(flow: Flow) -> None:
    token = (await flow.tokens("manager", scope="customers:write"))["refresh_token"]
    assert (await flow.refresh(token, scope="customers:read")).json()["scope"] == "customers:read"


@pytest.mark.parametrize("scope", ["customers:pii", f"{WRITING} customers:pii", "tickets:read", "openid", "nonsense"])
async def test_widening_is_refused_and_costs_nothing(flow: Flow, scope: str) -> None:
    token = (await flow.tokens("manager", scope=WRITING))["refresh_token"]
    answer = await flow.refresh(token, scope=scope)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")
    assert (await flow.refresh(token)).status_code == 200


async def test_what_was_unticked_stays_out_of_reach(flow: Flow) -> None:
    token = (await flow.tokens("manager", scope=WRITING, untick=["customers:write"]))["refresh_token"]
    assert (await flow.refresh(token, scope="customers:write")).json()["error"] == "invalid_scope"
    assert (await flow.refresh(token)).json()["scope"] == "customers:read"


@pytest.mark.parametrize("resource", [TICKETS, "https://other.example"])
async def test_another_resource_is_refused_and_costs_nothing(flow: Flow, resource: str) -> None:
    token = (await flow.tokens())["refresh_token"]
    assert (await flow.refresh(token, resource=resource)).json()["error"] == "invalid_target"
    assert (await flow.refresh(token)).status_code == 200


async def test_a_used_token_that_comes_again_ends_the_family_and_its_access_tokens(flow: Flow) -> None:
    first = await flow.tokens()
    second = (await flow.refresh(first["refresh_token"])).json()
    again = await flow.refresh(first["refresh_token"])
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert (await flow.refresh(second["refresh_token"])).json()["error"] == "invalid_grant"
    flow.clock.now += 500
    for tokens in (first, second):
        assert await flow.introspected(tokens["access_token"]) == {"active": False}
    (told,) = flow.told("refresh_reused")
    assert (told["reason"], told["subject"], told["client_id"]) == ("used before", "acme-support-agent", flow.client_id)


async def test_the_family_of_another_sign_in_lives_on(flow: Flow) -> None:
    one, other = await flow.tokens(), await flow.tokens()
    await flow.refresh(one["refresh_token"])
    await flow.refresh(one["refresh_token"])
    assert (await flow.introspected(other["access_token"]))["active"]
    assert (await flow.refresh(other["refresh_token"])).status_code == 200


async def test_of_concurrent_uses_exactly_one_wins(flow: Flow) -> None:
    token = (await flow.tokens())["refresh_token"]
    statuses: list[int] = []

    async def use() -> None:
        statuses.append((await flow.refresh(token)).status_code)

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(use)
    assert sorted(statuses) == [200] + [400] * 19
    assert len(flow.told("refresh_reused")) == 1


async def test_in_the_hands_of_another_client_it_is_leaked(flow: Flow) -> None:
    owner, token = flow.client_id, (await flow.tokens())["refresh_token"]
    await flow.register(grant_types=BOTH)
    assert (await flow.refresh(token)).json()["error"] == "invalid_grant"
    flow.client_id = owner
    assert (await flow.refresh(token)).json()["error"] == "invalid_grant"
    assert flow.told("refresh_reused")[0]["reason"] == "presented by another client"


async def test_a_confidential_client_must_prove_itself(flow: Flow) -> None:
    client = await flow.register(token_endpoint_auth_method="client_secret_post", grant_types=BOTH)
    code = (await flow.login())["code"]
    token = (await flow.redeem(code, client_secret=client["client_secret"])).json()["refresh_token"]
    assert (await flow.refresh(token)).json()["error"] == "invalid_client"
    assert (await flow.refresh(token, client_secret=client["client_secret"])).status_code == 200


@pytest.mark.parametrize("token", ["x", "x.y", ".", "a" * 4000])
async def test_an_invented_token_is_refused(flow: Flow, token: str) -> None:
    assert (await flow.refresh(token)).json()["error"] == "invalid_grant"
    assert flow.told("refresh_reused") == []


async def test_a_missing_token_is_a_bad_request(flow: Flow) -> None:
    answer = await flow.http.post("/idp/token", data={"grant_type": "refresh_token", "client_id": flow.client_id})
    assert answer.json()["error"] == "invalid_request"


async def test_unused_for_a_day_it_ends(flow: Flow) -> None:
    token = (await flow.tokens())["refresh_token"]
    flow.clock.now += IDLE_S - 1
    token = (await flow.refresh(token)).json()["refresh_token"]
    flow.clock.now += IDLE_S
    assert (await flow.refresh(token)).json()["error"] == "invalid_grant"


async def test_however_often_used_it_ends_a_week_after_signing_in(flow: Flow) -> None:
    token = (await flow.tokens())["refresh_token"]
    for _ in range(LIFETIME_S // (IDLE_S // 2) - 1):
        flow.clock.now += IDLE_S // 2
        token = (await flow.refresh(token)).json()["refresh_token"]
    flow.clock.now += IDLE_S // 2
    assert (await flow.refresh(token)).json()["error"] == "invalid_grant"


async def test_a_code_that_comes_twice_ends_the_tokens_of_the_first_time(flow: Flow) -> None:
    code = (await flow.login())["code"]
    tokens = (await flow.redeem(code)).json()
    assert (await flow.redeem(code)).json()["error"] == "invalid_grant"
    assert (await flow.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert await flow.introspected(tokens["access_token"]) == {"active": False}
    assert len(flow.told("code_reused")) == 1


def test_families_are_bounded_and_the_least_recently_used_gives_way() -> None:
    clock = Clock()
    families = RefreshFamilies(Revoked(clock), Events(None, clock), clock, capacity=3)
    resource = Resource(CUSTOMERS, ("customers:read",))
    grant = Grant("c", PERSONAS["support"], resource, ("customers:read",), (), 0, "aal1", "s")
    tokens = [families.start(grant) for _ in range(3)]
    tokens[0] = families.rotate(tokens[0])
    families.start(grant)
    assert [families.find(token) is not None for token in tokens] == [True, False, True]
    with pytest.raises(OAuthError, match="expired"):
        families.redeemable(tokens[1], "c")
