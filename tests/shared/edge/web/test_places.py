"""Where a browser may be sent back to, and under which name cookies are kept."""

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from shared.edge.web.cookies import Cookies
from shared.edge.web.headers import guarded
from shared.edge.web.places import Places

SITE = Places("https://suite.example", "/console", "/approvals")

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "wanted",
    ["/console/", "/console/approvals?state=pending&page=2", "/console/audit/A-01?x=%2F%2Fevil.example", "/console/a/"],
)
def test_pages_of_the_site_are_returned_to(wanted: str) -> None:
    assert SITE.back(wanted) == wanted


@pytest.mark.parametrize(
    "wanted",
    [
        *(None, "", "/", "/console", "/consoles/", "/customers/mcp", "console/", "//evil.example/console/"),
        *("https://evil.example/console/", "https:///console/", "/console//evil.example", "/console/../customers"),
        *("/console/./x", "/\\evil.example/console/", "/console/\\evil", "/console/\r\nSet-Cookie: a=b", "/console/ü"),
        *("/console/a b", '/console/"><script>', "/console/login", "/console/callback?code=1", "/console/logout"),
        "/console/" + "x" * 2048,
    ],
)
def test_everything_else_leads_to_the_first_page(wanted: str | None) -> None:
    assert SITE.back(wanted) == "/console/approvals"


def test_addresses_are_made_with_their_query() -> None:
    assert SITE.url("/approvals", page=2, state=None, who="a&b") == "/console/approvals?page=2&who=a%26b"
    assert SITE.callback == "https://suite.example/console/callback"


def test_over_https_cookies_are_of_this_host_alone() -> None:
    request = Request({"type": "http", "headers": [], "method": "GET", "path": "/"})
    cookies, answer = Cookies("console", secure=True), Response()
    cookies.keep_session(answer, "secret")
    cookies.keep_login(request, answer, "state", "sealed", 600)
    lines = answer.headers.getlist("set-cookie")
    assert lines[0] == "__Host-console=secret; HttpOnly; Path=/; SameSite=lax; Secure"
    assert lines[1].startswith("__Host-console-login-")
    assert lines[1].endswith("=sealed; HttpOnly; Max-Age=600; Path=/; SameSite=lax; Secure")


def test_sign_ins_that_nobody_finishes_do_not_pile_up() -> None:
    kept = "; ".join(f"console-login-{number:016}=x" for number in range(9))
    request = Request({"type": "http", "headers": [(b"cookie", kept.encode())], "method": "GET", "path": "/"})
    answer = Response()
    Cookies("console", secure=False).keep_login(request, answer, "state", "sealed", 600)
    assert sum("Max-Age=0" in line for line in answer.headers.getlist("set-cookie")) == 4


async def test_over_https_browsers_are_told_to_stay_there() -> None:
    sent: list[dict[bytes, bytes]] = []

    async def send(message: Message) -> None:
        sent.append(dict(message["headers"]))

    await guarded(send, "nonce", secure=True)({"type": "http.response.start", "status": 200, "headers": []})
    assert sent[0][b"strict-transport-security"].startswith(b"max-age=31536000")
