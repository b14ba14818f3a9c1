"""Against an issuer served by a real HTTP server on loopback; only the time is made up."""

import asyncio
import base64
import os
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from structlog.testing import capture_logs

from shared.core.errors import Misconfigured, Unavailable
from shared.state.discovery import metadata_urls
from shared.state.http import BadAnswer, get_json
from shared.steps import jwks as module
from shared.steps.jwks import BURST, Jwks
from tests.shared.steps.issuing import public
from tests.shared.steps.loopback_issuer import RFC8414, SECOND, Clock, Issuer, open_jwks

pytestmark = pytest.mark.anyio

OIDC_INSERTED = "/.well-known/openid-configuration/idp"
OIDC_APPENDED = "/idp/.well-known/openid-configuration"
RINGS = ("audit_keys", "ledger_keys", "cursor_keys", "session_keys", "state_keys")
FLEET: dict[str, Any] = {
    "profile": "fleet",
    "public_url": "https://suite.example",
    "database_url": "postgresql:///suite",
    "redis_url": "redis://127.0.0.1",
    **{ring: (base64.b64encode(os.urandom(32)).decode(),) for ring in RINGS},
}


@pytest.mark.parametrize("place", [RFC8414, OIDC_INSERTED, OIDC_APPENDED])
async def test_keys_are_found_from_metadata_of_every_form(issuer: Issuer, jwks: Jwks, place: str) -> None:
    issuer.metadata_at = place
    assert await jwks.find("ES256", "first")
    assert issuer.asked[-2:] == [place, "/idp/jwks"]


def test_metadata_is_looked_for_where_the_standards_say() -> None:
    at = "https://h.example/.well-known"
    assert metadata_urls("https://h.example/a/b") == [
        f"{at}/oauth-authorization-server/a/b",
        f"{at}/openid-configuration/a/b",
        "https://h.example/a/b/.well-known/openid-configuration",
    ]
    for root in ("https://h.example", "https://h.example/"):
        assert metadata_urls(root) == [f"{at}/oauth-authorization-server", f"{at}/openid-configuration"]
    assert metadata_urls("http://127.0.0.1:8080/idp/")[0] == (
        "http://127.0.0.1:8080/.well-known/oauth-authorization-server/idp"
    )


async def test_a_configured_key_set_needs_no_metadata(issuer: Issuer, client: httpx.AsyncClient, clock: Clock) -> None:
    jwks = open_jwks(client, clock, issuer="https://elsewhere.example", jwks_url=f"{issuer.name}/jwks")
    assert await jwks.find("ES256", "first")
    assert issuer.asked == ["/idp/jwks"]


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"jwks_uri": None},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "http://"},
        {"jwks_uri": "ftp://127.0.0.1/jwks"},
    ],
)
async def test_metadata_that_cannot_be_trusted_is_not_followed(
    issuer: Issuer, jwks: Jwks, metadata: dict[str, object]
) -> None:
    issuer.metadata = metadata
    with pytest.raises(Unavailable):
        await jwks.find("ES256", "first")
    assert issuer.fetches == 0


async def test_an_issuer_differing_by_a_slash_is_another_issuer(issuer: Issuer, jwks: Jwks) -> None:
    issuer.metadata = {"issuer": issuer.name + "/"}
    with pytest.raises(Unavailable):
        await jwks.find("ES256", "first")


@pytest.mark.parametrize("host", ["idp.example", "127.0.0.1.example", "10.0.0.1"])
async def test_plain_http_is_for_loopback_and_the_laptop_alone(client: httpx.AsyncClient, host: str) -> None:
    open_jwks(client, issuer=f"http://{host}/idp")
    for setting in ("issuer", "jwks_url"):
        named: dict[str, Any] = {setting: f"http://{host}/x"}
        with pytest.raises(Misconfigured):
            open_jwks(client, environment="prod", **named)


async def test_a_fleet_needs_tls_to_its_issuer_whatever_its_environment(client: httpx.AsyncClient) -> None:
    open_jwks(client, **FLEET, issuer="https://idp.example")
    with pytest.raises(Misconfigured):
        open_jwks(client, **FLEET, issuer="http://idp.example")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "idp.localhost"])
async def test_plain_http_to_loopback_is_allowed_everywhere(client: httpx.AsyncClient, host: str) -> None:
    open_jwks(client, **FLEET, issuer=f"http://{host}:8080/idp")


async def test_a_jwks_uri_without_tls_is_refused_in_a_fleet(
    issuer: Issuer, client: httpx.AsyncClient, clock: Clock
) -> None:
    issuer.metadata = {"jwks_uri": "http://idp.example/jwks"}
    jwks = open_jwks(client, clock, **FLEET, issuer=issuer.name)
    with capture_logs() as logs, pytest.raises(Unavailable):
        await jwks.find("ES256", "first")
    assert [entry["error"] for entry in logs] == ["BadAnswer"]


@pytest.mark.parametrize(
    "answer",
    [
        Response(status_code=500),
        Response("[]", media_type="application/json"),
        Response("{", media_type="application/json"),
        JSONResponse({}),
        JSONResponse({"keys": {}}),
        JSONResponse({"keys": [], "padding": "x" * 2**18}),
        JSONResponse({"keys": []}, status_code=203),
    ],
)
async def test_an_answer_that_is_no_key_set_changes_nothing(
    issuer: Issuer, jwks: Jwks, clock: Clock, answer: Response
) -> None:
    known = await jwks.find("ES256", "first")
    issuer.instead = answer
    clock.now += 301
    assert await jwks.find("ES256", "first") == known


async def test_redirects_are_not_followed(issuer: Issuer, client: httpx.AsyncClient) -> None:
    issuer.instead = RedirectResponse(f"{issuer.origin}/idp/jwks")
    client.follow_redirects = True
    with pytest.raises(BadAnswer):
        await get_json(client, f"{issuer.origin}/start")
    assert issuer.asked == ["/start"]


async def test_answers_that_could_unpack_to_any_size_are_not_asked_for(issuer: Issuer, jwks: Jwks) -> None:
    await jwks.find("ES256", "first")
    assert issuer.encodings == {"identity"}


async def test_an_endless_answer_is_cut_off(issuer: Issuer, client: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 65_536
            await asyncio.sleep(0)

    issuer.instead = StreamingResponse(endless())
    async with asyncio.timeout(5):
        with pytest.raises(BadAnswer):
            await get_json(client, f"{issuer.origin}/idp/jwks")


async def test_an_issuer_that_hangs_is_given_up(issuer: Issuer, jwks: Jwks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FETCH_S", 0.1)
    issuer.hold = asyncio.Event()
    async with asyncio.timeout(5):
        with pytest.raises(Unavailable):
            await jwks.find("ES256", "first")
    issuer.hold.set()


async def test_an_issuer_that_is_not_there_is_unavailable(client: httpx.AsyncClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    jwks = open_jwks(client, issuer=f"http://127.0.0.1:{port}")
    with pytest.raises(Unavailable) as refusal:
        await jwks.find("ES256", "first")
    assert refusal.value.retryable


async def test_keys_are_not_fetched_again_while_fresh(issuer: Issuer, jwks: Jwks, clock: Clock) -> None:
    for _ in range(10):
        await jwks.find("ES256", "first")
        clock.now += 23
    assert issuer.fetches == 1


async def test_keys_are_refreshed_in_the_background_before_they_age(issuer: Issuer, jwks: Jwks, clock: Clock) -> None:
    await jwks.find("ES256", "first")
    issuer.keys.append(public(SECOND, kid="second"))
    issuer.hold = asyncio.Event()
    clock.now += 241
    async with asyncio.timeout(2):
        assert await jwks.find("ES256", "first")
    assert issuer.fetches == 1
    issuer.hold.set()
    assert await jwks.find("ES256", "second")
    assert issuer.fetches == 2


async def test_a_key_that_was_withdrawn_is_not_used_past_the_ttl(issuer: Issuer, jwks: Jwks, clock: Clock) -> None:
    withdrawn = await jwks.find("ES256", "first")
    assert withdrawn
    issuer.keys = [public(SECOND, kid="second")]
    assert await jwks.holds(withdrawn)
    clock.now += 301
    assert not await jwks.holds(withdrawn)
    assert await jwks.find("ES256", "first") is None


async def test_an_issuer_that_withdraws_every_key_is_believed(issuer: Issuer, jwks: Jwks, clock: Clock) -> None:
    await jwks.find("ES256", "first")
    issuer.keys = []
    clock.now += 301
    assert await jwks.find("ES256", "first") is None


async def test_old_keys_serve_an_hour_without_the_issuer_and_calls_do_not_wait_for_it(
    issuer: Issuer, jwks: Jwks, clock: Clock
) -> None:
    key = await jwks.find("ES256", "first")
    assert key
    issuer.instead = Response(status_code=503)
    clock.now += 301
    assert await jwks.holds(key)
    issuer.hold = asyncio.Event()
    clock.now += 3000
    async with asyncio.timeout(2):
        assert await jwks.holds(key)
    issuer.hold.set()
    with pytest.raises(Unavailable):
        await jwks.find("ES256", "second")
    clock.now += 300
    with pytest.raises(Unavailable):
        await jwks.holds(key)


async def test_the_issuer_is_used_again_when_it_is_back(issuer: Issuer, jwks: Jwks, clock: Clock) -> None:
    issuer.instead = Response(status_code=503)
    for _ in range(20):
        with pytest.raises(Unavailable):
            await jwks.find("ES256", "first")
    issuer.instead = None
    clock.now += 10
    assert await jwks.find("ES256", "first")


async def test_an_unknown_key_id_is_unavailable_not_wrong_while_the_issuer_is_down(issuer: Issuer, jwks: Jwks) -> None:
    await jwks.find("ES256", "first")
    issuer.instead = Response(status_code=503)
    for _ in range(20):
        with pytest.raises(Unavailable):
            await jwks.find("ES256", "second")
    assert await jwks.find("ES256", "first")


async def test_a_rotated_key_is_found_at_once(issuer: Issuer, jwks: Jwks) -> None:
    await jwks.find("ES256", "first")
    issuer.keys.append(public(SECOND, kid="second"))
    assert await jwks.find("ES256", "second")
    assert issuer.fetches == 2
    assert issuer.asked.count(RFC8414) == 1


async def test_keys_that_moved_are_found_through_the_metadata_again(issuer: Issuer, jwks: Jwks, clock: Clock) -> None:
    await jwks.find("ES256", "first")
    issuer.keys_at = "/idp/moved"
    issuer.keys.append(public(SECOND, kid="second"))
    with pytest.raises(Unavailable):
        await jwks.find("ES256", "second")
    assert await jwks.find("ES256", "second")


async def test_fifty_callers_share_one_fetch(issuer: Issuer, jwks: Jwks) -> None:
    issuer.hold = asyncio.Event()
    callers = [asyncio.create_task(jwks.find("ES256", "first")) for _ in range(50)]
    await issuer.reached.wait()
    issuer.hold.set()
    assert all(await asyncio.gather(*callers))
    assert issuer.fetches == 1


async def test_a_caller_that_leaves_does_not_take_the_answer_from_the_others(issuer: Issuer, jwks: Jwks) -> None:
    issuer.hold = asyncio.Event()
    leaving, staying = (asyncio.create_task(jwks.find("ES256", "first")) for _ in range(2))
    await issuer.reached.wait()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    issuer.hold.set()
    assert await staying
    assert issuer.fetches == 1


async def test_fetches_are_bounded_in_every_minute_of_a_storm(issuer: Issuer, jwks: Jwks, clock: Clock) -> None:
    await jwks.find("ES256", "first")
    clock.now += 3000
    times: list[float] = []
    for number in range(1500):
        before = issuer.fetches
        assert await jwks.find("ES256", f"random-{number}") is None
        times += [clock.now] * (issuer.fetches - before)
        clock.now += 0.1
    assert len(times) > 10
    assert all(sum(start <= at < start + 60 for at in times) <= 10 for start in times)


async def test_a_new_key_is_found_within_seconds_of_a_storm(issuer: Issuer, jwks: Jwks, clock: Clock) -> None:
    for number in range(1000):
        await jwks.find("ES256", f"random-{number}")
    assert issuer.fetches == BURST
    issuer.keys.append(public(SECOND, kid="second"))
    assert await jwks.find("ES256", "second") is None
    clock.now += 10
    assert await jwks.find("ES256", "second")


async def test_a_failure_is_logged_without_what_was_answered(issuer: Issuer, jwks: Jwks) -> None:
    issuer.instead = Response('{"keys": "very-secret"}')
    with capture_logs() as logs, pytest.raises(Unavailable):
        await jwks.find("ES256", "first")
    told = {"event": "issuer_keys_not_fetched", "issuer": issuer.name, "error": "BadAnswer"}
    assert logs == [{**told, "log_level": "warning"}]


async def test_closing_ends_a_fetch_under_way(issuer: Issuer, jwks: Jwks) -> None:
    issuer.hold = asyncio.Event()
    waiting = asyncio.create_task(jwks.find("ES256", "first"))
    await issuer.reached.wait()
    await jwks.aclose()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    issuer.hold.set()
