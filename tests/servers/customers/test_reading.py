import pytest

from shared.core.errors import Invalid, InvalidCursor, NotFound
from tests.servers.customers.desk import Desk

pytestmark = pytest.mark.anyio


async def test_a_customer_is_read_by_id(desk: Desk) -> None:
    customer = await desk.ask("get_customer", customer_id="C-000001")
    assert (customer.id, customer.version) == ("C-000001", 1)
    assert "@" in customer.email


async def test_without_pii_contact_data_is_masked(desk: Desk) -> None:
    plain = await desk.shown("get_customer", customer_id="C-000001")
    masked = await desk.shown("get_customer", scopes="customers:read", customer_id="C-000001")
    differing = {field for field in plain if plain[field] != masked[field]}
    assert differing == {"email", "phone", "street", "postal_code"}


async def test_not_found_names_the_tool_to_try_next(desk: Desk) -> None:
    with pytest.raises(NotFound, match="search_customers"):
        await desk.ask("get_customer", customer_id="C-999999")
    with pytest.raises(NotFound, match="search_customers"):
        await desk.ask("list_customer_orders", customer_id="C-999999")


async def test_several_customers_keep_the_order_asked_for_and_missing_ones_are_reported(desk: Desk) -> None:
    asked = ["C-000007", "C-999999", "C-000003", "C-000007"]
    answer = await desk.ask("get_customers", customer_ids=asked)
    assert [customer.id for customer in answer.customers] == ["C-000007", "C-000003"]
    assert answer.missing == ["C-999999"]


@pytest.mark.parametrize("ids", [[], ["C-000001"] * 51, ["c-000001"], ["C-000001'--"]])
async def test_ill_formed_batches_are_refused(desk: Desk, ids: list[str]) -> None:
    with pytest.raises(Invalid):
        await desk.ask("get_customers", customer_ids=ids)


async def test_orders_come_newest_first_over_all_pages_each_once(desk: Desk) -> None:
    everything = await desk.ask("list_customer_orders", customer_id="C-000001", limit=50)
    first = await desk.ask("list_customer_orders", customer_id="C-000001", limit=3)
    second = await desk.ask("list_customer_orders", customer_id="C-000001", limit=50, cursor=first.next_cursor)
    assert [*first.orders, *second.orders] == everything.orders
    moments = [order.ordered_at for order in everything.orders]
    assert len(moments) > 3
    assert moments == sorted(moments, reverse=True)


async def test_an_order_shows_its_lines_which_add_up_to_its_total(desk: Desk) -> None:
    answer = await desk.ask("list_customer_orders", customer_id="C-000001")
    for order in answer.orders:
        assert len(order.lines) == order.line_count
        assert sum(line.quantity * line.unit_price for line in order.lines) == order.total


async def test_orders_are_filtered_by_status(desk: Desk) -> None:
    everything = await desk.ask("list_customer_orders", customer_id="C-000001", limit=50)
    delivered = await desk.ask("list_customer_orders", customer_id="C-000001", limit=50, status="delivered")
    assert delivered.orders == [order for order in everything.orders if order.status == "delivered"]


async def test_a_cursor_works_only_for_its_own_query_and_tenant(desk: Desk) -> None:
    first = await desk.ask("list_customer_orders", customer_id="C-000001", limit=1)
    with pytest.raises(InvalidCursor):
        await desk.ask("list_customer_orders", customer_id="C-000002", cursor=first.next_cursor)
    with pytest.raises(InvalidCursor):
        await desk.ask("list_customer_orders", tenant="globex", customer_id="C-000001", cursor=first.next_cursor)
