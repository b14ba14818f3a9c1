"""Subscriptions of both eras over stdio, where one client and one process share a connection."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.clients.local import Local
from tests.clients.wire import Wire, wired
from tests.harness import Databases
from tests.listening import ID, LISTEN

pytestmark = pytest.mark.anyio


@pytest.fixture
async def local(databases: Databases, tmp_path: Path) -> Local:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    return Local(await databases.fresh(), folder)


async def wired_customer(wire: Wire) -> dict[str, Any]:
    new = {"name": "Wired", "country": "DE", "segment": "consumer"}
    return (await wire.call("create_customer", new))["structuredContent"]["customer"]


async def rename_over(wire: Wire, customer: dict[str, Any]) -> None:
    """Change it without waiting for the answer."""
    changes = {"customer_id": customer["id"], "version": customer["version"], "changes": {"city": "Ulm"}}
    await wire.send(wire.request("tools/call", {"name": "update_customer", "arguments": changes}, "rename"))


async def until(wire: Wire, method: str) -> dict[str, Any]:
    """The next notification of that name."""
    with anyio.fail_after(10):
        while True:
            said = await wire.read()
            if said.get("method") == method:
                return said["params"]


async def test_modern_clients_listen_over_stdio(local: Local) -> None:
    async with wired(local.env, local.errors, "modern") as wire:
        customer, other = await wired_customer(wire), await wired_customer(wire)
        uri = f"customer://{customer['id']}"
        asked = {"notifications": {"resourceSubscriptions": [uri, "customer://C-999999999999"]}}
        await wire.send(wire.request(LISTEN, asked, 77))
        honoured = await until(wire, "notifications/subscriptions/acknowledged")
        assert honoured == {"notifications": {"resourceSubscriptions": [uri]}, "_meta": {ID: 77}}
        await rename_over(wire, other)
        await rename_over(wire, customer)
        assert await until(wire, "notifications/resources/updated") == {"uri": uri, "_meta": {ID: 77}}
        await wire.send(b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":77}}')
        assert (await wire.ask("tools/list", {}, 78))["result"]
        assert await wire.hang_up(5) == 0
    found, report = await local.audit()
    assert report.problems == []
    (stream,) = [record for record in found if record.get("target") == LISTEN]
    assert (stream["outcome"], stream["delivered"]) == ("cancelled", 1)


async def test_clients_of_the_2025_era_subscribe_over_stdio(local: Local) -> None:
    async with wired(local.env, local.errors, "legacy") as wire:
        await wire.greet()
        customer, other = await wired_customer(wire), await wired_customer(wire)
        uri = f"customer://{customer['id']}"
        for one in (customer, other):
            assert (await wire.ask("resources/subscribe", {"uri": f"customer://{one['id']}"}, one["id"]))[
                "result"
            ] == {}
        gone = {"uri": f"customer://{other['id']}"}
        assert (await wire.ask("resources/unsubscribe", gone, "gone"))["result"] == {}
        missing = await wire.ask("resources/subscribe", {"uri": "customer://C-999999999999"}, "missing")
        assert missing["error"]["code"] == -32002
        await rename_over(wire, other)
        await rename_over(wire, customer)
        assert await until(wire, "notifications/resources/updated") == {"uri": uri}
        assert await wire.hang_up(5) == 0
