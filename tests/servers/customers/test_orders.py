import orjson
import pytest
from mcp.shared.exceptions import MCPError

from shared.core.errors import Invalid, NotFound
from shared.state.database import connect
from shared.state.roles import Urls
from tests.harness import ERAS, Suite
from tests.servers.customers.desk import Desk

pytestmark = pytest.mark.anyio


async def test_an_order_is_read_whole_with_its_customer(desk: Desk) -> None:
    listed = (await desk.ask("list_customer_orders", customer_id="C-000001")).orders[0]
    order = await desk.ask("get_order", order_id=listed.id)
    assert order.customer_id == "C-000001"
    assert order.complete
    assert order.model_dump(exclude={"customer_id", "complete"}) == listed.model_dump()


async def test_of_a_long_order_the_first_200_lines_are_shown_and_it_says_so(desk: Desk, urls: Urls) -> None:
    owner = await connect(urls.owner, "test")
    try:
        async with owner.transaction():
            await owner.execute("SELECT set_config('app.tenant', 'acme', true)")
            await owner.execute(
                "INSERT INTO customers.orders (id, customer_id, status, ordered_at, currency, total, line_count) "
                "SELECT 'O-LONG0' || n, 'C-000002', 'paid', now(), 'EUR', n, n FROM unnest('{200,201}'::int[]) n"
            )
            await owner.execute(
                "INSERT INTO customers.order_lines (order_id, line, sku, description, quantity, unit_price) "
                "SELECT 'O-LONG0' || n, line, 'SKU', 'Thing', 1, 1 "
                "FROM unnest('{200,201}'::int[]) n, generate_series(1, n) line"
            )
    finally:
        await owner.close()
    whole, cut = [await desk.ask("get_order", order_id=f"O-LONG0{lines}") for lines in (200, 201)]
    assert (len(whole.lines), whole.complete) == (200, True)
    assert (len(cut.lines), cut.line_count, cut.complete) == (200, 201, False)
    assert [line.line for line in cut.lines] == list(range(1, 201))


async def test_an_order_nobody_has_names_the_tool_to_try_next(desk: Desk) -> None:
    with pytest.raises(NotFound, match="list_customer_orders"):
        await desk.ask("get_order", order_id="O-999999")
    with pytest.raises(Invalid):
        await desk.ask("get_order", order_id="C-000001")


@pytest.mark.parametrize("era", ERAS)
async def test_recent_orders_are_a_resource_too(suite: Suite, era: str) -> None:
    async with suite.connect("support", era) as client:
        read = await client.read_resource("customer://C-000001/orders")
        customer = await client.read_resource("customer://C-000001")
        with pytest.raises(MCPError) as failure:
            await client.read_resource("customer://C-999999/orders")
    listed = await suite.call("support", "list_customer_orders", {"customer_id": "C-000001"})
    assert orjson.loads(read.contents[0].text) == {"orders": listed["orders"], "more": True}  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]
    assert orjson.loads(customer.contents[0].text)["id"] == "C-000001"  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]
    assert "not found" in str(failure.value)
