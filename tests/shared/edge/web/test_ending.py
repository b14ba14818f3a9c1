"""When a web session ends: at sign-out, with the rights of its token, and when somebody is stopped."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import httpx
import pytest

from compose.idp import tokens
from tests.harness import Suite
from tests.shared.edge.web.browsing import Browser, Forms
from tests.shared.edge.web.conftest import Stop

pytestmark = pytest.mark.anyio


async def test_signing_out_ends_the_session_for_whoever_kept_its_cookie(browser: Browser, board: Suite) -> None:
    page = await browser.sign_in("writer")
    kept = browser.http.cookies["board"]
    answer = await browser.post("/logout")
    assert (answer.status_code, answer.headers["location"]) == (303, "/board/signed-out")
    assert "board" not in browser.http.cookies
    assert "signed out" in (await browser.get("/signed-out")).text
    browser.http.cookies.set("board", kept)
    assert (await browser.get("/")).status_code == 303
    assert (await browser.send("/pin", {**Forms(page.text).to("/pin"), "text": "late"})).status_code == 401
    assert (await board.records(target="sign_out"))[0]["subject"] == "writer-of-acme"


async def test_nobody_is_signed_out_by_another_site(browser: Browser) -> None:
    await browser.sign_in("writer")
    assert (await browser.get("/logout")).status_code == 405
    assert (await browser.send("/logout", {"csrf": "x"})).status_code == 403
    assert (await browser.send("/logout", {}, Origin="https://evil.example")).status_code == 403
    assert (await browser.get("/")).status_code == 200


async def test_a_revoked_login_ends_its_session_at_once(browser: Browser, board: Suite, stop: Stop) -> None:
    await browser.sign_in("writer")
    (found, *_) = await board.records(target="list_notes", subject="writer-of-acme")
    await stop("token", name=found["token_id"])
    answer = await browser.get("/")
    assert answer.status_code == 403
    assert "revoked" in answer.text
    assert (await browser.get("/")).status_code == 303


async def test_a_stopped_user_is_told_why_and_cannot_sign_in_again(browser: Browser, board: Suite, stop: Stop) -> None:
    await browser.sign_in("writer")
    await stop("user", tenant="acme", name="writer-of-acme")
    answer = await browser.get("/")
    assert answer.status_code == 403
    assert "a leak" in answer.text
    again = await browser.get("/")
    assert again.status_code == 303
    back = await browser.provide(again.headers["location"], "writer")
    assert (await browser.http.get(back)).status_code == 403
    assert (await browser.get("/")).status_code == 303
    (record, *_) = await board.records(target="session", outcome="suspended")
    assert record["subject"] == "writer-of-acme"
    assert (await board.records(target="sign_in", outcome="suspended"))[0]["subject"] == "writer-of-acme"


async def test_a_token_that_ends_is_renewed_and_many_requests_renew_it_once(
    board: Suite, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens.AccessTokens.issue, "__kwdefaults__", {"lifetime_s": 20, "form": None})
    await browser.sign_in("writer")
    answers: list[int] = []
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:

            async def ask() -> None:
                answers.append((await browser.http.get(browser.url("/"))).status_code)

            for _ in range(6):
                tasks.start_soon(ask)
    assert answers == [200] * 6
    used = {found["token_id"] for found in await board.records(target="list_notes", subject="writer-of-acme")}
    assert len(used) >= 2
    assert (await browser.get("/")).status_code == 200


@asynccontextmanager
async def listening(browser: Browser) -> AsyncGenerator[httpx.Response]:
    told = {"Accept": "text/event-stream"}
    async with browser.http.stream("GET", browser.url("/events"), headers=told) as stream:
        assert stream.status_code == 200
        yield stream


async def test_a_page_hears_of_changes_of_its_tenant_alone(browser: Browser, another: Browser) -> None:
    await browser.sign_in("writer")
    await another.sign_in("other")
    with anyio.fail_after(20):
        async with listening(browser) as stream:
            assert stream.headers["content-type"] == "text/event-stream"
            assert stream.headers["cache-control"] == "no-store"
            lines = stream.aiter_lines()
            assert await anext(lines) == "retry: 3000"
            await another.post("/pin", {"text": "of globex"})
            await browser.post("/pin", {"text": "of acme"})
            heard: list[str] = []
            while not heard or not heard[-1].startswith("data:"):
                heard.append(await anext(lines))
    assert heard[-2:] == ["event: changed", "data: note:of acme"]
    assert "globex" not in str(heard)


async def test_what_a_page_hears_ends_with_its_session(browser: Browser) -> None:
    await browser.sign_in("writer")
    with anyio.fail_after(20):
        async with listening(browser) as stream:
            await browser.post("/logout")
            async for _ in stream.aiter_bytes():
                pass
    assert (await browser.get("/events", Accept="text/event-stream")).status_code == 401


async def test_what_a_page_hears_ends_when_its_user_is_stopped(browser: Browser, stop: Stop) -> None:
    await browser.sign_in("writer")
    with anyio.fail_after(20):
        async with listening(browser) as stream:
            await stop("user", tenant="acme", name="writer-of-acme")
            async for _ in stream.aiter_bytes():
                pass


async def test_so_many_pages_may_listen_at_a_time(browser: Browser) -> None:
    await browser.sign_in("writer")
    with anyio.fail_after(20):
        async with listening(browser), listening(browser), listening(browser):
            answer = await browser.get("/events", Accept="text/event-stream")
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
