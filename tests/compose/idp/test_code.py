import logging

import pytest

from tests.compose.idp.flow import CHALLENGE, CUSTOMERS, ISSUER, TICKETS, Flow

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
async def _registered(flow: Flow) -> None:
    await flow.register()


async def test_a_code_becomes_an_access_token_of_rfc_9068(flow: Flow) -> None:
    code = (await flow.login("manager", scope="customers:write customers:pii"))["code"]
    flow.clock.now += 30
    answer = await flow.redeem(code)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 600)
    token = await flow.verified(body["access_token"])
    now = int(flow.clock.now)
    assert token.header["typ"] == "at+jwt"
    expected = {
        "iss": ISSUER,
        "sub": "acme-sales-manager",
        "aud": CUSTOMERS,
        "client_id": flow.client_id,
        "iat": now,
        "nbf": now,
        "exp": now + 600,
        "scope": "customers:write customers:pii",
        "tenant": "acme",
        "roles": ["sales", "manager"],
        "acr": "aal1",
        "auth_time": now - 30,
    }
    assert {name: token.claims[name] for name in expected} == expected
    assert token.claims.keys() == expected.keys() | {"jti", "sid"}


async def test_the_outsider_belongs_to_the_other_tenant(flow: Flow) -> None:
    answer = await flow.redeem((await flow.login("outsider"))["code"])
    assert (await flow.verified(answer.json()["access_token"])).claims["tenant"] == "globex"


@pytest.mark.parametrize(
    ("persona", "requested", "granted"),
    [
        ("support", "customers:read customers:write customers:admin made:up", "customers:read"),
        ("manager", "customers:read customers:pii customers:admin", "customers:read customers:pii"),
        ("admin", "customers:pii customers:pii customers:write", "customers:pii customers:write"),
        ("admin", None, "customers:read"),
        ("approver", "approvals:decide customers:read", "customers:read"),
    ],
)
async def test_the_grant_is_what_was_asked_for_cut_down_to_what_the_person_holds_there(
    flow: Flow, persona: str, requested: str | None, granted: str
) -> None:
    answer = await flow.redeem((await flow.login(persona, scope=requested))["code"])
    assert answer.json()["scope"] == granted
    assert (await flow.verified(answer.json()["access_token"])).claims["scope"] == granted


@pytest.mark.parametrize("change", [{"scope": "customers:admin"}, {"resource": TICKETS, "scope": "tickets:admin"}])
async def test_an_empty_grant_is_an_error_not_a_token(flow: Flow, change: dict[str, str | None]) -> None:
    asked = {"scope": "customers:read", **change}
    answer = await flow.login("support", scope=asked["scope"], resource=asked.get("resource", CUSTOMERS))
    assert answer["error"] == "invalid_scope"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"code_verifier": "w" * 64}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_grant"),
        ({"code_verifier": CHALLENGE}, "invalid_grant"),
        ({"redirect_uri": "http://127.0.0.1:33419/callback"}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_grant"),
        ({"code": "x" * 43}, "invalid_grant"),
        ({"code": None}, "invalid_request"),
        ({"resource": TICKETS}, "invalid_target"),
        ({"resource": "http://127.0.0.1:8080/other/mcp"}, "invalid_target"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": None}, "invalid_request"),
        ({"client_id": None}, "invalid_request"),
    ],
)
async def test_a_code_is_redeemed_only_as_it_was_asked_for(
    flow: Flow, change: dict[str, str | None], error: str
) -> None:
    code = (await flow.login())["code"]
    answer = await flow.redeem(**{"code": code, **change})
    assert answer.status_code == 400
    assert answer.json()["error"] == error
    assert "access_token" not in answer.text


async def test_a_code_may_be_redeemed_without_repeating_the_resource(flow: Flow) -> None:
    answer = await flow.redeem((await flow.login())["code"], resource=None)
    assert (await flow.verified(answer.json()["access_token"])).claims["aud"] == CUSTOMERS


async def test_capitals_in_scheme_and_host_name_the_same_resource(flow: Flow) -> None:
    answer = await flow.redeem((await flow.login(resource=CUSTOMERS.replace("http:", "HTTP:")))["code"])
    assert (await flow.verified(answer.json()["access_token"])).claims["aud"] == CUSTOMERS


async def test_a_code_works_once(flow: Flow) -> None:
    code = (await flow.login())["code"]
    assert (await flow.redeem(code)).status_code == 200
    again = await flow.redeem(code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


async def test_a_code_tried_with_a_wrong_verifier_is_spent(flow: Flow) -> None:
    code = (await flow.login())["code"]
    await flow.redeem(code, code_verifier="w" * 64)
    assert (await flow.redeem(code)).json()["error"] == "invalid_grant"


async def test_a_code_lasts_a_minute(flow: Flow) -> None:
    in_time, too_late = (await flow.login())["code"], (await flow.login())["code"]
    flow.clock.now += 59.9
    assert (await flow.redeem(in_time)).status_code == 200
    flow.clock.now += 0.1
    assert (await flow.redeem(too_late)).json()["error"] == "invalid_grant"


async def test_a_code_of_another_client_is_refused(flow: Flow) -> None:
    code = (await flow.login())["code"]
    await flow.register()
    assert (await flow.redeem(code)).json()["error"] == "invalid_grant"


async def test_codes_tokens_and_secrets_are_never_logged(flow: Flow, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = await flow.register(
        token_endpoint_auth_method="client_secret_post", grant_types=["authorization_code", "refresh_token"]
    )
    secret = {"client_secret": client["client_secret"]}
    code = (await flow.login(scope="openid customers:read"))["code"]
    first = (await flow.redeem(code, **secret)).json()
    second = (await flow.refresh(first["refresh_token"], **secret)).json()
    await flow.refresh(first["refresh_token"], **secret)
    await flow.introspected(second["access_token"])
    await flow.http.post("/idp/revoke", data={"token": second["access_token"], "client_id": flow.client_id, **secret})
    assert "POST http://127.0.0.1:8080/idp/token" in caplog.text
    tokens = [body[name] for body in (first, second) for name in ("access_token", "refresh_token", "id_token")]
    for hidden in (code, client["client_secret"], *tokens):
        assert hidden not in caplog.text


async def test_a_json_body_is_no_form(flow: Flow) -> None:
    answer = await flow.http.post("/idp/token", json={"grant_type": "authorization_code"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("body", ["code=a&code=b", "code=%ff", "code=\xe4"])
async def test_a_malformed_form_is_refused(flow: Flow, body: str) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await flow.http.post("/idp/token", content=f"client_id={flow.client_id}&{body}", headers=form)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("padding", [{f"f{n}": "1" for n in range(40)}, {"padding": "x" * 5000}])
async def test_a_form_beyond_its_limits_is_refused(flow: Flow, padding: dict[str, str]) -> None:
    answer = await flow.redeem((await flow.login())["code"], **padding)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
