import pytest

from servers.customers.search import sort_name, terms
from shared.core.errors import Conflict, NotFound
from tests.servers.customers.desk import Desk

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("status", ["prospect", "active", "inactive"])
async def test_restoring_gives_back_the_status_from_before(desk: Desk, status: str) -> None:
    somebody = await desk.made(status=status)
    archived = await desk.ask("archive_customer", customer_id=somebody.id, version=1)
    assert (archived.customer.status, archived.status_before) == ("archived", status)
    restored = await desk.ask("restore_customer", customer_id=somebody.id, version=2)
    assert (restored.customer.status, restored.status_before) == (status, "archived")
    assert restored.customer.version == 3


async def test_archiving_by_an_update_is_remembered_too(desk: Desk) -> None:
    somebody = await desk.made(status="active")
    changes = {"status": "archived"}
    await desk.ask("update_customer", customer_id=somebody.id, version=1, changes=changes)
    restored = await desk.ask("restore_customer", customer_id=somebody.id, version=2)
    assert restored.customer.status == "active"


async def test_who_was_always_archived_is_restored_as_inactive(desk: Desk) -> None:
    somebody = await desk.made(status="archived")
    restored = await desk.ask("restore_customer", customer_id=somebody.id, version=1)
    assert restored.customer.status == "inactive"


@pytest.mark.parametrize(("name", "status"), [("archive_customer", "archived"), ("restore_customer", "active")])
async def test_what_is_so_already_is_left_alone(desk: Desk, name: str, status: str) -> None:
    somebody = await desk.made(status=status)
    answer = await desk.ask(name, customer_id=somebody.id, version=1)
    assert answer.customer == somebody


@pytest.mark.parametrize("name", ["archive_customer", "restore_customer"])
async def test_a_stale_version_is_a_conflict_and_nobody_is_not_found(desk: Desk, name: str) -> None:
    somebody = await desk.made()
    with pytest.raises(Conflict) as failure:
        await desk.ask(name, customer_id=somebody.id, version=2)
    assert failure.value.details == {"current_version": 1}
    with pytest.raises(NotFound):
        await desk.ask(name, customer_id="C-999999", version=1)


async def test_a_dry_run_archives_nobody(desk: Desk) -> None:
    somebody = await desk.made()
    shown = await desk.ask("archive_customer", customer_id=somebody.id, version=1, dry_run=True)
    assert shown.customer.status == "archived"
    assert await desk.ask("get_customer", customer_id=somebody.id) == somebody


async def test_the_search_filters_by_the_new_status(desk: Desk) -> None:
    somebody = await desk.made(name="Zacharias Gone", status="active")
    await desk.ask("archive_customer", customer_id=somebody.id, version=1)
    assert await desk.walk(query="zacharias gone", status="active") == []
    assert await desk.walk(query="zacharias gone", status="archived") == [somebody.id]
    row = (await desk.ask("get_customer", customer_id=somebody.id)).model_dump()
    assert [found[:3] for found in await desk.terms(somebody.id)] == [
        (term, sort_name(row), "archived") for term in terms(row)
    ]
