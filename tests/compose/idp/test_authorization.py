import pytest

from compose.idp.personas import PERSONAS
from tests.compose.idp.consent import sign_in
from tests.compose.idp.flow import CALLBACK, CUSTOMERS, ISSUER, Flow, query
from tests.personas import LoginForm

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
async def _registered(flow: Flow) -> None:
    await flow.register()


async def test_the_page_says_who_wants_what_and_offers_every_persona(flow: Flow) -> None:
    await flow.register(client_name="<b>Desk\u202etop</b>")
    page = await flow.http.get(flow.authorize_url())
    assert "&lt;b&gt;Desktop&lt;/b&gt;" in page.text
    assert "127.0.0.1:33418 (a program on this computer)" in page.text
    assert f"<code>{CUSTOMERS}</code>" in page.text
    assert "<code>customers:read</code>" in page.text
    assert LoginForm(page.text).choices == [*PERSONAS, ""]
    assert {persona.tenant for persona in PERSONAS.values()} == {"acme", "globex"}


async def test_the_page_cannot_be_framed_kept_or_scripted(flow: Flow) -> None:
    headers = (await flow.http.get(flow.authorize_url())).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self' http://127.0.0.1:33418;" in policy
    assert "script-src" not in policy
    assert headers["cache-control"] == "no-store"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"


async def test_a_choice_sends_the_browser_back_with_code_state_and_issuer(flow: Flow) -> None:
    url = await sign_in(flow.http, flow.authorize_url(), "support")
    assert url.startswith(f"{CALLBACK}?")
    answer = query(url)
    assert answer.keys() == {"code", "state", "iss"}
    assert answer["state"] == "s t&te"
    assert answer["iss"] == ISSUER


async def test_a_hint_only_points_at_a_persona(flow: Flow) -> None:
    page = await flow.http.get(flow.authorize_url(login_hint="auditor"))
    assert page.status_code == 200
    assert 'value="auditor" autofocus' in page.text


async def test_cancelling_denies_access(flow: Flow) -> None:
    answer = await flow.login("")
    assert (answer["error"], answer["state"], answer["iss"]) == ("access_denied", "s t&te", ISSUER)


async def test_an_unknown_persona_is_denied(flow: Flow) -> None:
    assert (await flow.login("root"))["error"] == "access_denied"


async def test_the_form_works_once(flow: Flow) -> None:
    form = LoginForm((await flow.http.get(flow.authorize_url())).text)
    data = {**form.hidden, "persona": "support"}
    assert (await flow.http.post(form.action, data=data)).status_code == 303
    again = await flow.http.post(form.action, data=data)
    assert again.status_code == 400
    assert "location" not in again.headers


async def test_the_form_works_in_the_browser_that_saw_the_page_only(flow: Flow) -> None:
    form = LoginForm((await flow.http.get(flow.authorize_url())).text)
    flow.http.cookies.clear()
    answer = await flow.http.post(form.action, data={**form.hidden, "persona": "support"})
    assert answer.status_code == 400
    assert "location" not in answer.headers


async def test_the_form_expires(flow: Flow) -> None:
    form = LoginForm((await flow.http.get(flow.authorize_url())).text)
    flow.clock.now += 600
    assert (await flow.http.post(form.action, data={**form.hidden, "persona": "support"})).status_code == 400


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"resource": None}, "invalid_target"),
        ({"resource": "http://127.0.0.1:8080/other/mcp"}, "invalid_target"),
        ({"resource": "http://[bad/mcp"}, "invalid_target"),
    ],
)
async def test_a_bad_request_of_a_good_client_is_told_to_the_client(
    flow: Flow, change: dict[str, str | None], error: str
) -> None:
    answer = await flow.http.get(flow.authorize_url(**change))
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"{CALLBACK}?")
    told = query(answer.headers["location"])
    assert (told["error"], told["state"], told["iss"]) == (error, "s t&te", ISSUER)
    assert "code" not in told


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "nobody"},
        {"client_id": None},
        {"redirect_uri": None},
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": f"{CALLBACK}/../other"},
        {"redirect_uri": f"{CALLBACK}?more=1"},
        {"redirect_uri": f"{CALLBACK}#x"},
        {"redirect_uri": "http://localhost:33418/callback"},
        {"redirect_uri": "http://127.0.0.1:33418@evil.example/callback"},
        {"redirect_uri": "http://127.0.0.1.evil.example:33418/callback"},
        {"redirect_uri": "http://127.0.0.1:33418\\@evil.example/callback"},
        {"redirect_uri": "https://127.0.0.1:33418/callback"},
        {"redirect_uri": "http://127.0.0.1:port/callback"},
        {"redirect_uri": "http://127.0.0.1:1/callback\r\nSet-Cookie: a=b"},
        {"redirect_uri": "javascript:alert(1)"},
    ],
)
async def test_nobody_is_sent_to_an_address_the_client_did_not_register(
    flow: Flow, change: dict[str, str | None]
) -> None:
    answer = await flow.http.get(flow.authorize_url(**change))
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert "evil.example" not in answer.text


async def test_a_parameter_sent_twice_is_refused_without_redirect(flow: Flow) -> None:
    answer = await flow.http.get(f"{flow.authorize_url()}&state=2")
    assert answer.status_code == 400
    assert "location" not in answer.headers


async def test_two_resources_are_refused(flow: Flow) -> None:
    answer = await flow.http.get(f"{flow.authorize_url()}&resource=http%3A%2F%2F127.0.0.1%3A8080%2Ftickets%2Fmcp")
    assert query(answer.headers["location"])["error"] == "invalid_target"


async def test_a_native_program_may_listen_on_any_loopback_port(flow: Flow) -> None:
    url = await sign_in(flow.http, flow.authorize_url(redirect_uri="http://127.0.0.1:50001/callback"), "support")
    assert url.startswith("http://127.0.0.1:50001/callback?")


async def test_the_query_of_a_redirect_uri_is_kept(flow: Flow) -> None:
    await flow.register(redirect_uris=["https://app.example/cb?tab=1"])
    url = await sign_in(flow.http, flow.authorize_url(redirect_uri="https://app.example/cb?tab=1"), "support")
    assert query(url).keys() == {"tab", "code", "state", "iss"}


@pytest.mark.parametrize(
    ("redirect_uri", "source"),
    [
        ("http://[::1]:7000/cb", "http:"),
        ("cursor://mcp/cb", "cursor:"),
        ("https://app.example/cb", "https://app.example"),
    ],
)
async def test_the_policy_of_the_page_lets_the_browser_go_back(flow: Flow, redirect_uri: str, source: str) -> None:
    await flow.register(redirect_uris=[redirect_uri], application_type="native")
    page = await flow.http.get(flow.authorize_url(redirect_uri=redirect_uri))
    assert f"form-action 'self' {source};" in page.headers["content-security-policy"]


async def test_the_form_refuses_a_body_beyond_its_limit(flow: Flow) -> None:
    answer = await flow.http.post("/idp/login", data={"transaction": "x" * 20_000})
    assert answer.status_code == 413


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(flow: Flow) -> None:
    cookie = (await flow.http.get(flow.authorize_url())).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/idp" in cookie
