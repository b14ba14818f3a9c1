"""Which replica a request reaches, and how often."""

import pytest

from tests.compose.proxy.site import Site, goes_on

pytestmark = pytest.mark.anyio


async def test_requests_take_turns_over_all_replicas(site: Site) -> None:
    before = len(site.a.seen), len(site.b.seen)
    for _ in range(10):
        assert (await site.post()).status_code == 200
    assert (len(site.a.seen) - before[0], len(site.b.seen) - before[1]) == (5, 5)


async def test_one_connection_to_a_replica_serves_many_requests(site: Site) -> None:
    for _ in range(4):
        await site.post()
    before = site.a.connections + site.b.connections
    for _ in range(20):
        await site.post()
    assert site.a.connections + site.b.connections - before <= 2


async def test_a_replica_that_refuses_connections_is_skipped_without_an_error(own_site: Site) -> None:
    await own_site.b.stop()
    answers = [await own_site.post() for _ in range(20)]
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["replica"] for answer in answers} == {"a"}


async def test_a_replica_that_is_not_ready_gets_nothing_new_and_keeps_its_streams(haproxy_site: Site) -> None:
    site = haproxy_site
    async with site.client.stream("GET", site.url, headers={"Do": "stream"}) as stream:
        streaming = site.a if site.a.streams else site.b
        other = site.b if streaming is site.a else site.a
        lines = stream.aiter_lines()
        streaming.ready = False
        await site.until(**{streaming.name: "down", other.name: "up"})
        assert await site.who() == {other.name}
        await goes_on(lines)
    streaming.ready = True
    await site.until(a="up", b="up")
    assert await site.who() == {"a", "b"}


async def test_where_no_replica_is_ready_those_that_live_are_asked(haproxy_site: Site) -> None:
    """They know why they are not ready, and say so in the words of the client's era; we do not."""
    site = haproxy_site
    site.a.ready = site.b.ready = False
    await site.until(a="down", b="down")
    assert await site.who() == {"a", "b"}


async def test_a_drained_replica_gets_nothing_new_and_keeps_its_streams(own_site: Site) -> None:
    site = own_site
    async with site.client.stream("GET", site.url, headers={"Do": "stream"}) as stream:
        streaming = "a" if site.a.streams else "b"
        other = "b" if streaming == "a" else "a"
        lines = stream.aiter_lines()
        site.balancer.drain("customers", streaming)
        assert site.balancer.states("customers") == {streaming: "drain", other: "up"}
        assert await site.who() == {other}
        await goes_on(lines)
        site.balancer.ready("customers", streaming)
        await site.until(a="up", b="up")
    assert await site.who() == {"a", "b"}


async def test_draining_names_a_replica_that_is_there(site: Site) -> None:
    for server, replica in (("customers", "c"), ("mail", "a")):
        with pytest.raises(KeyError):
            site.balancer.drain(server, replica)
