from typing import Any

import anyio
import pytest

from servers.customers.search import sort_name, terms
from shared.core.errors import Conflict, Failure, Forbidden, Invalid, NotFound
from tests.harness import ERAS, Suite
from tests.servers.customers.desk import Desk
from tests.servers.customers.test_merging import HERE, notes_of, orders_of, pair, sell

pytestmark = pytest.mark.anyio

NEW: dict[str, Any] = {"name": "Undone", "segment": "consumer", "country": "DE"}


async def update(desk: Desk, customer: Any, **changes: Any) -> Any:
    arguments: dict[str, Any] = {"customer_id": customer.id, "version": customer.version, "changes": changes}
    return await desk.ask("update_customer", **arguments)


async def undo(desk: Desk, change: Any, **more: Any) -> Any:
    return await desk.ask("undo_change", change_id=change.change_id, **more)


def same(one: Any, other: Any) -> bool:
    """Alike in all but what every write moves on."""
    moving = {"version", "updated_at"}
    return one.model_dump(exclude=moving) == other.model_dump(exclude=moving)


async def test_an_update_is_taken_back_field_by_field(desk: Desk) -> None:
    before = await desk.made(company="Old Ltd", tags=["b"], email="old@example.com")
    change = await update(desk, before, company="New Ltd", tags=["a"], email=None, city="Ulm")
    undone = await undo(desk, change)
    [after] = undone.customers
    assert same(after, before)
    assert (undone.kind, after.version) == ("update", 3)
    assert after == await desk.ask("get_customer", customer_id=before.id)
    row = after.model_dump()
    assert [term for term, *_ in await desk.terms(before.id)] == terms(row)
    assert {name for _, name, *_ in await desk.terms(before.id)} == {sort_name(row)}


async def test_later_changes_of_other_fields_stay(desk: Desk) -> None:
    before = await desk.made(city="Ulm")
    change = await update(desk, before, city="Bonn")
    await update(desk, change.customer, company="Later Ltd")
    [after] = (await undo(desk, change)).customers
    assert (after.city, after.company) == ("Ulm", "Later Ltd")


async def test_a_touched_field_that_changed_since_is_a_conflict_that_names_it(desk: Desk) -> None:
    before = await desk.made(city="Ulm")
    change = await update(desk, before, city="Bonn", company="Here Ltd")
    later = await update(desk, change.customer, city="Kiel")
    with pytest.raises(Conflict) as failure:
        await undo(desk, change)
    assert failure.value.details == {"changed_since": ["city"]}
    assert await desk.ask("get_customer", customer_id=before.id) == later.customer


async def test_changes_are_undone_in_the_opposite_order(desk: Desk) -> None:
    before = await desk.made(city="Ulm")
    first = await update(desk, before, city="Bonn")
    second = await update(desk, first.customer, city="Kiel")
    await undo(desk, second)
    [after] = (await undo(desk, first)).customers
    assert same(after, before)


async def test_undoing_twice_is_a_conflict_also_at_once(desk: Desk) -> None:
    change = await update(desk, await desk.made(), city="Bonn")
    ends: list[str] = []

    async def try_it() -> None:
        try:
            await undo(desk, change)
            ends.append("undone")
        except Failure as failure:
            ends.append(failure.code)

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(try_it)
    assert sorted(ends) == ["conflict"] * 3 + ["undone"]
    with pytest.raises(Conflict) as failure:
        await undo(desk, change)
    assert failure.value.details.keys() == {"undone_at"}


async def test_a_status_is_taken_back_with_what_restoring_gives_back(desk: Desk) -> None:
    before = await desk.made(status="active")
    change = await update(desk, before, status="archived")
    [after] = (await undo(desk, change)).customers
    assert same(after, before)
    again = await update(desk, after, status="archived")
    woken = await update(desk, again.customer, status="prospect")
    [archived] = (await undo(desk, woken)).customers
    restored = await desk.ask("restore_customer", customer_id=before.id, version=archived.version)
    assert restored.customer.status == "active"


async def test_who_was_always_archived_is_so_again_and_is_restored_as_before(desk: Desk) -> None:
    change = await update(desk, await desk.made(status="archived"), status="active")
    [after] = (await undo(desk, change)).customers
    restored = await desk.ask("restore_customer", customer_id=after.id, version=after.version)
    assert restored.customer.status == "inactive"


async def test_archived_and_restored_in_between_is_another_status_unless_it_came_back(desk: Desk) -> None:
    before = await desk.made(status="prospect")
    change = await update(desk, before, status="active")
    archived = await desk.ask("archive_customer", customer_id=before.id, version=2)
    with pytest.raises(Conflict) as failure:
        await undo(desk, change)
    assert failure.value.details == {"changed_since": ["status"]}
    await desk.ask("restore_customer", customer_id=before.id, version=archived.customer.version)
    [after] = (await undo(desk, change)).customers
    assert after.status == "prospect"


async def test_a_note_is_taken_back(desk: Desk) -> None:
    somebody = await desk.made()
    added = await desk.ask("add_customer_note", customer_id=somebody.id, text="Wrong customer")
    undone = await undo(desk, added)
    assert (undone.kind, undone.customers) == ("note", [somebody])
    assert await notes_of(desk, somebody.id) == set()


async def merged(desk: Desk) -> tuple[Any, Any, Any]:
    keep = await desk.made(status="active", tags=["a"])
    gone = await desk.made(status="active", tags=["b"], email="gone@example.com", company="Gone", **HERE)
    await desk.ask("add_customer_note", customer_id=gone.id, text="Old")
    return keep, gone, await desk.ask("merge_customers", **pair(keep, gone))


async def test_a_merge_is_taken_back_with_orders_and_notes(desk: Desk) -> None:
    keep, gone = await desk.made(tags=["a"]), await desk.made(tags=["b"], company="Gone", **HERE)
    await sell(desk, gone.id, "O-000003", "O-000004")
    await desk.ask("add_customer_note", customer_id=gone.id, text="Of the duplicate")
    change = await desk.ask("merge_customers", **pair(keep, gone))
    await desk.ask("add_customer_note", customer_id=keep.id, text="Since")
    undone = await undo(desk, change)
    now = {customer.id: customer for customer in undone.customers}
    assert same(now[keep.id], keep)
    assert same(now[gone.id], gone)
    assert await orders_of(desk, gone.id) == {"O-000003", "O-000004"}
    assert await orders_of(desk, keep.id) == set()
    assert (await notes_of(desk, keep.id), await notes_of(desk, gone.id)) == ({"Since"}, {"Of the duplicate"})
    for customer in (keep, gone):
        assert [term for term, *_ in await desk.terms(customer.id)] == terms(customer.model_dump())


async def test_an_archived_duplicate_is_archived_again_as_it_was(desk: Desk) -> None:
    keep, gone = await desk.made(), await desk.made(status="active")
    gone = (await desk.ask("archive_customer", customer_id=gone.id, version=1)).customer
    await undo(desk, await desk.ask("merge_customers", **pair(keep, gone)))
    now = await desk.ask("get_customer", customer_id=gone.id)
    assert same(now, gone)
    restored = await desk.ask("restore_customer", customer_id=gone.id, version=now.version)
    assert restored.customer.status == "active"


async def test_a_merge_conflicts_by_what_changed_in_the_kept_one(desk: Desk) -> None:
    keep, _, change = await merged(desk)
    await update(desk, change.customer, email="new@example.com", tags=["c"], name="Not touched")
    with pytest.raises(Conflict) as failure:
        await undo(desk, change)
    assert sorted(failure.value.details["changed_since"]) == [f"{keep.id}.email", f"{keep.id}.tags"]


async def test_what_was_merged_on_is_not_pulled_out_from_under_it(desk: Desk) -> None:
    keep, gone, first = await merged(desk)
    third = await desk.made()
    second = await desk.ask("merge_customers", **pair(third, first.customer))
    with pytest.raises(Conflict) as failure:
        await undo(desk, first)
    assert failure.value.details == {"changed_since": [f"{keep.id}.merged_into"]}
    await undo(desk, second)
    await undo(desk, first)
    assert await notes_of(desk, gone.id) == {"Old"}


async def test_a_note_that_went_over_in_a_merge_is_undone_after_the_merge(desk: Desk) -> None:
    keep, gone = await desk.made(), await desk.made()
    note = await desk.ask("add_customer_note", customer_id=gone.id, text="Moved")
    merge = await desk.ask("merge_customers", **pair(keep, gone))
    with pytest.raises(Conflict):
        await undo(desk, note)
    await undo(desk, merge)
    await undo(desk, note)
    assert await notes_of(desk, gone.id) == await notes_of(desk, keep.id) == set()


async def test_a_merge_whose_note_or_order_is_elsewhere_is_a_conflict(desk: Desk) -> None:
    keep, gone = await desk.made(), await desk.made()
    await sell(desk, gone.id, "O-000005")
    change = await desk.ask("merge_customers", **pair(keep, gone))
    await sell(desk, (await desk.made()).id, "O-000005")
    with pytest.raises(Conflict) as failure:
        await undo(desk, change)
    assert failure.value.details == {"changed_since": ["orders"]}
    assert (await desk.ask("get_customer", customer_id=gone.id)).merged_into == keep.id


@pytest.mark.parametrize("field", ["email", "phone", "street", "postal_code"])
async def test_without_pii_a_change_of_personal_data_is_neither_undone_nor_compared(desk: Desk, field: str) -> None:
    values = {"email": "a@example.com", "phone": "+999340111222", "street": "A 1", "postal_code": "1"}
    change = await update(desk, await desk.made(), **{field: values[field]})
    for _ in range(2):  # the second time it would be a conflict
        with pytest.raises(Forbidden) as failure:
            await undo(desk, change, scopes="customers:write")
        assert failure.value.scopes == ("customers:write", "customers:pii")
        await update(desk, await desk.ask("get_customer", customer_id=change.customer.id), **{field: None})


async def test_without_pii_other_changes_are_undone(desk: Desk) -> None:
    change = await update(desk, await desk.made(), city="Bonn")
    await undo(desk, change, scopes="customers:write")


async def test_after_24_hours_a_change_is_as_if_it_had_never_been(suite: Suite) -> None:
    made = (await suite.call("manager", "create_customer", NEW))["customer"]
    arguments = {"customer_id": made["id"], "version": 1, "changes": {"city": "Bonn"}}
    change = await suite.call("manager", "update_customer", arguments)
    kept = "SELECT count(*) AS n FROM customers.changes WHERE id = $1 AND expires_at > now() + interval '23 hours'"
    assert (await suite.sql(kept, change["change_id"]))[0]["n"] == 1
    await suite.sql("UPDATE customers.changes SET expires_at = now() WHERE id = $1", change["change_id"])
    answer = await suite.call("manager", "undo_change", {"change_id": change["change_id"]})
    missing = await suite.call("manager", "undo_change", {"change_id": "CH-0000000000"})
    told = [str(found["error"]["message"]) for found in (answer, missing)]
    assert told[0].replace(change["change_id"], "ID") == told[1].replace("CH-0000000000", "ID")
    await suite.call("manager", "update_customer", {**arguments, "version": 2, "changes": {"city": "Kiel"}})
    assert await suite.sql("SELECT id FROM customers.changes WHERE id = $1", change["change_id"]) == []


async def test_a_dry_run_of_an_undo_takes_nothing_back(desk: Desk) -> None:
    change = await update(desk, await desk.made(city="Ulm"), city="Bonn")
    [shown] = (await undo(desk, change, dry_run=True)).customers
    assert shown.city == "Ulm"
    assert (await desk.ask("get_customer", customer_id=shown.id)) == change.customer
    await undo(desk, change)


async def test_a_dry_run_leaves_nothing_to_undo_and_nor_does_a_change_to_what_already_is(desk: Desk) -> None:
    somebody = await desk.made(city="Ulm")
    changes = {"city": "Ulm"}
    told = await desk.ask("update_customer", customer_id=somebody.id, version=1, changes=changes)
    assert told.change_id is None
    changes = {"city": "Bonn"}
    told = await desk.ask("update_customer", customer_id=somebody.id, version=1, changes=changes, dry_run=True)
    assert told.change_id is None


@pytest.mark.parametrize("change_id", ["", "CH-1", "C-000001", "CH-00000000001"])
async def test_ill_formed_ids_are_refused(desk: Desk, change_id: str) -> None:
    with pytest.raises(Invalid):
        await desk.ask("undo_change", change_id=change_id)


async def test_nobody_elses_tenant_can_undo(desk: Desk) -> None:
    change = await update(desk, await desk.made(), city="Bonn")
    with pytest.raises(NotFound):
        await undo(desk, change, tenant="globex")
    await undo(desk, change)


@pytest.mark.parametrize("era", ERAS)
async def test_an_undo_is_recorded_and_done_once_like_every_write(suite: Suite, era: str) -> None:
    made = (await suite.call("manager", "create_customer", NEW))["customer"]
    arguments = {"customer_id": made["id"], "version": 1, "changes": {"city": "Bonn"}}
    change = (await suite.call("manager", "update_customer", arguments))["change_id"]
    async with suite.connect("manager", era) as client:
        undoing = {"change_id": change, "idempotency_key": f"undo-once-{era}"}
        first = await client.call_tool("undo_change", undoing)
        again = await client.call_tool("undo_change", undoing)
        twice = await client.call_tool("undo_change", {"change_id": change})
    assert first.structured_content == again.structured_content
    assert twice.structured_content is not None
    assert twice.structured_content["error"]["code"] == "conflict"
    records = await suite.records(target="undo_change", limit=5)
    assert [record["kind"] for record in records] == ["outcome", "intent"] * 2 + ["outcome"]
    assert [record["outcome"] for record in records if record["kind"] == "outcome"] == ["conflict", "ok", "ok"]
