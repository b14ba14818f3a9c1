"""Signing in with a browser: the real forms of the mock provider, over real HTTP."""

import re
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from tests.harness import Suite
from tests.shared.edge.web.browsing import Browser

pytestmark = pytest.mark.anyio


def changed(url: str, **parameters: str | None) -> str:
    """The URL with other parameters; None leaves one out."""
    parts = urlsplit(url)
    told = {name: values[0] for name, values in parse_qs(parts.query).items()} | parameters
    return parts._replace(query=urlencode({name: value for name, value in told.items() if value is not None})).geturl()


async def begun(browser: Browser, path: str = "/") -> str:
    """Where the sign-in is."""
    answer = await browser.get(path)
    assert answer.status_code == 303
    return answer.headers["location"]


async def refused(browser: Browser, where: str, status: int = 400) -> httpx.Response:
    """The provider's answer is not taken, and nobody is signed in."""
    answer = await browser.http.get(where)
    assert answer.status_code == status, answer.text
    assert "board" not in browser.http.cookies
    assert (await browser.get("/")).status_code == 303
    return answer


async def test_a_page_leads_to_the_sign_in_and_back_to_itself(browser: Browser) -> None:
    page = await browser.sign_in("writer", "/?sort=old%20first")
    assert page.status_code == 200
    assert str(page.url) == browser.url("/?sort=old%20first")
    assert '<p id="who">writer-of-acme</p>' in page.text


async def test_the_provider_is_asked_with_pkce_nonce_and_for_this_site_alone(browser: Browser) -> None:
    asked = parse_qs(urlsplit(await begun(browser)).query)
    assert asked["resource"] == [browser.site]
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["scope"] == ["openid board:read board:write"]
    assert asked["redirect_uri"] == [browser.url("/callback")]
    assert len(asked["nonce"][0]) == len(asked["state"][0]) == 43
    assert asked["nonce"] != parse_qs(urlsplit(await begun(browser)).query)["nonce"]


async def test_cookies_are_kept_from_scripts_and_other_sites(browser: Browser) -> None:
    where = await browser.provide(await begun(browser), "writer")
    back = await browser.http.get(where)
    told = [line.lower() for line in back.headers.get_list("set-cookie")]
    assert len(told) == 2
    for line in told:
        assert "httponly" in line
        assert "samesite=lax" in line
        assert "path=/" in line
        assert "domain" not in line
    session = next(line for line in told if line.startswith("board="))
    assert "max-age" not in session
    assert len(browser.http.cookies["board"]) == 43  # 256 bits


async def test_the_browser_is_never_given_a_token(browser: Browser) -> None:
    page = await browser.sign_in("writer")
    everything = page.text + str(page.headers) + str(dict(browser.http.cookies))
    assert not re.search(r"eyJ[\w-]+\.", everything)


async def test_several_tabs_sign_in_at_once(browser: Browser) -> None:
    first, second = await begun(browser, "/?tab=1"), await begun(browser, "/?tab=2")
    done_second = await browser.come_back(await browser.provide(second, "writer"))
    done_first = await browser.come_back(await browser.provide(first, "writer"))
    assert str(done_first.url).endswith("tab=1")
    assert str(done_second.url).endswith("tab=2")


async def test_a_sign_in_begun_in_one_browser_is_not_finished_in_another(browser: Browser, another: Browser) -> None:
    where = await browser.provide(await begun(browser), "writer")
    await begun(another)
    await refused(another, where)


@pytest.mark.parametrize(
    "parameters",
    [{"state": "x" * 43}, {"state": None}, {"iss": "https://evil.example"}, {"iss": None}, {"code": "x" * 43}],
    ids=["other state", "no state", "other issuer", "no issuer", "other code"],
)
async def test_an_answer_that_does_not_fit_is_not_taken(browser: Browser, parameters: dict[str, str | None]) -> None:
    where = await browser.provide(await begun(browser), "writer")
    await refused(browser, changed(where, **parameters))


async def test_a_code_of_another_sign_in_of_the_same_browser_is_not_taken(browser: Browser) -> None:
    one, two = await begun(browser), await begun(browser)
    mine = await browser.provide(one, "writer")
    theirs = await browser.provide(two, "other")
    await refused(browser, changed(mine, code=parse_qs(urlsplit(theirs).query)["code"][0]))


async def test_an_id_token_for_another_nonce_is_not_taken(browser: Browser) -> None:
    where = await browser.provide(changed(await begun(browser), nonce="another"), "writer")
    await refused(browser, where)


async def test_a_token_for_another_resource_is_not_taken(browser: Browser, board: Suite) -> None:
    where = await browser.provide(changed(await begun(browser), code_challenge="A" * 43), "writer")
    await refused(browser, where)


async def test_an_answer_is_taken_once(browser: Browser) -> None:
    where = await browser.provide(await begun(browser), "writer")
    assert (await browser.http.get(where)).status_code == 303
    assert (await browser.http.get(where)).status_code == 400


async def test_who_cancels_is_told_and_not_signed_in(browser: Browser) -> None:
    where = await browser.provide(await begun(browser), "")
    answer = await refused(browser, where, 403)
    assert "cancelled" in answer.text


async def test_who_holds_no_scope_of_the_site_cannot_sign_in(browser: Browser) -> None:
    await refused(browser, await browser.provide(await begun(browser), "stranger"), 403)


async def test_a_session_id_that_the_browser_brought_is_never_the_one_that_counts(browser: Browser) -> None:
    planted = "planted" * 6
    browser.http.cookies.set("board", planted)
    where = await browser.provide(await begun(browser), "writer")
    await browser.http.get(where)
    given = [cookie.value for cookie in browser.http.cookies.jar if cookie.name == "board"]
    assert any(value != planted for value in given)
    browser.http.cookies.clear()
    browser.http.cookies.set("board", planted)
    assert (await browser.get("/")).status_code == 303


async def test_signing_in_again_ends_the_session_before(browser: Browser, another: Browser) -> None:
    await browser.sign_in("writer")
    old = browser.http.cookies["board"]
    await browser.come_back(await browser.provide(await begun(browser, "/login"), "writer"))
    assert browser.http.cookies["board"] != old
    another.http.cookies.set("board", old)
    assert (await another.get("/")).status_code == 303


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/",
        "//evil.example/board/",
        "/\\evil.example",
        "/board/../../evil",
        "/board//evil.example",
        "/customers/mcp",
        "/board/\t/evil.example",
        "javascript:alert(1)",
        "/board/logout",
    ],
)
async def test_a_sign_in_returns_to_pages_of_the_site_alone(browser: Browser, wanted: str) -> None:
    where = await begun(browser, f"/login?{urlencode({'return_to': wanted})}")
    page = await browser.come_back(await browser.provide(where, "writer"))
    assert str(page.url) == browser.url("/")


async def test_sign_ins_are_on_record_and_refused_ones_are_counted(browser: Browser, board: Suite) -> None:
    where = await browser.provide(await begun(browser), "writer")
    await browser.http.get(changed(where, iss="https://evil.example"))
    await browser.http.get(where)
    record = (await board.records(target="sign_in"))[0]
    assert (record["subject"], record["outcome"], record["kind"]) == ("writer-of-acme", "ok", "call")
    assert (record["era"], record["acr"]) == ("web", "aal1")
    await board.refusals.flush()
    counted = [one for found in await board.records() for one in found.get("refusals", ())]
    assert "sign_in_issuer" in {one["reason"] for one in counted if one["server"] == "board"}
