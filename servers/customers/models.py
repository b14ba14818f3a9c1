"""Arguments and answers of the tools; `fields.py` says what a field may hold, and who may see it."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, model_validator

from servers.customers.diffs import CustomerDiff
from servers.customers.fields import (
    PII,
    City,
    Company,
    Country,
    CustomerId,
    Email,
    Locale,
    Name,
    OrderStatus,
    Phone,
    PostalCode,
    Segment,
    Status,
    Street,
    Tag,
    Tags,
)
from shared.core.fields import ChangeId, Cursor, NextCursor, OneLine, Version
from shared.core.tool import Answer, Arguments, WriteArguments
from shared.steps.redaction import Exact, Sensitive, mask_all, mask_email, mask_phone


class Customer(Answer):
    id: Annotated[str, Exact()]
    name: str
    company: str | None
    email: Annotated[str | None, Sensitive(PII, mask_email)]
    phone: Annotated[str | None, Sensitive(PII, mask_phone)]
    street: Annotated[str | None, Sensitive(PII, mask_all)]
    postal_code: Annotated[str | None, Sensitive(PII, mask_all)]
    city: str | None
    country: str
    locale: str
    status: Status
    segment: Segment
    tags: list[str]
    version: int
    created_at: datetime
    updated_at: datetime
    merged_into: Annotated[str | None, Exact(), Field(description="Merged into this one; use it instead.")] = None


class CustomerSummary(Answer):
    id: Annotated[str, Exact()]
    name: str
    company: str | None
    city: str | None
    country: str
    status: Status
    segment: Segment
    tags: list[str]


class OneCustomer(Arguments):
    customer_id: CustomerId


class ManyCustomers(Arguments):
    customer_ids: Annotated[list[CustomerId], Field(min_length=1, max_length=50)]


class Customers(Answer):
    customers: Annotated[list[Customer], Field(description="In the order asked for, each once.")]
    missing: Annotated[list[Annotated[str, Exact()]], Field(description="Ids that no customer of yours has.")]


class Search(Arguments):
    query: Annotated[
        str,
        Field(
            min_length=2,
            max_length=200,
            description="At most 8 words, or their beginnings, of name, company, city or tags; an id; a whole or "
            "begun e-mail address (with @) or phone number (with country code).",
        ),
        OneLine,
    ]
    status: Status | None = None
    segment: Segment | None = None
    country: Country | None = None
    tag: Tag | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Cursor | None = None


class Found(Answer):
    customers: list[CustomerSummary]
    total_count: Annotated[int, Field(description="Matching customers; counting stops near 1,000.")]
    total_is_exact: Annotated[bool, Field(description="If false, there are more than total_count.")]
    next_cursor: NextCursor
    note: Annotated[str | None, Field(description="What to know about this answer.")] = None


class CustomerOrders(Arguments):
    customer_id: CustomerId
    status: OrderStatus | None = None
    limit: Annotated[int, Field(ge=1, le=50)] = 20
    cursor: Cursor | None = None


class OneOrder(Arguments):
    order_id: Annotated[str, Exact(), Field(pattern=r"^O-[0-9A-Z]{6,12}$", description="Like O-000042.")]


class OrderLine(Answer):
    line: int
    sku: Annotated[str, Exact()]
    description: str
    quantity: int
    unit_price: Decimal


class Order(Answer):
    id: Annotated[str, Exact()]
    status: OrderStatus
    ordered_at: datetime
    currency: Annotated[str, Field(description="ISO 4217; of total and unit_price.")]
    total: Decimal
    line_count: int
    lines: Annotated[list[OrderLine], Field(description="The first 5 of line_count.")]


class WholeOrder(Order):
    customer_id: Annotated[str, Exact()]
    lines: Annotated[list[OrderLine], Field(description="All of them, or the first 200 of line_count.")]
    complete: Annotated[bool, Field(description="Whether lines holds every line.")]


class Orders(Answer):
    orders: Annotated[list[Order], Field(description="Newest first.")]
    next_cursor: NextCursor


class RecentOrders(Answer):
    orders: Annotated[list[Order], Field(description="Newest first.")]
    more: Annotated[bool, Field(description="There are older ones: list_customer_orders.")]


class CreateCustomer(WriteArguments):
    name: Name
    company: Company | None = None
    email: Email | None = None
    phone: Phone | None = None
    street: Street | None = None
    postal_code: PostalCode | None = None
    city: City | None = None
    country: Country
    locale: Locale = "en"
    status: Status = Status.PROSPECT
    segment: Segment
    tags: Annotated[Tags, Field(default_factory=list)]


class Created(Answer):
    customer: Customer


class CustomerChanges(Arguments):
    """A JSON merge patch (RFC 7396): what is absent stays, null clears."""

    name: Name | None = None
    company: Company | None = None
    email: Email | None = None
    phone: Phone | None = None
    street: Street | None = None
    postal_code: PostalCode | None = None
    city: City | None = None
    country: Country | None = None
    locale: Locale | None = None
    status: Status | None = None
    segment: Segment | None = None
    tags: Annotated[Tags | None, Field(description="Replaces all tags.")] = None

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("name at least one field to change")
        kept = {"name", "country", "locale", "status", "segment", "tags"} & self.model_fields_set
        if cleared := sorted(field for field in kept if getattr(self, field) is None):
            raise ValueError(f"{', '.join(cleared)} cannot be cleared; leave out what is to stay")
        return self


class UpdateCustomer(WriteArguments):
    customer_id: CustomerId
    version: Version
    changes: CustomerChanges


class Updated(Answer):
    customer: Customer
    diff: Annotated[CustomerDiff, Field(description="Each changed field before and after; empty if none did.")]
    change_id: ChangeId = None
