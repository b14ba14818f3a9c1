"""Who watches a customer, or its orders, is told of what changes them and of nothing else."""

from typing import Any

import pytest

from servers.customers.foreign import views
from tests.harness import Suite
from tests.listening import Listener, listening

pytestmark = pytest.mark.anyio


async def made(suite: Suite, **fields: Any) -> dict[str, Any]:
    new = {"name": "Watched", "country": "DE", "segment": "consumer", **fields}
    return (await suite.call("manager", "create_customer", new))["customer"]


def uris(*customers: dict[str, Any]) -> list[str]:
    return [f"customer://{customer['id']}{part}" for customer in customers for part in ("", "/orders")]


async def heard(listener: Listener, number: int) -> set[str]:
    return {await listener.hears() for _ in range(number)}


async def test_every_change_of_a_customer_is_told_and_nothing_else_is(suite: Suite) -> None:
    customer, last = await made(suite), await made(suite)
    async with listening(suite, uris(customer, last)) as listener:

        async def does(tool: str, **arguments: Any) -> dict[str, Any]:
            return await suite.call("manager", tool, {"customer_id": customer["id"], **arguments})

        note = await does("add_customer_note", text="Not part of what is watched")
        await suite.call("manager", "undo_change", {"change_id": note["change_id"]})
        await does("update_customer", version=1, changes={"name": "Watched"})  # it is so already
        await does("update_customer", version=7, changes={"name": "Stale"})
        updated = await does("update_customer", version=1, changes={"name": "Other"})
        assert await listener.hears() == f"customer://{customer['id']}"
        await suite.call("manager", "undo_change", {"change_id": updated["change_id"]})
        assert await listener.hears() == f"customer://{customer['id']}"
        await does("archive_customer", version=3)
        assert await listener.hears() == f"customer://{customer['id']}"
        await does("archive_customer", version=4)  # it is already
        await does("restore_customer", version=4)
        assert await listener.hears() == f"customer://{customer['id']}"
        await suite.call("manager", "archive_customer", {"customer_id": last["id"], "version": 1})
        assert await listener.hears() == f"customer://{last['id']}"


@pytest.mark.parametrize("orders", [0, 1])
async def test_a_merge_and_its_undoing_tell_of_both_customers_and_of_orders_that_moved(
    suite: Suite, orders: int
) -> None:
    keep, gone, last = await made(suite), await made(suite), await made(suite)
    if orders:
        statement = "UPDATE customers.orders SET customer_id = $1 WHERE tenant_id = 'acme' AND id = 'O-000001'"
        await suite.sql(statement, gone["id"])
    both = set(uris(keep, gone)) if orders else {f"customer://{one['id']}" for one in (keep, gone)}
    merge = {"keep_id": keep["id"], "keep_version": 1, "duplicate_id": gone["id"], "duplicate_version": 1}
    async with listening(suite, uris(keep, gone, last)) as listener:
        await suite.call("admin", "merge_customers", {**merge, "dry_run": True})
        merged = await suite.call("admin", "merge_customers", merge)
        assert await heard(listener, len(both)) == both
        await suite.call("manager", "undo_change", {"change_id": merged["change_id"]})
        assert await heard(listener, len(both)) == both
        await suite.call("manager", "archive_customer", {"customer_id": last["id"], "version": 1})
        assert await listener.hears() == f"customer://{last['id']}"


async def test_an_export_cannot_be_watched(suite: Suite) -> None:
    async with listening(suite, ["customers-export://J-00000000000000000000000000/1"], "admin") as listener:
        assert listener.honoured == []


def test_nothing_is_watched_over_a_companys_own_database() -> None:
    assert views.tools.resources
    assert not any(resource.watchable for resource in views.tools.resources.values())
