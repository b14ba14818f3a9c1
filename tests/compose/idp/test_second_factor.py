import re

import httpx
import pytest

from tests.compose.idp.consent import decide, prove
from tests.compose.idp.flow import Flow, query
from tests.personas import LoginForm, choose_persona, send

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
async def _registered(flow: Flow) -> None:
    await flow.register()


async def step(flow: Flow, persona: str = "manager", **changes: str | None) -> httpx.URL:
    """Where the page of the second factor is, for somebody of whom one is asked."""
    url = flow.authorize_url(**{"acr_values": "aal2", **changes})
    location = await choose_persona(flow.http, url, persona)
    assert location.startswith("/idp/second-factor?transaction=")
    return httpx.URL(url).join(location)


async def acr_of(flow: Flow, location: str) -> str:
    """`acr` of the token somebody gets who is on the way to the consent page."""
    back = await decide(flow.http, httpx.URL(flow.authorize_url()).join(location))
    tokens = (await flow.redeem(query(back)["code"])).json()
    return (await flow.verified(tokens["access_token"])).claims["acr"]


async def test_where_a_second_factor_is_asked_for_a_code_has_to_be_entered(flow: Flow) -> None:
    url = await step(flow)
    page = await flow.http.get(url)
    assert "<strong>Sales manager</strong> of <strong>acme</strong>" in page.text
    assert (page.headers["cache-control"], page.headers["x-frame-options"]) == ("no-store", "DENY")
    assert "form-action 'self' http://127.0.0.1:33418;" in page.headers["content-security-policy"]
    assert flow.told("logged_in") == []
    location = await prove(flow.http, url)
    assert location.startswith("/idp/consent?")
    assert await acr_of(flow, location) == "aal2"
    assert [told["acr"] for told in flow.told("logged_in")] == ["aal2"]


async def test_somebody_may_want_one_though_nobody_asks(flow: Flow) -> None:
    page = await flow.http.get(flow.authorize_url())
    form = LoginForm(page.text)
    data = {**form.hidden, "persona": "manager", "second_factor": "yes"}
    location = await send(flow.http, page, form.action, data)
    assert await acr_of(flow, await prove(flow.http, page.url.join(location))) == "aal2"


@pytest.mark.parametrize(("persona", "wanted", "acr"), [("support", None, "aal1"), ("admin", "aal1", "aal1")])
async def test_nobody_is_asked_for_one_where_it_is_not_wanted(
    flow: Flow, persona: str, wanted: str | None, acr: str
) -> None:
    location = await choose_persona(flow.http, flow.authorize_url(acr_values=wanted), persona)
    assert await acr_of(flow, location) == acr


async def test_the_sign_in_is_as_fresh_as_its_second_factor(flow: Flow) -> None:
    url = await step(flow)
    flow.clock.now += 60
    back = await decide(flow.http, url.join(await prove(flow.http, url)))
    token = (await flow.redeem(query(back)["code"])).json()["access_token"]
    assert (await flow.verified(token)).claims["auth_time"] == int(flow.clock.now)


async def test_a_wrong_code_may_be_tried_five_times_each_against_another_code(flow: Flow) -> None:
    url, codes = await step(flow), set[str]()
    for tries in range(4):
        shown = re.findall(r"\d{6}", (await flow.http.get(url)).text)
        codes.add(shown[0])
        url = url.join(await prove(flow.http, url, "nothing"))
        assert f"Tries left: {4 - tries}." in (await flow.http.get(url)).text
    assert len(codes) > 1
    refused = query(await prove(flow.http, url, "nothing"))
    assert (refused["error"], refused["state"]) == ("access_denied", "s t&te")
    assert [told["reason"] for told in flow.told("login_refused")] == ["access_denied"]
    assert (await flow.http.get(url)).status_code == 400


async def test_a_wrong_try_does_not_spoil_the_right_one(flow: Flow) -> None:
    url = await step(flow)
    url = url.join(await prove(flow.http, url, ""))
    assert await acr_of(flow, await prove(flow.http, url)) == "aal2"


async def test_a_page_works_once_in_its_own_browser_and_not_for_long(flow: Flow) -> None:
    url = await step(flow)
    page = await flow.http.get(url)
    form = LoginForm(page.text)
    own = flow.http.cookies["idp_browser"]
    flow.http.cookies.set("idp_browser", "another", path="/idp", domain="127.0.0.1")
    assert (await flow.http.get(url)).status_code == 400
    flow.http.cookies.set("idp_browser", own, path="/idp", domain="127.0.0.1")
    await prove(flow.http, url)
    assert (await flow.http.post(form.action, data={**form.hidden, "code": "000000"})).status_code == 400
    url = await step(flow)
    flow.clock.now += 601
    assert (await flow.http.get(url)).status_code == 400


async def test_who_cancels_signs_in_nowhere(flow: Flow) -> None:
    page = await flow.http.get(await step(flow))
    form = LoginForm(page.text)
    assert form.choices == ["continue", "cancel"]
    back = await send(flow.http, page, form.action, {**form.hidden, "decision": "cancel"})
    assert query(back)["error"] == "access_denied"
    assert flow.told("logged_in") == []


async def test_the_code_does_not_show_when_the_step_is_printed_or_told(flow: Flow) -> None:
    url = await step(flow)
    code = re.findall(r"\d{6}", (await flow.http.get(url)).text)[0]
    await prove(flow.http, url)
    assert code not in str(flow.events)
