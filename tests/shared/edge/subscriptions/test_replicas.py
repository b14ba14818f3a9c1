"""Two replicas over one Redis: both eras hear at one what happens at the other."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest

from tests.conversation import Conversation
from tests.harness import Suite
from tests.listening import listening
from tests.shared.edge.subscriptions.shelf import revoke, shelf

pytestmark = pytest.mark.anyio


async def test_a_change_and_a_revocation_at_one_replica_are_heard_at_the_other(replicas: list[Suite]) -> None:
    here, there = replicas
    async with httpx.AsyncClient(timeout=10) as http:
        writer = Conversation(replicas, here.token("manager"), "customers", http)
        await writer.initialize()
        async with listening(here, ["thing://a"]) as one, listening(here, ["thing://a"], "support") as two:
            await writer.call(1, "touch", thing="a")
            assert await one.hears() == await two.hears() == "thing://a"
            await revoke(there, "acme-sales-manager")
            await one.ends()
            await writer.call(1, "touch", thing="a", nonce="again")
            assert await two.hears() == "thing://a"


@asynccontextmanager
async def session(replicas: list[Suite], persona: str, **claims: Any) -> AsyncGenerator[Conversation]:
    """A session of the 2025 era."""
    async with httpx.AsyncClient(timeout=10) as http:
        client = Conversation(replicas, replicas[0].token(persona, **claims), "customers", http)
        await client.initialize()
        yield client


async def subscribe(client: Conversation, uri: str, method: str = "resources/subscribe") -> Any:
    return (await client.post(1, client.request(method, {"uri": uri}))).json()


async def test_sessions_of_the_2025_era_hear_what_they_may_read_and_subscribed_to(replicas: list[Suite]) -> None:
    async with session(replicas, "manager", jti="2025") as client, client.listening(0) as events:
        assert (await anext(events)).message is None
        for uri in ("thing://a", "thing://b", "thing://z", "thing://z"):
            assert (await subscribe(client, uri))["result"] == {}
        for uri in ("thing://b", "thing://never"):
            assert (await subscribe(client, uri, "resources/unsubscribe"))["result"] == {}
        shelf.gone.add("a")
        for name in ("a", "b", "z"):
            await client.call(1, "touch", thing=name)
        with anyio.fail_after(10):
            told = await anext(events)
            shelf.gone.clear()
            for name in ("a", "z"):
                await client.call(1, "touch", thing=name, nonce="again")
            again = await anext(events)
    assert told.message == again.message
    assert told.message is not None
    assert told.message["params"] == {"uri": "thing://z"}
    found = [r for r in await replicas[0].records(target="thing://a") if r["token_id"] == "2025"]
    assert [(record["outcome"], record.get("ended")) for record in found] == [("not_found", "refused"), ("ok", None)]
    (unsubscribed, _) = [r for r in await replicas[0].records(target="thing://b") if r["token_id"] == "2025"]
    assert unsubscribed["ended"] == "unsubscribed"


async def test_what_a_session_cannot_read_or_watch_is_refused_as_reading_it_is(replicas: list[Suite]) -> None:
    shelf.gone.add("gone")
    async with session(replicas, "support") as client:
        for uri in ("thing://gone", "still://a", "nothing://a"):
            error = (await subscribe(client, uri))["error"]
            assert error == {"code": -32002, "message": "Resource not found", "data": {"uri": uri}}
        refused = await client.post(1, client.request("resources/subscribe", {"uri": "vault://a"}))
    assert refused.status_code == 403
    assert 'scope="customers:export"' in refused.headers["www-authenticate"]


async def test_a_session_is_subscribed_to_no_more_than_allowed(replicas: list[Suite]) -> None:
    async with session(replicas, "support", jti="full") as client:
        for n in range(100):
            assert (await subscribe(client, f"thing://{n}"))["result"] == {}
        error = (await subscribe(client, "thing://more"))["error"]
        assert (error["code"], error["data"]["code"]) == (-32602, "invalid")
        assert (await subscribe(client, "thing://1"))["result"] == {}, "one of them again"
    (record,) = [r for r in await replicas[0].records(target="thing://more") if r["token_id"] == "full"]
    assert record["outcome"] == "invalid"


async def test_revoking_a_caller_ends_the_stream_of_a_session(replicas: list[Suite]) -> None:
    async with session(replicas, "manager") as client, client.listening(0) as events:
        assert (await anext(events)).message is None
        await revoke(replicas[1], "acme-sales-manager")
        with anyio.fail_after(10):
            assert [said async for said in events] == []
