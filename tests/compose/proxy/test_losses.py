"""A replica is lost, or all are: what is sent again, and what the client is told."""

from typing import Any

import anyio
import pytest

from tests.compose.proxy.site import LEGACY, MODERN, Site, open_site

pytestmark = pytest.mark.anyio

DIE = {"Do": "die"}


@pytest.mark.parametrize("first", [True, False], ids=["new connection", "used connection"])
async def test_a_post_that_was_sent_is_never_sent_again(site: Site, first: bool) -> None:
    async with site.new_client() as client:
        if not first:
            await client.post(site.url, json={})
        before = site.seen
        answer = await client.post(site.url, json={"jsonrpc": "2.0", "id": 1}, headers={**DIE, **MODERN})
    assert site.seen - before == 1
    assert answer.status_code == 502
    assert "outcome is unknown" in answer.json()["error"]["message"]


async def test_a_get_that_was_sent_is_sent_again_by_nginx_alone(site: Site) -> None:
    """nginx counts every GET among what may be repeated, and cannot be told otherwise without losing the retry of
    what was not sent. Our GETs change nothing.
    """
    before = site.seen
    answer = await site.client.get(site.url, headers={**DIE, **MODERN})
    assert answer.status_code == 502
    assert site.seen - before == {"haproxy": 1, "nginx": 2}[site.balancer.program.kind]


LOST = ({**DIE, **LEGACY}, DIE)


@pytest.mark.parametrize("headers", LOST, ids=["2025", "no version"])
@pytest.mark.parametrize("message_id", [7, -1, "seven", '7 "or" {8}', None])
async def test_a_client_of_2025_gets_an_error_for_its_call_and_keeps_its_connection(
    haproxy_kept: Site, headers: dict[str, str], message_id: Any
) -> None:
    """Its SDK drops everything it has open on a 5xx to a POST, and on a connection that breaks, too."""
    site = haproxy_kept
    message = {"method": "tools/call", "params": {"id": 5}, "jsonrpc": "2.0"}
    if message_id is not None:
        message["id"] = message_id
    for _ in range(2):  # the second one on a connection that was used before
        answer = await site.post(message, **headers)
        assert answer.status_code == 200
        told = answer.json()
        assert (told["jsonrpc"], told["id"], told["error"]["code"]) == ("2.0", message_id, -32603)


async def test_an_id_that_is_text_stays_text(haproxy_kept: Site) -> None:
    answer = await haproxy_kept.post({"jsonrpc": "2.0", "id": "7"}, **DIE, **LEGACY)
    assert answer.json()["id"] == "7"


async def test_a_body_whose_id_is_out_of_sight_is_answered_by_the_status(haproxy_kept: Site) -> None:
    message = {"params": "x" * 20_000, "id": 1}
    answer = await haproxy_kept.post(message, **DIE, **LEGACY)
    assert answer.status_code == 502


async def test_with_no_replica_left_everybody_is_told_that_nothing_was_done(haproxy_site: Site) -> None:
    site = haproxy_site
    for replica in (site.a, site.b, site.idp):
        await replica.stop()
    for _ in range(2):  # before the checks notice, and after
        modern, legacy = await site.post(**MODERN), await site.post(**LEGACY)
        assert (modern.status_code, modern.headers["retry-after"]) == (503, "2")
        assert (legacy.status_code, legacy.json()["id"]) == (200, 1)
        for answer in (modern, legacy):
            assert "Nothing was done" in answer.json()["error"]["message"]
        await site.until(a="down", b="down")
    stream = await site.client.get(site.url, headers=LEGACY)
    provider = await site.client.get(f"{site.balancer.url}/idp/jwks.json")
    assert (stream.status_code, provider.status_code) == (503, 503)
    assert provider.json() == {"error": "temporarily_unavailable"}


async def test_nginx_says_so_by_the_status_alone() -> None:
    async with open_site("nginx") as site:
        for replica in (site.a, site.b):
            await replica.stop()
        answer = await site.post(**LEGACY)
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, -32603)


async def test_a_replica_hears_at_once_that_its_client_went_away(own_site: Site) -> None:
    """Not only when it has something to say again."""
    site = own_site
    site.a.every_s = site.b.every_s = 60
    async with site.client.stream("POST", site.url, headers={"Do": "stream"}) as stream:
        assert await anext(stream.aiter_lines())
        assert site.a.streams + site.b.streams == 1
    with anyio.fail_after(5):
        while site.a.streams + site.b.streams:
            await anyio.sleep(0.01)
