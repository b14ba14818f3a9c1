"""Our side of token exchange (RFC 8693), against a token endpoint whose every answer a test can change."""

import asyncio
import logging
import pickle
from base64 import b64decode
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import orjson
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from pydantic import SecretStr

from shared.core.caller import Caller
from shared.core.delegation import NOBODY
from shared.core.errors import CannotDelegate, Failure, Forbidden, Misconfigured, Unavailable
from shared.core.issuers import Issuer
from shared.core.request import Request
from shared.core.settings import Settings
from shared.edge import exchange
from shared.edge.exchange import EARLY_S, GRANT, REMEMBERED, Exchange, Exchanges, open_exchanges
from shared.edge.exchanged import ACCESS_TOKEN
from shared.state.discovery import Discovery

pytestmark = pytest.mark.anyio

URL = "https://idp.example"
THERE = "https://back.example/mcp"
SUBJECT = SecretStr("the-callers-own")
SCOPES = ("back:read", "back:write")
CLIENT: dict[str, Any] = {"client_id": "front", "client_secret": "hush"}


def sent(body: bytes, status: int = 200) -> httpx.Response:
    """An answer as it comes from the network, still to be read."""
    return httpx.Response(status, stream=httpx.ByteStream(body))


@dataclass
class Endpoint:
    """A provider that answers every exchange with a new token, but for `changes`; it counts what it is asked."""

    changes: dict[str, Any] = field(default_factory=dict[str, Any])
    status: int = 200
    instead: Callable[[httpx.Request], Awaitable[httpx.Response]] | None = None
    metadata: dict[str, Any] = field(default_factory=lambda: {"issuer": URL, "token_endpoint": f"{URL}/token"})
    asked: list[httpx.Request] = field(default_factory=list[httpx.Request])
    discovered: int = 0
    now: float = 1000.0
    hold: asyncio.Event | None = None

    async def answer(self, request: httpx.Request) -> httpx.Response:
        if "/.well-known/" in request.url.path:
            self.discovered += 1
            return sent(orjson.dumps(self.metadata))
        self.asked.append(request)
        if self.hold is not None:
            await self.hold.wait()
        if self.instead is not None:
            return await self.instead(request)
        good = {
            "access_token": f"exchanged-{len(self.asked)}",
            "issued_token_type": ACCESS_TOKEN,
            "token_type": "Bearer",
            "expires_in": 600,
            **self.changes,
        }
        told = {name: value for name, value in good.items() if value is not None}
        return sent(orjson.dumps(told), self.status)

    def form(self, which: int = -1) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.asked[which].content.decode()).items()}


@dataclass
class Opened:
    endpoint: Endpoint
    exchange: Exchange

    async def token(self, scopes: tuple[str, ...] = SCOPES, subject: SecretStr = SUBJECT, resource: str = THERE) -> str:
        return (await self.exchange.token(subject, resource, scopes)).get_secret_value()


Make = Callable[..., Opened]


@pytest.fixture
async def make() -> AsyncGenerator[Make]:
    endpoint = Endpoint()
    made: list[Exchange] = []
    async with httpx.AsyncClient(transport=httpx.MockTransport(endpoint.answer)) as client:

        def opened(**settings: Any) -> Opened:
            issuer = Issuer(url=URL, **{**CLIENT, **settings})
            discovery = Discovery(URL, client, plain_http=False, clock=lambda: endpoint.now)
            made.append(Exchange(issuer, discovery, client, lambda: endpoint.now))
            return Opened(endpoint, made[-1])

        yield opened
        for one in made:
            await one.aclose()


async def test_it_asks_for_what_the_tool_needs_and_proves_who_asks(make: Make) -> None:
    opened = make()
    assert await opened.token(("back:write", "back:read")) == "exchanged-1"
    assert opened.endpoint.form() == {
        "grant_type": GRANT,
        "subject_token": SUBJECT.get_secret_value(),
        "subject_token_type": ACCESS_TOKEN,
        "requested_token_type": ACCESS_TOKEN,
        "resource": THERE,
        "scope": "back:read back:write",
    }
    request = opened.endpoint.asked[0]
    assert str(request.url) == f"{URL}/token"
    assert b64decode(request.headers["authorization"].removeprefix("Basic ")) == b"front:hush"


async def test_where_the_provider_wants_an_audience_it_gets_one(make: Make) -> None:
    opened = make(exchange_for="audience")
    await opened.token()
    assert (opened.endpoint.form()["audience"], "resource" in opened.endpoint.form()) == (THERE, False)


async def test_it_may_prove_itself_with_a_key(make: Make, tmp_path: Path) -> None:
    key, path = ECKey.generate_key("P-256"), tmp_path / "client.jwk"
    path.write_bytes(orjson.dumps(key.as_dict(private=True)))
    opened = make(client_secret=None, client_key=path)
    await opened.token()
    form = opened.endpoint.form()
    claims = jwt.decode(form["client_assertion"], key).claims
    assert (claims["iss"], claims["aud"], form["client_id"]) == ("front", f"{URL}/token", "front")
    assert "authorization" not in opened.endpoint.asked[0].headers


async def test_a_token_is_used_again_until_shortly_before_it_ends(make: Make) -> None:
    opened = make()
    assert [await opened.token() for _ in range(3)] == ["exchanged-1"] * 3
    assert await opened.token(("back:write", "back:read", "back:read")) == "exchanged-1"
    opened.endpoint.now += 600 - EARLY_S - 1
    assert await opened.token() == "exchanged-1"
    opened.endpoint.now += 1
    assert await opened.token() == "exchanged-2"


async def test_of_a_short_lived_one_a_quarter_is_given_up(make: Make) -> None:
    opened = make()
    opened.endpoint.changes = {"expires_in": 20}
    await opened.token()
    opened.endpoint.now += 14.9
    assert await opened.token() == "exchanged-1"
    opened.endpoint.now += 0.1
    assert await opened.token() == "exchanged-2"


@pytest.mark.parametrize("expires_in", [None, 0, -5, "600", True])
async def test_one_of_which_nobody_knows_the_end_is_used_once(make: Make, expires_in: Any) -> None:
    opened = make()
    opened.endpoint.changes = {"expires_in": expires_in}
    assert [await opened.token() for _ in range(2)] == ["exchanged-1", "exchanged-2"]


async def test_another_subject_another_resource_and_other_scopes_get_tokens_of_their_own(make: Make) -> None:
    opened = make()
    got = [
        await opened.token(),
        await opened.token(subject=SecretStr("somebody-elses")),
        await opened.token(resource="https://other.example/mcp"),
        await opened.token(("back:read",)),
    ]
    assert len(set(got)) == 4
    assert [await opened.token(), await opened.token(("back:read",))] == [got[0], got[3]]


async def test_the_same_is_asked_once_for_all_who_wait_even_if_one_gives_up(make: Make) -> None:
    opened = make()
    hold = opened.endpoint.hold = asyncio.Event()
    waiting = [asyncio.create_task(opened.token()) for _ in range(20)]
    async with asyncio.timeout(5):
        while not opened.endpoint.asked:
            await asyncio.sleep(0)
    waiting[0].cancel()
    hold.set()
    got = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(got[0], asyncio.CancelledError)
    assert got[1:] == ["exchanged-1"] * 19
    assert len(opened.endpoint.asked) == 1


async def test_what_is_remembered_is_bounded_and_what_is_used_stays(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert REMEMBERED <= 10_000
    monkeypatch.setattr(exchange, "REMEMBERED", 3)
    opened = make()
    first = await opened.token(("s:0",))
    for number in (1, 2, 3, 4):
        await opened.token((f"s:{number}",))
        assert await opened.token(("s:0",)) == first
    asked = len(opened.endpoint.asked)
    await opened.token(("s:1",))
    assert len(opened.endpoint.asked) == asked + 1


@pytest.mark.parametrize(
    "changes",
    [
        {"access_token": SUBJECT.get_secret_value()},
        {"access_token": None},
        {"access_token": ""},
        {"access_token": 7},
        {"access_token": "x" * 20_000},
        {"access_token": "a\nb"},
        {"access_token": "a b"},
        {"token_type": "N_A"},
        {"token_type": None},
        {"issued_token_type": None},
        {"issued_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
    ],
)
async def test_an_answer_that_holds_no_new_access_token_is_not_used(make: Make, changes: dict[str, Any]) -> None:
    opened = make()
    opened.endpoint.changes = changes
    with pytest.raises(Unavailable):
        await opened.token()
    opened.endpoint.changes = {}
    assert await opened.token() == "exchanged-2"


async def test_a_token_for_less_than_was_asked_for_is_not_used(make: Make) -> None:
    opened = make()
    opened.endpoint.changes = {"scope": "back:read"}
    with pytest.raises(Forbidden) as refused:
        await opened.token()
    assert refused.value.scopes == ("back:read", "back:write")
    assert await opened.token(("back:read",)) == "exchanged-2"


@pytest.mark.parametrize(
    ("status", "error", "kind", "said"),
    [
        (400, "invalid_scope", Forbidden, "back:read back:write"),
        (400, "invalid_request", Forbidden, "Sign in again"),
        (400, "invalid_grant", Forbidden, "Sign in again"),
        (403, "access_denied", Forbidden, "Sign in again"),
        (400, "invalid_target", CannotDelegate, THERE),
        (400, "unauthorized_client", CannotDelegate, "must allow its client"),
        (400, "unsupported_grant_type", CannotDelegate, "must allow its client"),
        (401, "invalid_client", CannotDelegate, "must allow its client"),
        (302, None, CannotDelegate, "must allow its client"),
        (400, ["x"], CannotDelegate, "must allow its client"),
        (429, "slow_down", Unavailable, "retry later"),
        (503, "temporarily_unavailable", Unavailable, "retry later"),
    ],
)
async def test_a_refusal_tells_the_caller_what_to_do(
    make: Make, status: int, error: Any, kind: type[Failure], said: str
) -> None:
    opened = make()
    opened.endpoint.status, opened.endpoint.changes = status, {"error": error}
    with pytest.raises(kind) as refused:
        await opened.token()
    assert said in refused.value.message
    assert isinstance(refused.value, Forbidden) == (kind is Forbidden)


async def _broken(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


async def _not_json(request: httpx.Request) -> httpx.Response:
    del request
    return sent(b"<html>")


async def _endless(request: httpx.Request) -> httpx.Response:
    del request
    return sent(b" " * (exchange.ANSWER_BYTES + 1))


async def _never(request: httpx.Request) -> httpx.Response:
    del request
    await asyncio.Event().wait()
    raise AssertionError


@pytest.mark.parametrize("fault", [_broken, _not_json, _endless, _never])
async def test_a_provider_that_does_not_answer_is_told_so_and_asked_again_later(
    make: Make, monkeypatch: pytest.MonkeyPatch, fault: Any
) -> None:
    monkeypatch.setattr(exchange, "ANSWER_S", 0.05)
    opened = make()
    opened.endpoint.instead = fault
    with pytest.raises(Unavailable) as failed:
        await opened.token()
    assert failed.value.retryable
    opened.endpoint.instead = None
    assert await opened.token() == "exchanged-2"
    assert opened.endpoint.discovered == 2


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://other.example", "token_endpoint": f"{URL}/token"},
        {"issuer": URL, "token_endpoint": "http://idp.example/token"},
        {"issuer": URL, "token_endpoint": 7},
        {"issuer": URL},
    ],
)
async def test_no_token_is_sent_where_the_metadata_cannot_be_trusted(make: Make, metadata: dict[str, Any]) -> None:
    opened = make()
    opened.endpoint.metadata = metadata
    with pytest.raises(Unavailable):
        await opened.token()
    assert opened.endpoint.asked == []


async def test_a_configured_token_url_is_used_and_must_be_safe(make: Make) -> None:
    opened = make(token_url="https://elsewhere.example/oauth/token")
    await opened.token()
    assert (str(opened.endpoint.asked[0].url), opened.endpoint.discovered) == (
        "https://elsewhere.example/oauth/token",
        0,
    )
    with pytest.raises(Misconfigured, match="token_url"):
        make(token_url="http://elsewhere.example/oauth/token")


async def test_a_key_that_went_bad_is_the_operators_to_know(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "client.jwk"
    with pytest.raises(CannotDelegate) as refused:
        await make(client_secret=None, client_key=path).token()
    assert str(tmp_path) not in refused.value.message


async def test_neither_token_is_printed_pickled_or_logged(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    opened = make()
    caplog.set_level(logging.DEBUG)
    exchanges = Exchanges({URL: opened.exchange})
    caller = Caller("jane", URL, "desk", "acme", frozenset())
    on_behalf = exchanges.on_behalf(f"Bearer {SUBJECT.get_secret_value()}", caller)
    request = Request("front", "tool", "ask", on_behalf=on_behalf)
    token = await on_behalf.token(THERE, SCOPES)
    opened.endpoint.status = 400
    with pytest.raises(Failure):
        await on_behalf.token(THERE, ("back:other",))
    printed = f"{on_behalf!r} {request!r} {token!r} {caller!r} {vars(exchanges)!r} {caplog.text}"
    for secret in (SUBJECT.get_secret_value(), "exchanged-1", "hush"):
        assert secret not in printed
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        pickle.dumps(on_behalf)


async def test_where_no_client_is_set_up_the_token_is_not_even_kept() -> None:
    async with open_exchanges(Settings(issuer=URL), ["front"]) as opened:
        exchanges = opened["front"]
        caller = Caller("jane", URL, "desk", "acme", frozenset())
        on_behalf = exchanges.on_behalf("Bearer secret", caller)
    assert on_behalf is exchanges.on_behalf("Bearer another", caller)
    with pytest.raises(CannotDelegate, match="SUITE_ISSUERS"):
        await on_behalf.token(THERE, SCOPES)


async def test_each_callers_own_provider_is_asked() -> None:
    known: dict[str, Any] = {"one": {"url": URL, "tenant": "acme", **CLIENT}}
    known["two"] = {"url": "https://other.example", "tenant": "globex"}
    async with open_exchanges(Settings(issuers=known), ["front"]) as opened:
        first, second = (
            opened["front"].on_behalf("Bearer secret", Caller("jane", issuer["url"], "desk", "acme", frozenset()))
            for issuer in known.values()
        )
    assert (type(first).__name__, type(second).__name__) == ("_Caller", "_NotSetUp")


async def test_a_call_that_came_without_a_token_says_how_to_come_with_one() -> None:
    with pytest.raises(CannotDelegate, match="over stdio there is none"):
        await NOBODY.token(THERE, SCOPES)


async def test_each_server_is_its_own_client_and_no_other() -> None:
    clients = {
        "front": {"client_id": "the-front", "client_secret": "hush"},
        "back": {"client_id": "the-back"},  # known, but not served here
    }
    caller = Caller("jane", URL, "desk", "acme", frozenset())
    issuer: Any = {"url": URL, "clients": clients}
    async with open_exchanges(Settings(issuers={"one": issuer}), ["front", "back", "third"]) as opened:
        made = {name: type(opened[name].on_behalf("Bearer secret", caller)).__name__ for name in opened}
    assert made == {"front": "_Caller", "back": "_NotSetUp", "third": "_NotSetUp"}
    both: Any = {**issuer, **CLIENT}
    async with open_exchanges(Settings(issuers={"one": both}), ["front", "third"]) as opened:
        made = {name: type(opened[name].on_behalf("Bearer secret", caller)).__name__ for name in opened}
    assert made == {"front": "_Caller", "third": "_Caller"}
