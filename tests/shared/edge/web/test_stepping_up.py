"""A tool that needs a stronger or fresher sign-in leads to one, and back to the page."""

from urllib.parse import parse_qs, urlsplit

import pytest

from tests.harness import Suite
from tests.shared.edge.web.browsing import Browser, Forms
from tests.shared.edge.web.test_signing_in import begun, changed

pytestmark = pytest.mark.anyio


async def test_a_page_that_needs_a_second_factor_leads_to_it_and_back(browser: Browser, board: Suite) -> None:
    await browser.sign_in("writer")
    before = browser.http.cookies["board"]
    answer = await browser.get("/secrets")
    assert answer.status_code == 303
    asked = parse_qs(urlsplit(answer.headers["location"]).query)
    assert asked["acr_values"] == ["aal2"]
    page = await browser.come_back(await browser.provide(answer.headers["location"], "writer"))
    assert "secret of acme" in page.text
    assert browser.http.cookies["board"] != before
    (record, *_) = await board.records(target="sign_in", subject="writer-of-acme")
    assert (record["acr"], record["asked_acr"]) == ("aal2", "aal2")


async def test_a_form_is_not_sent_by_itself_but_shown_again_as_it_was_typed(browser: Browser, board: Suite) -> None:
    await browser.sign_in("writer")
    await browser.post("/pin", {"text": "keep me"})
    await browser.get("/wipe/all?sure=yes")
    answer = await browser.post("/wipe", {"why": "spring <cleaning>"})
    assert answer.status_code == 401
    (where, *_) = [link for link in Forms(answer.text).links if "/authorize" in link]
    assert parse_qs(urlsplit(where).query)["max_age"] == ["300"]
    page = await browser.come_back(await browser.provide(where, "writer"))
    assert str(page.url) == browser.url("/wipe/all?sure=yes")
    assert Forms(page.text).to("/wipe")["why"] == "spring <cleaning>"
    assert board.parts.opened["board"]["acme"] == ["keep me"]
    assert (await browser.post("/wipe", {"why": "now"})).status_code == 303
    assert board.parts.opened["board"]["acme"] == []
    assert Forms((await browser.get("/wipe/all?sure=yes")).text).to("/wipe")["why"] == ""


async def test_what_was_typed_is_shown_to_nobody_else(browser: Browser) -> None:
    await browser.sign_in("writer")
    await browser.get("/wipe/all")
    answer = await browser.post("/wipe", {"why": "private"})
    (where, *_) = [link for link in Forms(answer.text).links if "/authorize" in link]
    page = await browser.come_back(await browser.provide(where, "other"))
    assert page.status_code == 200
    assert "private" not in page.text


async def test_forms_in_other_tabs_go_on_to_work_after_it(browser: Browser) -> None:
    other_tab = await browser.sign_in("writer")
    where = await begun(browser, "/secrets")
    await browser.come_back(await browser.provide(where, "writer"))
    fields = {**Forms(other_tab.text).to("/pin"), "text": "from the other tab"}
    assert (await browser.send("/pin", fields)).status_code == 303


async def test_forms_of_the_person_before_do_not(browser: Browser) -> None:
    other_tab = await browser.sign_in("writer")
    await browser.come_back(await browser.provide(await begun(browser, "/login"), "other"))
    fields = {**Forms(other_tab.text).to("/pin"), "text": "in whose name?"}
    assert (await browser.send("/pin", fields)).status_code == 403


async def test_a_provider_that_does_not_do_what_it_is_asked_ends_the_matter(browser: Browser) -> None:
    await browser.sign_in("writer")
    where = await begun(browser, "/secrets")
    back = await browser.provide(changed(where, acr_values=None), "writer")
    answer = await browser.http.get(back)
    assert answer.status_code == 403
    assert "second factor" in answer.text
    assert (await browser.get("/")).status_code == 200  # the session before is as good as it was
