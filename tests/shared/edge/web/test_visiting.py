"""Pages over tools: what a view is given, what is refused before it, and what failures look like."""

import re
from collections.abc import Mapping

import httpx
import pytest
from structlog.testing import capture_logs

from tests.harness import Suite
from tests.shared.edge.web.browsing import Browser, Forms

pytestmark = pytest.mark.anyio

POLICY = re.compile(
    r"default-src 'none'; style-src 'self' 'nonce-[\w-]{22}'; script-src 'self' 'nonce-[\w-]{22}'; "
    r"img-src 'self' data:; font-src 'self'; connect-src 'self'; frame-src 'self'; form-action 'self'; "
    r"frame-ancestors 'none'; base-uri 'none'"
)


def pinned(page: httpx.Response) -> list[str]:
    return re.findall(r"<li>(.*?)</li>", page.text)


async def test_a_form_acts_and_the_next_page_says_so_once(browser: Browser) -> None:
    await browser.sign_in("writer")
    answer = await browser.post("/pin", {"text": "buy <b>milk</b>"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/board/")
    page = await browser.get("/")
    assert '<p id="notice">Pinned.</p>' in page.text
    assert "buy &lt;b&gt;milk&lt;/b&gt;" in page.text
    assert "notice" not in (await browser.get("/")).text


async def test_what_the_caller_may_not_see_is_masked_on_pages_too(browser: Browser) -> None:
    await browser.sign_in("writer")
    await browser.post("/pin", {"text": "one"})
    page = await browser.get("/")
    assert "ada@example.com" not in page.text
    assert "one " in page.text


async def test_a_form_that_is_sent_twice_acts_once(browser: Browser) -> None:
    page = await browser.sign_in("writer")
    fields = {**Forms(page.text).to("/pin"), "text": "only one"}
    assert [(await browser.send("/pin", fields)).status_code for _ in range(2)] == [303, 303]
    assert len(pinned(await browser.get("/"))) == 1
    await browser.send("/pin", {**fields, "text": "another"})
    assert len(pinned(await browser.get("/"))) == 2


async def test_another_tenant_sees_and_changes_nothing(browser: Browser, another: Browser) -> None:
    await browser.sign_in("writer")
    await browser.post("/pin", {"text": "of acme"})
    assert pinned(await another.sign_in("other")) == []


async def test_who_lacks_a_scope_is_told_which_and_it_is_on_record(browser: Browser, board: Suite) -> None:
    await browser.sign_in("reader")
    answer = await browser.post("/pin", {"text": "mine"})
    assert answer.status_code == 403
    assert "board:write" in answer.text
    (record, *_) = await board.records(subject="reader-of-acme", target="pin")
    assert (record["outcome"], record["era"], record["transport"]) == ("forbidden", "web", "http")
    assert record["request_id"] in answer.text


@pytest.mark.parametrize(("text", "status"), [("taken", 409), ("lost", 404)])
async def test_failures_of_tools_have_their_status(browser: Browser, text: str, status: int) -> None:
    await browser.sign_in("writer")
    assert (await browser.post("/pin", {"text": text})).status_code == status


async def test_a_view_may_show_its_form_again_for_what_is_invalid(browser: Browser) -> None:
    await browser.sign_in("writer")
    answer = await browser.post("/pin", {"text": "x" * 300})
    assert answer.status_code == 422
    assert '<p id="problem">' in answer.text
    assert Forms(answer.text).to("/pin")["page"] == "/board/"


async def test_a_crash_tells_a_reference_and_nothing_else(browser: Browser, board: Suite) -> None:
    await browser.sign_in("writer")
    with capture_logs():  # rather than drawn, which takes seconds
        answer = await browser.get("/crash")
    assert answer.status_code == 500
    assert "what nobody may read" not in answer.text
    (record, *_) = await board.records(target="crash")
    assert record["request_id"] in answer.text


async def test_a_file_is_downloaded(browser: Browser) -> None:
    await browser.sign_in("writer")
    answer = await browser.get("/export")
    assert answer.content == b"one\ntwo\n"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''notes%20%26%20more.txt"


SENT: list[tuple[str, Mapping[str, str], Mapping[str, str]]] = [
    ("no token", {"csrf": ""}, {}),
    ("another token", {"csrf": "x" * 43}, {}),
    ("another site's page", {}, {"Sec-Fetch-Site": "cross-site"}),
    ("another host of ours", {}, {"Sec-Fetch-Site": "same-site"}),
    ("another origin", {}, {"Origin": "https://evil.example"}),
    ("no page", {}, {"Origin": "", "Sec-Fetch-Site": ""}),
    ("a sandboxed page", {}, {"Origin": "null"}),
]


@pytest.mark.parametrize(("fields", "headers"), [case[1:] for case in SENT], ids=[case[0] for case in SENT])
async def test_what_is_no_form_of_the_session_does_nothing(
    browser: Browser, fields: Mapping[str, str], headers: Mapping[str, str]
) -> None:
    await browser.sign_in("writer")
    answer = await browser.post("/pin", {"text": "forged", **fields}, **headers)
    assert answer.status_code == 403
    assert pinned(await browser.get("/")) == []


async def test_the_form_of_another_session_does_nothing(browser: Browser, another: Browser) -> None:
    await browser.sign_in("writer")
    theirs = await another.sign_in("writer")
    answer = await browser.send("/pin", {**Forms(theirs.text).to("/pin"), "text": "forged"})
    assert answer.status_code == 403


async def test_a_form_without_a_session_does_nothing_and_says_so(browser: Browser, another: Browser) -> None:
    page = await browser.sign_in("writer")
    answer = await another.send("/pin", {**Forms(page.text).to("/pin"), "text": "forged"})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"text=" + b"x" * 256 * 1024, "application/x-www-form-urlencoded", 413),
        (b'{"text": "x"}', "application/json", 415),
        (b"text=%ff", "application/x-www-form-urlencoded", 400),
        (b"&".join([b"a=1"] * 1001), "application/x-www-form-urlencoded", 400),
    ],
    ids=["too large", "no form", "no UTF-8", "too many fields"],
)
async def test_a_body_that_is_no_form_of_ours_is_refused(
    browser: Browser, content: bytes, kind: str, status: int
) -> None:
    await browser.sign_in("writer")
    told = {"Origin": browser.origin, "Content-Type": kind}
    answer = await browser.http.post(browser.url("/pin"), content=content, headers=told)
    assert answer.status_code == status


async def test_every_answer_tells_the_browser_what_not_to_do(browser: Browser) -> None:
    to_provider = await browser.get("/")
    await browser.sign_in("writer")
    answers = [to_provider, *[await browser.get(path) for path in ("/", "/nowhere", "/callback", "/export")]]
    answers += [await browser.get("/static/board.css"), await browser.get("/login"), await browser.get("/signed-out")]
    answers.append(await browser.send("/pin", {}))
    for answer in answers:
        told = answer.headers
        assert POLICY.fullmatch(told["content-security-policy"]), answer.url
        assert told["x-content-type-options"] == "nosniff"
        assert told["referrer-policy"] == "same-origin"
        assert told["cross-origin-opener-policy"] == "same-origin"
        assert "camera=()" in told["permissions-policy"]
        assert ("no-store" in told["cache-control"]) == ("/static/" not in str(answer.url)), answer.url
        assert "strict-transport-security" not in told  # plain http on loopback
    nonces = {re.findall("nonce-([^']+)", answer.headers["content-security-policy"])[0] for answer in answers}
    assert len(nonces) == len(answers)


async def test_static_files_are_named_by_their_contents(browser: Browser) -> None:
    page = await browser.sign_in("writer")
    found = re.search(r'href="([^"]+board\.css)"', page.text)
    assert found is not None
    async with httpx.AsyncClient() as anybody:
        file = await anybody.get(browser.origin + found[1])
        assert "immutable" in file.headers["cache-control"]
        assert file.headers["content-type"] == "text/css; charset=utf-8"
        again = await anybody.get(browser.origin + found[1], headers={"If-None-Match": file.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert (await anybody.get(browser.url("/static/../server.py"))).status_code in {303, 404}
        assert (await anybody.get(browser.url("/static/%2e%2e/server.py"))).status_code == 404


async def test_a_name_that_is_not_ours_is_refused(browser: Browser) -> None:
    assert (await browser.get("/", Host="evil.example")).status_code == 421


async def test_a_server_with_pages_is_not_offered_over_mcp(board: Suite, browser: Browser) -> None:
    token = board.token("writer", "board", scopes=["board:write"])
    told = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
    body: dict[str, object] = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    for path in ("/mcp", "/", ""):
        answer = await browser.http.post(browser.url(path), json=body, headers=told)
        assert answer.status_code in {404, 405}, path
    described = await browser.http.get(f"{browser.origin}/.well-known/oauth-protected-resource/board")
    assert described.status_code == 404


async def test_the_first_page_is_found_without_its_slash(browser: Browser) -> None:
    assert (await browser.get("")).headers["location"] == "/board/"
