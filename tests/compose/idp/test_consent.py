import httpx
import pytest

from tests.compose.idp.consent import ConsentForm
from tests.compose.idp.flow import CALLBACK, CUSTOMERS, TICKETS, Flow, query
from tests.personas import LoginForm, choose_persona

pytestmark = pytest.mark.anyio

WRITING = "customers:read customers:write"


@pytest.fixture(autouse=True)
async def _registered(flow: Flow) -> None:
    await flow.register()


async def page_of(flow: Flow, persona: str = "manager", **changes: str | None) -> httpx.Response:
    location = await choose_persona(flow.http, flow.authorize_url(**changes), persona)
    assert location.startswith("/idp/consent?")
    return await flow.http.get(location)


async def is_asked(flow: Flow, persona: str = "manager", **changes: str | None) -> bool:
    return (await choose_persona(flow.http, flow.authorize_url(**changes), persona)).startswith("/")


async def test_the_page_names_client_host_resource_person_and_scopes(flow: Flow) -> None:
    await flow.register(client_name="<b>Desk\u202etop</b>")
    page = await page_of(flow, scope="customers:write customers:admin")
    assert page.status_code == 200
    assert "<strong>&lt;b&gt;Desktop&lt;/b&gt;</strong> asks to act for you" in page.text
    assert "127.0.0.1:33418 (a program on this computer)" in page.text
    assert f"<code>{CUSTOMERS}</code>" in page.text
    assert "<strong>Sales manager</strong> of <strong>acme</strong>" in page.text
    assert ConsentForm(page.text).ticked == {"allow:customers:write": True}
    assert ConsentForm(page.text).choices == ["allow", "deny"]
    assert "Nobody has checked this program&#x27;s name" in page.text


async def test_the_page_cannot_be_framed_kept_or_scripted(flow: Flow) -> None:
    page = await page_of(flow)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self' http://127.0.0.1:33418;" in policy
    assert "script" not in policy + page.text
    assert (page.headers["cache-control"], page.headers["x-frame-options"]) == ("no-store", "DENY")


async def test_nothing_is_granted_before_somebody_decided(flow: Flow) -> None:
    location = await choose_persona(flow.http, flow.authorize_url(), "support")
    assert "code" not in query(location)
    assert flow.told("consent_given") == []


async def test_what_is_unticked_is_not_granted(flow: Flow) -> None:
    tokens = await flow.tokens("manager", scope=WRITING, untick=["customers:write"])
    claims = (await flow.verified(tokens["access_token"])).claims
    assert claims["scope"] == tokens["scope"] == "customers:read"
    assert flow.told("consent_given")[0]["withheld"] == ["customers:write"]


async def test_a_box_that_was_not_on_the_page_grants_nothing(flow: Flow) -> None:
    page = await page_of(flow, scope="customers:read")
    data = {**ConsentForm(page.text).answer(), "allow:customers:write": "yes", "allow:customers:admin": "yes"}
    answer = await flow.http.post("/idp/consent", data=data)
    tokens = (await flow.redeem(query(answer.headers["location"])["code"])).json()
    assert tokens["scope"] == "customers:read"


@pytest.mark.parametrize(("decision", "untick"), [("deny", []), ("", []), ("allow", ["customers:read"])])
async def test_who_denies_or_leaves_nothing_ticked_sends_no_code(flow: Flow, decision: str, untick: list[str]) -> None:
    answer = await flow.login("support", decision=decision, untick=untick)
    assert (answer["error"], answer["state"]) == ("access_denied", "s t&te")
    assert "code" not in answer
    assert len(flow.told("consent_denied")) == 1
    assert await is_asked(flow, "support"), "a denial is not remembered as consent"


async def test_what_was_granted_is_not_asked_again(flow: Flow) -> None:
    await flow.login("manager", scope=WRITING)
    assert not await is_asked(flow, scope=WRITING)
    assert not await is_asked(flow, scope="customers:read")
    again = flow.told("consent_given")[-1]
    assert (again["remembered"], again["scopes"]) == (True, ["customers:read"])


@pytest.mark.parametrize(
    ("persona", "changes"),
    [
        ("manager", {"scope": f"{WRITING} customers:pii"}),
        ("admin", {"scope": WRITING}),
        ("manager", {"scope": WRITING, "prompt": "consent"}),
        ("manager", {"scope": WRITING, "prompt": "login consent"}),
        ("manager", {"scope": f"{WRITING} openid"}),
    ],
)
async def test_more_another_person_or_an_explicit_wish_is_asked(
    flow: Flow, persona: str, changes: dict[str, str | None]
) -> None:
    await flow.login("manager", scope=WRITING)
    assert await is_asked(flow, persona, **changes)


async def test_another_client_and_another_destination_are_asked(flow: Flow) -> None:
    await flow.register(redirect_uris=[CALLBACK, "https://app.example/cb"], application_type="native")
    await flow.login("manager")
    assert not await is_asked(flow, redirect_uri="http://127.0.0.1:40000/callback")
    assert await is_asked(flow, redirect_uri="https://app.example/cb")
    await flow.register()
    assert await is_asked(flow)


async def test_what_was_unticked_later_is_asked_again(flow: Flow) -> None:
    await flow.login("manager", scope=WRITING)
    await flow.login("manager", scope=WRITING, prompt="consent", untick=["customers:write"])
    assert await is_asked(flow, scope=WRITING)
    assert not await is_asked(flow, scope="customers:read")


async def test_the_page_may_be_loaded_again_but_its_form_works_once(flow: Flow) -> None:
    page = await page_of(flow)
    assert (await flow.http.get(page.request.url)).text == page.text
    data = ConsentForm(page.text).answer()
    assert (await flow.http.post("/idp/consent", data=data)).status_code == 303
    for again in (await flow.http.post("/idp/consent", data=data), await flow.http.get(page.request.url)):
        assert (again.status_code, "location" in again.headers) == (400, False)


async def test_page_and_form_work_in_the_browser_that_signed_in_only(flow: Flow) -> None:
    page = await page_of(flow)
    cookies = dict(flow.http.cookies)
    flow.http.cookies.clear()
    assert (await flow.http.get(page.request.url)).status_code == 400
    answer = await flow.http.post("/idp/consent", data=ConsentForm(page.text).answer())
    assert (answer.status_code, "location" in answer.headers) == (400, False)
    flow.http.cookies.update(cookies)
    assert (await flow.http.get("/idp/consent")).status_code == 400
    assert (await flow.http.get("/idp/consent?transaction=x")).status_code == 400


async def test_a_sign_in_transaction_is_none_of_the_consent_page(flow: Flow) -> None:
    form = LoginForm((await flow.http.get(flow.authorize_url())).text)
    data = {**form.hidden, "decision": "allow", "allow:customers:read": "yes"}
    assert (await flow.http.post("/idp/consent", data=data)).status_code == 400


async def test_the_page_expires(flow: Flow) -> None:
    page = await page_of(flow)
    flow.clock.now += 600
    assert (await flow.http.post("/idp/consent", data=ConsentForm(page.text).answer())).status_code == 400


async def test_nobody_stays_signed_in_so_prompt_none_is_refused_and_login_and_max_age_are_kept(flow: Flow) -> None:
    refused = await flow.http.get(flow.authorize_url(prompt="none"))
    assert query(refused.headers["location"])["error"] == "login_required"
    for changes in ({"prompt": "none login"}, {"max_age": "soon"}, {"max_age": "-1"}):
        refused = await flow.http.get(flow.authorize_url(**changes))
        assert query(refused.headers["location"])["error"] == "invalid_request"
    await flow.login()
    flow.clock.now += 100
    tokens = await flow.tokens("support", prompt="login", max_age="0")
    assert (await flow.verified(tokens["access_token"])).claims["auth_time"] == flow.clock.now


async def test_step_up_gets_the_first_context_it_asks_for_that_is_known(flow: Flow) -> None:
    for wanted, got in ((None, "aal1"), ("aal2", "aal2"), ("phr aal2 aal1", "aal2")):
        tokens = await flow.tokens("manager", acr_values=wanted)
        assert (await flow.verified(tokens["access_token"])).claims["acr"] == got
    page = await flow.http.get(flow.authorize_url(acr_values="aal2"))
    assert "second factor" in page.text
    refused = await flow.http.get(flow.authorize_url(acr_values="phr"))
    assert query(refused.headers["location"])["error"] == "unmet_authentication_requirements"


async def test_a_parameter_that_would_change_the_request_behind_our_back_is_refused(flow: Flow) -> None:
    for name in ("request", "request_uri", "registration"):
        refused = await flow.http.get(flow.authorize_url(**{name: "x"}))
        assert query(refused.headers["location"])["error"] == f"{name}_not_supported"


async def test_consent_for_one_server_is_none_for_another(flow: Flow) -> None:
    await flow.login("manager", scope=WRITING)
    assert await is_asked(flow, resource=TICKETS, scope="tickets:read")
