"""`subscriptions/listen` over HTTP: what may be subscribed to, and what is heard."""

import secrets
from dataclasses import replace
from typing import Any

import anyio
import pytest
from mcp.client.subscriptions import ResourceUpdated
from mcp_types import SubscriptionFilter

from shared.core.toolset import Toolset
from tests.harness import ERAS, Databases, Suite, open_suite
from tests.listening import ID, answered, listening
from tests.shared.edge.subscriptions.shelf import change, marked, read_still, revoke, served, shelf

pytestmark = pytest.mark.anyio


async def test_sdk_clients_hear_of_changes_of_what_they_asked_for(small: Suite) -> None:
    async with small.connect("manager") as client, client.listen(resource_subscriptions=["thing://a"]) as heard:
        assert heard.honored == SubscriptionFilter(resource_subscriptions=["thing://a"])
        await client.call_tool("touch", {"thing": "b"})
        await client.call_tool("touch", {"thing": "a"})
        with anyio.fail_after(10):
            assert await anext(aiter(heard)) == ResourceUpdated(uri="thing://a")


@pytest.mark.parametrize("message_id", ["some id", 0])
async def test_every_message_carries_the_id_of_the_request_and_the_first_says_what_is_honoured(
    small: Suite, message_id: Any
) -> None:
    async with listening(small, ["thing://a", "thing://b", "thing://a"], message_id=message_id) as listener:
        assert listener.response.headers["content-type"].startswith("text/event-stream")
        assert listener.response.headers["x-accel-buffering"] == "no"
        await change(small, "a")
        told = await listener.frame()
        await revoke(small, "acme-sales-manager")
        result = await listener.ends()
    assert listener.acknowledged["params"] == {
        "notifications": {"resourceSubscriptions": ["thing://a", "thing://b"]},
        "_meta": {ID: message_id},
    }
    assert told == {
        "jsonrpc": "2.0",
        "method": "notifications/resources/updated",
        "params": {"uri": "thing://a", "_meta": {ID: message_id}},
    }
    assert result["resultType"] == "complete"
    assert result["_meta"][ID] == message_id


async def test_dry_runs_replays_and_failures_are_not_heard(small: Suite) -> None:
    keyed = {"thing": "a", "idempotency_key": secrets.token_hex(8)}
    async with listening(small, ["thing://a", "thing://refused", "thing://z"]) as listener:
        await small.call("manager", "touch", {"thing": "a", "dry_run": True})
        await small.call("manager", "touch", {"thing": "refused"})
        await small.call("manager", "touch", keyed)
        assert await listener.hears() == "thing://a"
        await small.call("manager", "touch", keyed)
        await change(small, "z")
        assert await listener.hears() == "thing://z"


async def test_what_happens_while_subscribing_is_heard(small: Suite) -> None:
    shelf.held = anyio.Event()
    async with anyio.create_task_group() as tasks:

        async def meanwhile() -> None:
            while not shelf.read:
                await anyio.sleep(0.005)
            await change(small, "a")
            assert shelf.held is not None
            shelf.held.set()

        tasks.start_soon(meanwhile)
        async with listening(small, ["thing://a"]) as listener:
            assert await listener.hears() == "thing://a"


async def test_changes_that_come_while_one_is_checked_are_told_once(small: Suite) -> None:
    async with listening(small, ["thing://a", "thing://z"]) as listener:
        shelf.held, shelf.read = anyio.Event(), []
        await change(small, "a")
        with anyio.fail_after(10):
            while not shelf.read:
                await anyio.sleep(0.005)
        await change(small, *["a"] * 5, "z")
        shelf.held.set()
        assert [await listener.hears() for _ in range(3)] == ["thing://a", "thing://a", "thing://z"]
        assert shelf.read == ["a", "a", "z"]


async def test_what_cannot_be_read_or_watched_is_left_out_alike_and_the_audit_says_why(small: Suite) -> None:
    shelf.gone.add("gone")
    refused = {
        "thing://gone": "not_found",
        "thing://%61": "unknown_target",
        "still://a": "unknown_target",
        "vault://a": "forbidden",
        "nothing": "unknown_target",
        "thing:// a": "unknown_target",
    }
    token, token_id = marked(small, "support")
    async with listening(small, [*refused, "thing://a"], token=token) as listener:
        assert listener.honoured == ["thing://a"]
        found = [record for record in await small.records() if record.get("token_id") == token_id]
    assert {record["target"]: record["outcome"] for record in found} == {**refused, "thing://a": "ok"}
    assert {record["target_kind"] for record in found} == {"subscription"}
    assert len({record["request_id"] for record in found}) == 1


async def test_a_lacking_scope_is_told_if_nothing_is_left(small: Suite) -> None:
    response = await answered(small, small.token("support"), ["vault://a", "still://a"])
    assert response.status_code == 403
    assert 'scope="customers:export"' in response.headers["www-authenticate"]
    assert response.json()["error"]["data"]["code"] == "forbidden"


async def capabilities(suite: Suite, era: str) -> Any:
    if era == "modern":
        return (await suite.post(suite.token("support"), "server/discover", {})).json()["result"]["capabilities"]
    async with suite.connect("support", era) as client:
        return client.server_capabilities.model_dump(mode="json", by_alias=True, exclude_none=True)


async def test_lists_do_not_change_and_nobody_is_promised_that_they_do(small: Suite) -> None:
    flags = {"toolsListChanged": True, "promptsListChanged": True, "resourcesListChanged": True}
    async with listening(small, ["thing://a"], flags=flags) as listener:
        assert listener.acknowledged["params"]["notifications"] == {"resourceSubscriptions": ["thing://a"]}
    assert await capabilities(small, "modern") == {
        "tools": {"listChanged": False},
        "prompts": {"listChanged": False},
        "resources": {"listChanged": False, "subscribe": True},
        "completions": {},
        "extensions": {"io.modelcontextprotocol/tasks": {}},
    }
    assert (await capabilities(small, "legacy"))["resources"] == {"listChanged": False, "subscribe": True}


async def test_a_server_without_resources_to_watch_does_not_offer_it(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> None:
    still = Toolset()
    still.resource("still://{name}", "customers:read")(read_still)
    folder = tmp_path_factory.mktemp("data")
    async with open_suite(
        await databases.fresh(), folder, databases.admin_url, served=[replace(served, tools=still)]
    ) as suite:
        for era in ERAS:
            assert (await capabilities(suite, era))["resources"] == {"listChanged": False, "subscribe": False}
        assert (await answered(suite, suite.token("support"), ["still://a"])).status_code == 404


async def test_a_stream_is_charged_as_one_call(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("data")
    tight = {"calls_per_minute": 1, "tool_calls_per_minute": 1, "burst": 1}
    urls = await databases.fresh()
    async with open_suite(urls, folder, databases.admin_url, served=[served], **tight) as suite:
        uris = [f"thing://{n}" for n in range(20)]
        async with listening(suite, uris, "support") as listener:
            assert listener.honoured == uris
        response = await answered(suite, suite.token("support"), uris)
        assert response.json()["error"]["data"]["code"] == "rate_limited"
