"""Streams end, or say less, when access ends; and nobody holds more of them than allowed."""

from contextlib import AsyncExitStack
from typing import Any

import anyio
import pytest

from shared.edge import deliveries
from tests.harness import Databases, Suite, open_suite
from tests.listening import answered, asking, listening
from tests.shared.edge.subscriptions.shelf import change, ended, marked, revoke, served, shelf

pytestmark = pytest.mark.anyio


async def test_what_the_caller_may_no_longer_read_is_not_told_and_the_record_says_so(small: Suite) -> None:
    token, token_id = marked(small)
    async with listening(small, ["thing://a", "thing://z"], token=token) as listener:
        shelf.gone.add("a")
        await change(small, "a", "z")
        assert await listener.hears() == "thing://z"
        shelf.gone.clear()
        await change(small, "a", "z")
        assert await listener.hears() == "thing://z", "what ended does not begin again by itself"
        found = [r for r in await small.records(target="thing://a") if r["token_id"] == token_id]
    assert [(record["outcome"], record.get("ended")) for record in found] == [("not_found", "refused"), ("ok", None)]


async def test_what_crashes_when_checked_is_not_told(small: Suite) -> None:
    async with listening(small, ["thing://a", "thing://z"]) as listener:
        shelf.crashing.add("a")
        await change(small, "a", "z")
        assert await listener.hears() == "thing://z"


async def test_what_cannot_be_checked_now_is_told_later(small: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "_RETRY_S", 0.01)
    async with listening(small, ["thing://a"]) as listener:
        shelf.down.add("a")
        shelf.read.clear()
        await change(small, "a")
        with anyio.fail_after(10):
            while len(shelf.read) < 3:
                await anyio.sleep(0.005)
        shelf.down.clear()
        assert await listener.hears() == "thing://a"


async def test_revoking_a_caller_ends_all_their_streams_and_nobody_elses(small: Suite) -> None:
    token, token_id = marked(small)
    async with (
        listening(small, ["thing://a"], token=token) as one,
        listening(small, ["thing://b"]) as two,
        listening(small, ["thing://z"], "support") as other,
    ):
        await small.parts.stores.bus.publish("callers", b"what?")
        await small.parts.stores.bus.publish("callers", b'{"revoked": null}')
        await revoke(small, "acme-sales-manager", "globex")
        await change(small, "a")
        assert await one.hears() == "thing://a"
        await revoke(small, "acme-sales-manager")
        await one.ends()
        await two.ends()
        await change(small, "z")
        assert await other.hears() == "thing://z"
    record = await ended(small, token_id)
    assert (record["outcome"], record["ended"], record["followed"], record["delivered"]) == ("ok", "revoked", 1, 1)


async def test_a_client_that_does_not_read_cannot_hold_a_revoked_stream(small: Suite) -> None:
    token, token_id = marked(small)
    async with listening(small, ["thing://a"], token=token):
        shelf.held = anyio.Event()
        await change(small, "a")
        await revoke(small, "acme-sales-manager")
        assert (await ended(small, token_id))["ended"] == "revoked"


async def test_streams_end_when_word_of_revocations_may_have_been_lost(small: Suite) -> None:
    token, token_id = marked(small)
    async with listening(small, ["thing://a"], token=token) as listener:
        for _ in range(1100):  # more than an inbox takes, in one step of the loop
            await small.parts.stores.bus.publish("callers", b"{}")
        await listener.ends()
    assert (await ended(small, token_id))["ended"] == "missed"


async def test_a_stream_does_not_outlive_its_token(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("data")
    urls = await databases.fresh()
    async with open_suite(urls, folder, databases.admin_url, served=[served], clock_skew_s=0) as suite:
        token, token_id = marked(suite, lifetime_s=2)
        async with listening(suite, ["thing://a"], token=token) as listener:
            await listener.ends()
        assert (await ended(suite, token_id))["ended"] == "expired"


async def test_a_drain_ends_streams_properly_and_those_opened_later_at_once(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("data")
    urls = await databases.fresh()
    async with open_suite(urls, folder, databases.admin_url, served=[served]) as suite:
        async with suite.connect("manager") as client, client.listen(resource_subscriptions=["thing://a"]) as heard:
            suite.draining.begin()
            with anyio.fail_after(10):
                assert [event async for event in heard] == []
        response = await answered(suite, suite.token("manager"), ["thing://a"])
        assert response.json()["result"]["resultType"] == "complete"


async def test_a_stream_follows_no_more_resources_than_allowed(small: Suite) -> None:
    token, token_id = marked(small)
    response = await answered(small, token, [f"thing://{n}" for n in range(31)])
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (400, -32602)
    assert "30 resources" in error["message"]
    assert (await ended(small, token_id))["outcome"] == "invalid"


async def test_a_user_holds_no_more_streams_than_allowed_and_a_closed_one_makes_room(small: Suite) -> None:
    async with AsyncExitStack() as stack:
        three = [await stack.enter_async_context(listening(small, ["thing://a"], "support")) for _ in range(3)]
        token, token_id = marked(small, "support", client_id="another-client")
        error = (await answered(small, token, ["thing://a"])).json()["error"]
        assert (error["code"], error["data"]["details"]["limit"]) == (429, "streams_per_user")
        assert (await ended(small, token_id))["outcome"] == "rate_limited"
        async with listening(small, ["thing://a"], "auditor"):
            pass
        await three[0].response.aclose()
        with anyio.fail_after(10):
            while True:
                async with asking(small, small.token("support"), ["thing://a"]) as response:
                    if response.headers["content-type"].startswith("text/event-stream"):
                        break
                await anyio.sleep(0.01)


async def test_a_client_that_goes_leaves_a_record(small: Suite) -> None:
    token, token_id = marked(small)
    async with listening(small, ["thing://a"], token=token) as listener:
        await change(small, "a")
        await listener.hears()
    record = await ended(small, token_id)
    assert (record["outcome"], record["followed"], record["delivered"]) == ("cancelled", 1, 1)
    assert (await small.verify()).problems == []


async def made(suite: Suite, persona: str = "manager") -> dict[str, Any]:
    new = {"name": "Watched", "country": "DE", "segment": "consumer"}
    return (await suite.call(persona, "create_customer", new))["customer"]


async def rename(suite: Suite, customer: dict[str, Any], persona: str = "manager") -> None:
    changes = {"customer_id": customer["id"], "version": customer["version"], "changes": {"city": "Ulm"}}
    assert "customer" in await suite.call(persona, "update_customer", changes)


async def test_another_tenants_resource_is_left_out_and_its_changes_are_not_heard(suite: Suite) -> None:
    ours, theirs = await made(suite), await made(suite, "outsider")
    # Ids are the tenant's own: both may have the same one.
    statement = "UPDATE customers.{} SET {} = $1 WHERE tenant_id = 'globex' AND {} = $2"
    await suite.sql("DELETE FROM customers.search_terms WHERE tenant_id = 'globex' AND customer_id = $1", theirs["id"])
    twin = await made(suite, "outsider")
    await suite.sql("DELETE FROM customers.search_terms WHERE tenant_id = 'globex' AND customer_id = $1", twin["id"])
    await suite.sql(statement.format("customers", "id", "id"), ours["id"], twin["id"])
    mine = await made(suite)
    uris = [f"customer://{one['id']}" for one in (ours, theirs, mine)]
    async with listening(suite, uris) as listener:
        assert listener.honoured == [uris[0], uris[2]]
        await rename(suite, {**twin, "id": ours["id"]}, "outsider")
        await rename(suite, mine)
        assert await listener.hears() == uris[2]


async def test_a_row_that_left_the_tenant_ends_its_subscription(suite: Suite) -> None:
    gone, stays = await made(suite), await made(suite)
    uris = [f"customer://{one['id']}" for one in (gone, stays)]
    token, token_id = marked(suite)
    async with listening(suite, uris, token=token) as listener:
        await suite.sql("DELETE FROM customers.search_terms WHERE customer_id = $1", gone["id"])
        await suite.sql("UPDATE customers.customers SET tenant_id = 'globex' WHERE id = $1", gone["id"])
        await suite.parts.stores.notices.publish("customers", "acme", uris[:1])
        await rename(suite, stays)
        assert await listener.hears() == uris[1]
    (record,) = [r for r in await suite.records(target=uris[0], outcome="not_found") if r["token_id"] == token_id]
    assert record["ended"] == "refused"
