import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
from starlette.applications import Starlette

from compose.idp.documents import LIMIT_BYTES, TTL_S
from compose.idp.provider import IdentityProvider
from shared.state.guarded import Address, Guarded, Judge
from tests.compose.idp.consent import sign_in
from tests.compose.idp.documents import PATH, DocumentHost, document_host
from tests.compose.idp.flow import CALLBACK, ISSUER, ORIGIN, RESOURCES, Clock, Flow, query
from tests.personas import choose_persona

pytestmark = pytest.mark.anyio


@pytest.fixture
async def host(anyio_backend: str) -> AsyncGenerator[DocumentHost]:
    async with document_host() as host:
        yield host


@pytest.fixture(autouse=True)
async def _described(flow: Flow, host: DocumentHost) -> None:
    flow.client_id = host.url


async def refusal(flow: Flow, client_id: str | None = None) -> str:
    """The page that says why the client is refused."""
    answer = await flow.http.get(flow.authorize_url(client_id=client_id or flow.client_id))
    assert answer.status_code == 400, answer.text
    assert "location" not in answer.headers
    return answer.text


async def test_the_provider_says_that_it_reads_documents(flow: Flow) -> None:
    document = (await flow.http.get("/.well-known/oauth-authorization-server/idp")).json()
    assert document["client_id_metadata_document_supported"] is True


async def test_a_described_client_signs_somebody_in_and_refreshes_without_registering(
    flow: Flow, host: DocumentHost
) -> None:
    tokens = await flow.tokens("manager", scope="customers:read customers:write")
    claims = (await flow.verified(tokens["access_token"])).claims
    assert (claims["client_id"], claims["scope"]) == (host.url, "customers:read customers:write")
    assert (await flow.refresh(tokens["refresh_token"])).status_code == 200
    assert host.asked == [PATH]
    assert flow.told("client_registered") == []


async def test_a_client_that_names_no_refreshing_gets_none(flow: Flow, host: DocumentHost) -> None:
    host.changes = {"grant_types": None}
    assert "refresh_token" not in await flow.tokens()


async def test_the_consent_page_names_the_publisher_and_warns_of_impostors_on_this_computer(
    flow: Flow, host: DocumentHost
) -> None:
    host.changes = {"client_name": "Desk\u202etop", "redirect_uris": [CALLBACK, "https://app.example/cb"]}
    publisher = f"127.0.0.1:{host.port}"
    local = await flow.http.get(await choose_persona(flow.http, flow.authorize_url(), "support"))
    assert "<strong>Desktop</strong>" in local.text
    assert f"<dt>Published by</dt><dd>{publisher}</dd>" in local.text
    assert "any program on this computer could pretend to be it" in local.text
    url = flow.authorize_url(redirect_uri="https://app.example/cb")
    remote = await flow.http.get(await choose_persona(flow.http, url, "support"))
    assert 'class="warning"' not in remote.text
    assert "<dt>Sends you to</dt><dd>app.example</dd>" in remote.text


async def test_nobody_is_sent_to_an_address_the_document_does_not_list(flow: Flow, host: DocumentHost) -> None:
    answer = await flow.http.get(flow.authorize_url(redirect_uri="https://evil.example/cb"))
    assert (answer.status_code, "location" in answer.headers) == (400, False)
    assert host.asked == [PATH]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"client_id": "https://other.example/client.json"}, "not its own URL"),
        ({"client_id": None}, "needs client_id"),
        ({"client_name": None}, "needs client_id"),
        ({"redirect_uris": None}, "needs client_id"),
        ({"redirect_uris": []}, "needs client_id"),
        ({"redirect_uris": CALLBACK}, "needs client_id"),
        ({"redirect_uris": ["http://evil.example/cb"]}, "redirect_uris"),
        ({"redirect_uris": ["https://app.example/cb#x"]}, "redirect_uris"),
        ({"client_secret": "hush"}, "client secret"),
        ({"client_secret_expires_at": 0}, "client secret"),
        ({"token_endpoint_auth_method": "client_secret_post"}, "must be none"),
        ({"token_endpoint_auth_method": "client_secret_basic"}, "must be none"),
        ({"grant_types": ["client_credentials"]}, "grant_types"),
        ({"response_types": ["token"]}, "response_types"),
    ],
)
async def test_a_document_that_says_what_it_must_not_is_refused(
    flow: Flow, host: DocumentHost, changes: dict[str, Any], reason: str
) -> None:
    host.changes = changes
    page = await refusal(flow)
    assert reason in page
    assert "hush" not in page
    told = flow.told("client_document_refused")
    assert [(event["host"], reason in event["reason"]) for event in told] == [(f"127.0.0.1:{host.port}", True)]


@pytest.mark.parametrize(
    "instead",
    [
        b"HTTP/1.1 302 Found\r\nLocation: /oauth/other.json\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"{" + b" " * LIMIT_BYTES + b"}",
        b"nonsense",
        b"",
    ],
)
async def test_whatever_is_no_small_json_object_is_refused_and_no_redirect_followed(
    flow: Flow, host: DocumentHost, instead: bytes
) -> None:
    host.instead = instead
    assert "cannot be read" in await refusal(flow)
    assert host.asked == [PATH]
    host.instead = None
    await flow.login()
    assert host.asked == [PATH, PATH], "a failure is not remembered"


async def test_a_host_that_does_not_answer_is_given_up(
    flow: Flow, host: DocumentHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compose.idp.documents._FETCH_S", 0.2)
    host.hold = asyncio.Event()
    page = await refusal(flow)
    host.hold.set()
    assert "cannot be read" in page


async def test_an_answer_is_kept_for_a_minute(flow: Flow, host: DocumentHost) -> None:
    await flow.login()
    flow.clock.now += TTL_S - 1
    await flow.login()
    assert len(host.asked) == 1
    host.changes = {"redirect_uris": ["http://127.0.0.1/elsewhere"]}
    flow.clock.now += 1
    await refusal(flow)
    assert len(host.asked) == 2


async def test_many_who_ask_at_once_cause_one_fetch(flow: Flow, host: DocumentHost) -> None:
    host.hold = asyncio.Event()
    statuses: list[int] = []

    async def ask() -> None:
        statuses.append((await flow.http.get(flow.authorize_url())).status_code)

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(ask)
        await host.reached.wait()
        host.hold.set()
    assert (statuses, len(host.asked)) == ([200] * 20, 1)


async def test_one_who_gives_up_takes_nothing_from_the_others(flow: Flow, host: DocumentHost) -> None:
    host.hold = asyncio.Event()
    first = asyncio.create_task(flow.http.get(flow.authorize_url()))
    await host.reached.wait()
    second = asyncio.create_task(flow.http.get(flow.authorize_url()))
    first.cancel()
    with suppress(asyncio.CancelledError):
        await first
    host.hold.set()
    assert ((await second).status_code, len(host.asked)) == (200, 1)


async def test_lookups_are_bounded_in_number_and_in_rate(
    flow: Flow, host: DocumentHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compose.idp.documents._TOGETHER", 3)
    host.hold, pages = asyncio.Event(), list[str]()

    async def ask(number: int) -> None:
        pages.append((await flow.http.get(flow.authorize_url(client_id=f"{host.url}?{number}"))).text)

    async with anyio.create_task_group() as group:
        for number in range(5):
            group.start_soon(ask, number)
        await host.reached.wait()
        while len(pages) < 2:
            await anyio.lowlevel.checkpoint()
        host.hold.set()
    assert sum("Too many clients" in page for page in pages) == 2
    host.hold, host.changes = None, {"client_id": "x"}
    for number in range(57):
        await refusal(flow, f"{host.url}?{number}")
    full = await flow.http.get(flow.authorize_url(client_id=f"{host.url}?x"))
    assert (full.status_code, "Too many clients" in full.text) == (503, True)
    flow.clock.now += 60
    await refusal(flow, f"{host.url}?y")


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/client.json",
        "https://localhost/client.json",
        "https://10.0.0.1/client.json",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/client.json",
        "https://[::ffff:127.0.0.1]/client.json",
        "https://2130706433/client.json",
        "http://10.0.0.1/client.json",
        "http://public.example/client.json",
        "http://127.0.0.1.public.example/client.json",
        "https://public.example",
        "https://public.example/",
        "https://public.example/a/../client.json",
        "https://public.example/a/%2e%2e/client.json",
        "https://public.example/client.json#x",
        "https://user@public.example/client.json",
        "https://public.example\\@10.0.0.1/client.json",
        "ftp://public.example/client.json",
        "file:///etc/passwd",
        "https://public.example/" + "x" * 3000,
    ],
)
async def test_no_other_address_is_ever_asked(flow: Flow, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def sent(self: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        raise AssertionError("a request left")

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", sent)
    assert "client metadata document" in await refusal(flow, url)


@pytest.mark.parametrize("path", ["", "/", "/a/../client.json", "/a/%2e%2e/client.json", "/./client.json"])
async def test_a_url_that_names_no_document_is_refused_unread(flow: Flow, host: DocumentHost, path: str) -> None:
    assert "dot segments" in await refusal(flow, f"http://127.0.0.1:{host.port}{path}")
    assert host.asked == []


async def test_documents_of_this_computer_are_for_development_only(host: DocumentHost) -> None:
    clock = Clock()
    provider = IdentityProvider(ISSUER, resources=RESOURCES, clock=clock)
    transport = httpx.ASGITransport(Starlette(routes=provider.routes))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as http:
        flow = Flow(provider, http, clock)
        page = await refusal(flow, host.url)
    assert ("must be https" in page, host.asked) == (True, [])


async def test_a_public_host_is_asked_by_the_address_that_was_judged_under_its_own_name() -> None:
    url, sent = "https://client.example/oauth/client.json", list[httpx.Request]()

    async def public(name: str, port: int) -> list[Address]:
        assert (name, port) == ("client.example", 443)
        return [ip_address("8.8.8.8")]

    def answered(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, stream=httpx.ByteStream(json.dumps(DocumentHost().document(url)).encode()))

    def connect(judge: Judge) -> httpx.AsyncBaseTransport:
        return Guarded(judge, resolve=public, inner=httpx.MockTransport(answered))

    provider = IdentityProvider(ISSUER, resources=RESOURCES, connect=connect)
    transport = httpx.ASGITransport(Starlette(routes=provider.routes))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as http:
        flow = Flow(provider, http, Clock())
        flow.client_id = url
        answer = query(await sign_in(http, flow.authorize_url(), "support"))
    assert "code" in answer
    (request,) = sent
    assert (request.url.host, request.headers["host"]) == ("8.8.8.8", "client.example")
    assert request.extensions["sni_hostname"] == "client.example"
