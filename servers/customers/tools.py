"""What a model can do with customers. Each docstring is what it reads; `models.py` has the arguments.

Reading, creating and changing are here. `notes.py`, `archiving.py`, `merging.py`, `undoing.py`, `exporting.py` and
`prompts.py` add the rest to the same toolset.
"""

from datetime import UTC, datetime

from servers.customers import queries
from servers.customers.changes import remember
from servers.customers.diffs import CustomerDiff
from servers.customers.fields import PII
from servers.customers.finding import find
from servers.customers.models import (
    CreateCustomer,
    Created,
    Customer,
    CustomerOrders,
    Customers,
    Found,
    ManyCustomers,
    OneCustomer,
    OneOrder,
    Order,
    Orders,
    RecentOrders,
    Search,
    UpdateCustomer,
    Updated,
    WholeOrder,
)
from servers.customers.saving import PERSONAL, diff, locked, no_customer, save, store_terms
from shared.core.errors import Forbidden, NotFound
from shared.core.ids import new_id
from shared.core.tool import Call, Risk
from shared.core.toolset import Toolset

tools = Toolset()

_LINES_EACH = 5
_LINES_WHOLE = 200
_NO_ORDER_IS_LATER = (datetime(9999, 1, 1, tzinfo=UTC).isoformat(), "")


@tools.read("customers:read")
async def get_customer(call: Call, query: OneCustomer) -> Customer:
    """Read one customer by id: contact data, address, status, segment, tags and version.
    Use it before update_customer, and when you know the id. Without the id use search_customers; for several ids
    get_customers. E-mail, phone and street are masked unless you hold customers:pii.
    """
    row = await call.database.row(queries.BY_ID, id=query.customer_id)
    if row is None:
        raise no_customer(query.customer_id)
    return Customer(**row)


@tools.resource("customer://{customer_id}", "customers:read", watchable=True)
async def read_customer(call: Call, query: OneCustomer) -> Customer:
    """One customer: contact data, address, status, segment, tags and version."""
    return await get_customer(call, query)


@tools.read("customers:read")
async def get_customers(call: Call, query: ManyCustomers) -> Customers:
    """Read up to 50 customers by id in one call, e.g. those search_customers found.
    Ids nobody has are listed in `missing` and are no error. For a single id use get_customer.
    """
    rows = await call.database.rows(queries.BY_IDS, ids=query.customer_ids)
    found = {row["id"]: Customer(**row) for row in rows}
    asked = dict.fromkeys(query.customer_ids)
    return Customers(
        customers=[found[customer_id] for customer_id in asked if customer_id in found],
        missing=[customer_id for customer_id in asked if customer_id not in found],
    )


@tools.read("customers:read")
async def search_customers(call: Call, query: Search) -> Found:
    """Find customers by words of their name, company, city or tags, or by id; accents and case do not matter.
    Words that stand together somewhere are found as a phrase; otherwise each may stand anywhere. Whole words
    come first, then longer ones. Narrow with status, segment, country or tag rather than paging on. By e-mail
    or phone only with customers:pii. Not for reading a known id (get_customer) and not for orders
    (list_customer_orders).
    """
    return await find(call, query)


@tools.read("customers:read")
async def list_customer_orders(call: Call, query: CustomerOrders) -> Orders:
    """List one customer's orders, newest first, each with its total and first 5 lines.
    Use it for purchase history or to find an order. Needs the customer's id: search_customers finds it.
    """
    before_at, before_id = call.cursors.open(query.cursor, query) if query.cursor else _NO_ORDER_IS_LATER
    rows = await call.database.rows(
        queries.orders_page(by_status=query.status is not None),
        **{"status": query.status} if query.status else {},
        customer_id=query.customer_id,
        before_at=datetime.fromisoformat(before_at),
        before_id=before_id,
        lines_each=_LINES_EACH,
        limit=query.limit + 1,
    )
    if not rows and await call.database.row(queries.BY_ID, id=query.customer_id) is None:
        raise no_customer(query.customer_id)
    orders = [Order(**row) for row in rows[: query.limit]]
    more = len(rows) > query.limit
    position = [orders[-1].ordered_at, orders[-1].id] if more else []
    return Orders(orders=orders, next_cursor=call.cursors.seal(position, query) if more else None)


@tools.read("customers:read")
async def get_order(call: Call, query: OneOrder) -> WholeOrder:
    """Read one order by its id, with its lines and the id of its customer.
    Use it when list_customer_orders cut an order short, or when you know only the order's id.
    """
    row = await call.database.row(queries.ORDER, id=query.order_id, lines_each=_LINES_WHOLE)
    if row is None:
        raise NotFound(f"There is no order {query.order_id}. Find it with list_customer_orders.")
    return WholeOrder(**row, complete=len(row["lines"]) == row["line_count"])


@tools.resource("customer://{customer_id}/orders", "customers:read", watchable=True)
async def read_customer_orders(call: Call, query: OneCustomer) -> RecentOrders:
    """The newest 20 orders of one customer, each with its first 5 lines."""
    found = await list_customer_orders(call, CustomerOrders(customer_id=query.customer_id))
    return RecentOrders(orders=found.orders, more=found.next_cursor is not None)


@tools.write("customers:write", risk=Risk.LOW, inverse="archive_customer")
async def create_customer(call: Call, query: CreateCustomer) -> Created:
    """Add a customer and get its new id. Search first: nothing stops you from adding somebody twice.
    To change an existing customer use update_customer. The id a dry run shows is not kept.
    """
    new = {f"new_{field}": getattr(query, field) for field in queries.WRITTEN}
    [row] = await call.transaction.rows(queries.INSERT, new_id=new_id("C"), **new)
    await store_terms(call, row)
    return Created(customer=Customer(**row))


@tools.write("customers:write", risk=Risk.MEDIUM, inverse="undo_change")
async def update_customer(call: Call, query: UpdateCustomer) -> Updated:
    """Change fields of one customer; what you leave out stays, null clears. Returns the customer and the diff.
    Pass the version from get_customer: if somebody changed the customer since, you get a conflict and should
    read it again before you decide. Changing e-mail, phone, street or postal code needs customers:pii.
    """
    wished = query.changes.model_dump(exclude_unset=True)
    if PERSONAL & wished.keys() and not call.caller.may(PII):
        # The diff of a blind change would tell whether a guessed address is the right one.
        message = "E-mail, phone, street and postal code are changed only with customers:pii."
        raise Forbidden(message, ["customers:write", PII])
    before = (await locked(call, {query.customer_id: query.version}))[query.customer_id]
    changed = {field: value for field, value in wished.items() if value != before[field]}
    if not changed:
        return Updated(customer=Customer(**before), diff=CustomerDiff())
    after = await save(call, before, changed)
    change_id = await remember(call, query, "update", [(before, after)])
    return Updated(customer=Customer(**after), diff=diff(before, after), change_id=change_id)
