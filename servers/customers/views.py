"""What a company's views must hold for this server to read them; the page docs/connect-your-database.md shows it."""

from servers.customers.fields import OrderStatus, Segment, Status
from shared.core.views import View, ViewColumn

_WORD = ViewColumn("text", "Any text.", nullable=True)

CUSTOMERS = View(
    key=("id",),
    columns={
        "id": ViewColumn(
            "text",
            "Like C-000042; never given to another customer.",
            pattern="^C-[0-9A-Z]{6,12}$",
            example="'C-' || lpad(<id>::text, 8, '0')",
        ),
        "name": ViewColumn("text", "Of the person or the firm."),
        "company": _WORD,
        "email": ViewColumn("text", "Masked unless the caller holds customers:pii.", nullable=True),
        "phone": ViewColumn("text", "In any notation, with the country code; masked likewise.", nullable=True),
        "street": ViewColumn("text", "Masked likewise.", nullable=True),
        "postal_code": ViewColumn("text", "Masked likewise.", nullable=True),
        "city": _WORD,
        "country": ViewColumn("text", "ISO 3166-1 alpha-2, like DE.", pattern="^[A-Z]{2}$"),
        "locale": ViewColumn("text", "Language to write in, like de-DE.", pattern="^[a-z]{2,3}(-[A-Z]{2})?$"),
        "status": ViewColumn("text", "Where the relation stands.", values=tuple(Status)),
        "segment": ViewColumn("text", "What kind of customer.", values=tuple(Segment)),
        "tags": ViewColumn("text[]", "Words to filter by, like late-payer; '{}' for none."),
        "version": ViewColumn("integer", "Grows with every change; 1 if you count none."),
        "created_at": ViewColumn("timestamptz", "When the customer came."),
        "updated_at": ViewColumn("timestamptz", "When the row was last changed."),
        "merged_into": ViewColumn("text", "The id of the customer that this duplicate became.", nullable=True),
    },
)

ORDERS = View(
    key=("id",),
    belongs_to=("customer_id", "customers"),
    columns={
        "id": ViewColumn(
            "text", "Like O-000042.", pattern="^O-[0-9A-Z]{6,12}$", example="'O-' || lpad(<id>::text, 8, '0')"
        ),
        "customer_id": ViewColumn("text", "The id of the customer, as in customers."),
        "status": ViewColumn("text", "How far it is.", values=tuple(OrderStatus)),
        "ordered_at": ViewColumn("timestamptz", "Orders are listed by it, the newest first."),
        "currency": ViewColumn("text", "ISO 4217, like EUR; of total and unit_price.", pattern="^[A-Z]{3}$"),
        "total": ViewColumn("numeric", "What the customer pays."),
        "line_count": ViewColumn("integer", "How many lines it has."),
    },
)

ORDER_LINES = View(
    key=("order_id", "line"),
    belongs_to=("order_id", "orders"),
    numbered="line",
    columns={
        "order_id": ViewColumn("text", "The id of the order, as in orders."),
        "line": ViewColumn("integer", "1, 2, 3 … within the order."),
        "sku": ViewColumn("text", "What was ordered, as your systems call it."),
        "description": ViewColumn("text", "The same for people."),
        "quantity": ViewColumn("integer", "How many."),
        "unit_price": ViewColumn("numeric", "Of one."),
    },
)

TABLES = {"customers": CUSTOMERS, "orders": ORDERS, "order_lines": ORDER_LINES}
