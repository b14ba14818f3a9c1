from typing import Any

import anyio
import pytest

from servers.customers import merging, queries
from servers.customers.search import sort_name, terms
from shared.core.errors import Conflict, Failure, Invalid, NotFound
from shared.core.tool import Risk
from tests.harness import Suite
from tests.servers.customers.desk import Desk, tools

pytestmark = pytest.mark.anyio

HERE = {"street": "Lindenallee 1", "postal_code": "10115", "city": "Berlin"}


def pair(keep: Any, gone: Any, **more: Any) -> dict[str, Any]:
    versions = {"keep_version": keep.version, "duplicate_version": gone.version}
    return {"keep_id": keep.id, "duplicate_id": gone.id, **versions, **more}


async def sell(desk: Desk, customer_id: str, *orders: str) -> None:
    """Orders, which come from elsewhere: no tool makes any."""
    async with desk.database.transaction("acme") as transaction:
        sold = "SELECT count(*) FROM customers.orders WHERE customer_id = $1"
        assert await transaction.connection.fetchval(sold, customer_id) == 0
        # The application may not add orders; it may only move those that are there.
        for order in orders:
            done = await transaction.connection.execute(
                "UPDATE customers.orders SET customer_id = $1 WHERE id = $2", customer_id, order
            )
            assert done == "UPDATE 1"


async def orders_of(desk: Desk, customer_id: str) -> set[str]:
    page = await desk.ask("list_customer_orders", customer_id=customer_id, limit=50)
    return {order.id for order in page.orders}


async def notes_of(desk: Desk, customer_id: str) -> set[str]:
    page = await desk.ask("list_customer_notes", customer_id=customer_id, limit=50)
    return {note.text for note in page.notes}


async def test_orders_and_notes_go_over_and_the_duplicate_is_archived(desk: Desk) -> None:
    keep, gone = await desk.made(status="active"), await desk.made(status="active")
    await sell(desk, gone.id, "O-000001", "O-000002")
    await desk.ask("add_customer_note", customer_id=gone.id, text="From the other one")
    await desk.ask("add_customer_note", customer_id=keep.id, text="Here already")
    merged = await desk.ask("merge_customers", **pair(keep, gone))
    assert (merged.moved_orders, merged.moved_notes) == (2, 1)
    assert await orders_of(desk, keep.id) == {"O-000001", "O-000002"}
    assert await notes_of(desk, keep.id) == {"From the other one", "Here already"}
    assert await orders_of(desk, gone.id) == await notes_of(desk, gone.id) == set()
    now = await desk.ask("get_customer", customer_id=gone.id)
    assert (now.status, now.merged_into, now.version) == ("archived", keep.id, 2)
    assert now == merged.duplicate
    assert (await desk.ask("get_customer", customer_id=keep.id)) == merged.customer
    assert (await desk.ask("get_order", order_id="O-000001")).customer_id == keep.id


async def test_only_empty_fields_are_filled_and_the_diff_says_which(desk: Desk) -> None:
    keep = await desk.made(email="kept@example.com", name="Kept")
    gone = await desk.made(email="gone@example.com", phone="+999340111222", company="Gone Ltd", name="Gone", **HERE)
    merged = await desk.ask("merge_customers", **pair(keep, gone))
    now = merged.customer
    assert (now.name, now.email, now.phone, now.company) == ("Kept", "kept@example.com", gone.phone, "Gone Ltd")
    assert {field: getattr(now, field) for field in HERE} == HERE
    assert merged.diff.model_dump(exclude_none=True).keys() == {"phone", "company"} | HERE.keys()


@pytest.mark.parametrize("other", [{"city": "Ulm"}, {"street": "Elsewhere 2"}, {"country": "FR"}])
async def test_halves_of_two_addresses_are_not_made_one(desk: Desk, other: dict[str, Any]) -> None:
    keep, gone = await desk.made(**other), await desk.made(**HERE)
    now = (await desk.ask("merge_customers", **pair(keep, gone))).customer
    assert {field: getattr(now, field) for field in HERE} == {field: other.get(field) for field in HERE}


async def test_an_address_that_says_the_same_is_completed(desk: Desk) -> None:
    keep, gone = await desk.made(city="Berlin"), await desk.made(**HERE)
    now = (await desk.ask("merge_customers", **pair(keep, gone))).customer
    assert {field: getattr(now, field) for field in HERE} == HERE


async def test_tags_are_united_up_to_their_limit(desk: Desk) -> None:
    keep = await desk.made(tags=[f"a{number:02}" for number in range(18)])
    gone = await desk.made(tags=["a00", "b1", "b2", "b3", "b4"])
    merged = await desk.ask("merge_customers", **pair(keep, gone))
    assert merged.customer.tags == sorted([*keep.tags, "b1", "b2"])
    assert merged.dropped_tags == ["b3", "b4"]


async def test_both_are_found_by_what_they_are_now(desk: Desk) -> None:
    keep, gone = await desk.made(name="Keep Me"), await desk.made(name="Twice Me", company="Fillers", tags=["vip"])
    merged = await desk.ask("merge_customers", **pair(keep, gone))
    for customer in (merged.customer, merged.duplicate):
        row = customer.model_dump()
        expected = [(term, sort_name(row), row["status"], row["segment"], row["country"]) for term in terms(row)]
        assert await desk.terms(customer.id) == expected
    assert keep.id in await desk.walk(query="fillers", tag="vip", status="prospect")


async def test_a_customer_is_not_merged_into_itself(desk: Desk) -> None:
    one = await desk.made()
    with pytest.raises(Invalid, match="same customer"):
        await desk.ask("merge_customers", **pair(one, one))


@pytest.mark.parametrize("which", ["keep_version", "duplicate_version"])
async def test_either_version_may_be_stale(desk: Desk, which: str) -> None:
    keep, gone = await desk.made(), await desk.made()
    with pytest.raises(Conflict) as failure:
        await desk.ask("merge_customers", **pair(keep, gone, **{which: 7}))
    assert failure.value.details == {"current_version": 1}


@pytest.mark.parametrize("which", ["keep_id", "duplicate_id"])
async def test_either_may_be_missing(desk: Desk, which: str) -> None:
    keep, gone = await desk.made(), await desk.made()
    with pytest.raises(NotFound, match="C-999999"):
        await desk.ask("merge_customers", **pair(keep, gone, **{which: "C-999999"}))


async def test_who_was_merged_takes_no_part_in_anything_any_more(desk: Desk) -> None:
    keep, gone, third = [await desk.made() for _ in range(3)]
    merged = await desk.ask("merge_customers", **pair(keep, gone))
    keep, gone = merged.customer, merged.duplicate
    calls: list[tuple[str, dict[str, Any]]] = [
        ("merge_customers", pair(gone, third)),
        ("merge_customers", pair(third, gone)),
        ("merge_customers", pair(keep, gone)),
        ("update_customer", {"customer_id": gone.id, "version": 2, "changes": {"city": "Ulm"}}),
        ("archive_customer", {"customer_id": gone.id, "version": 2}),
        ("restore_customer", {"customer_id": gone.id, "version": 2}),
    ]
    for name, arguments in calls:
        with pytest.raises(Conflict) as failure:
            await desk.ask(name, **arguments)
        assert failure.value.details == {"merged_into": keep.id}


async def test_an_archived_customer_is_not_kept_but_may_be_the_duplicate(desk: Desk) -> None:
    live, archived = await desk.made(status="active"), await desk.made(status="archived")
    with pytest.raises(Conflict, match="restore it first"):
        await desk.ask("merge_customers", **pair(archived, live))
    merged = await desk.ask("merge_customers", **pair(live, archived))
    assert merged.duplicate.merged_into == live.id


async def test_a_chain_of_merges_is_followed_link_by_link(desk: Desk) -> None:
    one, two, three = [await desk.made() for _ in range(3)]
    first = await desk.ask("merge_customers", **pair(two, one))
    await desk.ask("merge_customers", **pair(three, first.customer))
    customers = [await desk.ask("get_customer", customer_id=each.id) for each in (one, two, three)]
    assert [customer.merged_into for customer in customers] == [two.id, three.id, None]


async def test_a_dry_run_shows_the_merge_and_does_nothing(desk: Desk) -> None:
    keep, gone = await desk.made(), await desk.made(company="Gone Ltd")
    await desk.ask("add_customer_note", customer_id=gone.id, text="Stays")
    shown = await desk.ask("merge_customers", **pair(keep, gone), dry_run=True)
    assert (shown.customer.company, shown.moved_notes, shown.change_id) == ("Gone Ltd", 1, None)
    assert await desk.ask("get_customer", customer_id=gone.id) == gone
    assert await notes_of(desk, gone.id) == {"Stays"}


async def test_a_duplicate_with_too_much_to_move_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "MOVED_MAX", 1)
    keep, gone = await desk.made(), await desk.made()
    await desk.ask("add_customer_note", customer_id=gone.id, text="One")
    await desk.ask("merge_customers", **pair(keep, gone), dry_run=True)
    await desk.ask("add_customer_note", customer_id=gone.id, text="Two")
    with pytest.raises(Conflict, match="more than 1 notes"):
        await desk.ask("merge_customers", **pair(keep, gone))


async def test_merging_needs_the_right_to_see_what_it_joins(suite: Suite) -> None:
    assert tools.tools["merge_customers"].scopes == ("customers:write", "customers:pii")
    assert tools.tools["merge_customers"].risk is Risk.HIGH
    token = suite.provider.mint("manager", suite.url(), scopes=["customers:write"])
    arguments = {"keep_id": "C-000001", "keep_version": 1, "duplicate_id": "C-000002", "duplicate_version": 1}
    answer = await suite.post(token, "tools/call", {"name": "merge_customers", "arguments": arguments})
    assert answer.status_code == 403
    assert 'scope="customers:write customers:pii"' in answer.headers["www-authenticate"]


async def test_opposite_merges_at_once_make_one_merge_and_no_deadlock(desk: Desk) -> None:
    for _ in range(10):
        one, two = await desk.made(company="Here"), await desk.made(phone="+999340111222")
        for customer in (one, two):
            await desk.ask("add_customer_note", customer_id=customer.id, text=f"Of {customer.id}")
        ends = await at_once(desk, pair(one, two), pair(two, one))
        assert sorted(end if isinstance(end, str) else "merged" for end in ends) == ["conflict", "merged"]
        now = [await desk.ask("get_customer", customer_id=customer.id) for customer in (one, two)]
        kept = next(customer for customer in now if customer.merged_into is None)
        assert {customer.merged_into for customer in now} == {None, kept.id}
        assert await notes_of(desk, kept.id) == {f"Of {one.id}", f"Of {two.id}"}


async def at_once(desk: Desk, *merges: dict[str, Any]) -> list[Any]:
    ends: list[Any] = []

    async def merge(arguments: dict[str, Any]) -> None:
        try:
            ends.append(await desk.ask("merge_customers", **arguments))
        except Failure as failure:
            ends.append(failure.code)

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for arguments in merges:
                tasks.start_soon(merge, arguments)
    return ends


async def test_customers_are_locked_in_the_order_of_ids_however_they_are_found(desk: Desk) -> None:
    made = [(await desk.made()).id for _ in range(10)]
    async with desk.database.transaction("acme") as transaction:
        await transaction.connection.execute("SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off")
        rows = await transaction.rows(queries.LOCKED, ids=made)
    assert [row["id"] for row in rows] == sorted(made) != made


async def test_a_ring_of_merges_at_once_ends(desk: Desk) -> None:
    ring = [await desk.made() for _ in range(4)]
    merges = [pair(keep, gone) for keep, gone in zip(ring, ring[1:] + ring[:1], strict=True)]
    ends = await at_once(desk, *merges)
    assert len(ends) == 4
    assert {end for end in ends if isinstance(end, str)} <= {"conflict"}
    assert any(not isinstance(end, str) for end in ends)


async def test_a_note_written_during_a_merge_is_refused_or_goes_along(desk: Desk) -> None:
    for _ in range(5):
        keep, gone = await desk.made(), await desk.made()
        written: list[str] = []

        async def write(customer_id: str = gone.id, written: list[str] = written) -> None:
            try:
                added = await desk.ask("add_customer_note", customer_id=customer_id, text="Meanwhile")
            except Conflict:
                return
            written.append(added.note.id)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(at_once, desk, pair(keep, gone))
            for _ in range(3):
                tasks.start_soon(write)
        page = await desk.ask("list_customer_notes", customer_id=keep.id)
        assert sorted(note.id for note in page.notes) == sorted(written)


async def test_a_caller_without_pii_is_refused_by_the_scope_and_not_by_the_data(suite: Suite) -> None:
    """Whether an address would be filled or contradicts is told to nobody who may not see it."""
    token = suite.provider.mint("manager", suite.url(), scopes=["customers:write"])
    told: list[Any] = []
    for customer_id in ("C-000002", "C-000003", "C-999999"):
        arguments = {"keep_id": "C-000001", "keep_version": 1, "duplicate_id": customer_id, "duplicate_version": 1}
        answer = await suite.post(token, "tools/call", {"name": "merge_customers", "arguments": arguments})
        told.append((answer.status_code, answer.json()["error"]["message"]))
    assert len(set(told)) == 1
