import base64

import httpx
import pytest

from tests.compose.idp.flow import CUSTOMERS, Flow

pytestmark = pytest.mark.anyio


async def ask(flow: Flow, client: str, secret: str, **form: str) -> httpx.Response:
    data = {"grant_type": "client_credentials", "resource": CUSTOMERS, **form}
    return await flow.http.post("/idp/token", data=data, auth=(client, secret))


async def test_a_machine_gets_a_token_of_its_own(flow: Flow) -> None:
    answer = await ask(flow, "acme-sync", flow.provider.machine_secret("acme-sync"), scope="customers:write")
    token = await flow.verified(answer.json()["access_token"])
    assert (token.claims["sub"], token.claims["client_id"]) == ("acme-sync", "acme-sync")
    assert (token.claims["tenant"], token.claims["scope"]) == ("acme", "customers:write")
    assert "auth_time" not in token.claims


async def test_a_machine_may_send_its_secret_in_the_form(flow: Flow) -> None:
    data = {
        "grant_type": "client_credentials",
        "resource": CUSTOMERS,
        "client_id": "globex-sync",
        "client_secret": flow.provider.machine_secret("globex-sync"),
    }
    answer = await flow.http.post("/idp/token", data=data)
    token = await flow.verified(answer.json()["access_token"])
    assert (token.claims["tenant"], token.claims["scope"]) == ("globex", "customers:read")
    data["client_secret"] += "x"
    assert (await flow.http.post("/idp/token", data=data)).status_code == 401


@pytest.mark.parametrize(
    ("client_id", "secret"), [("acme-sync", "wrong"), ("acme-sync", ""), ("nobody", ""), ("nobody", "x")]
)
async def test_a_wrong_secret_and_an_unknown_client_are_told_the_same(flow: Flow, client_id: str, secret: str) -> None:
    answer = await ask(flow, client_id, secret)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.headers["www-authenticate"].startswith("Basic")
    assert answer.json() == (await ask(flow, "acme-sync", "other")).json()


async def test_a_machine_without_its_secret_is_refused(flow: Flow) -> None:
    data = {"grant_type": "client_credentials", "resource": CUSTOMERS, "client_id": "acme-sync"}
    assert (await flow.http.post("/idp/token", data=data)).status_code == 401


@pytest.mark.parametrize("header", ["Bearer abc", "Basic !!!", "Basic", "Basic " + base64.b64encode(b"\xff").decode()])
async def test_a_malformed_authorization_header_is_refused(flow: Flow, header: str) -> None:
    form = {"grant_type": "client_credentials"}
    answer = await flow.http.post("/idp/token", data=form, headers={"Authorization": header})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_two_ways_of_authentication_at_once_are_refused(flow: Flow) -> None:
    secret = flow.provider.machine_secret("acme-sync")
    for extra in ({"client_secret": secret}, {"client_id": "globex-sync"}):
        assert (await ask(flow, "acme-sync", secret, **extra)).json()["error"] == "invalid_request"


async def test_a_machine_gets_no_more_than_it_holds(flow: Flow) -> None:
    secret = flow.provider.machine_secret("acme-triage")
    cut = await ask(flow, "acme-triage", secret, scope="customers:read customers:write")
    assert cut.json()["scope"] == "customers:read"
    assert (await ask(flow, "acme-triage", secret, scope="customers:write")).json()["error"] == "invalid_scope"
    assert (await ask(flow, "acme-triage", secret, resource="https://x.example")).json()["error"] == "invalid_target"


async def test_a_registered_client_is_nobody_by_itself(flow: Flow) -> None:
    client = await flow.register(token_endpoint_auth_method="client_secret_basic")
    answer = await ask(flow, client["client_id"], client["client_secret"])
    assert answer.json()["error"] == "unauthorized_client"
