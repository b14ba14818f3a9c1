"""What a field of a customer may hold, and who may see it."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from shared.core.fields import EachOnce, OneLine
from shared.steps.redaction import Exact, Sensitive, mask_all, mask_email, mask_phone

PII = "customers:pii"


class Status(StrEnum):
    PROSPECT = "prospect"
    ACTIVE = "active"
    INACTIVE = "inactive"
    ARCHIVED = "archived"


class Segment(StrEnum):
    ENTERPRISE = "enterprise"
    MID_MARKET = "mid_market"
    SMALL_BUSINESS = "small_business"
    CONSUMER = "consumer"


class OrderStatus(StrEnum):
    PENDING = "pending"
    PAID = "paid"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"


CustomerId = Annotated[str, Exact(), Field(pattern=r"^C-[0-9A-Z]{6,12}$", description="Like C-000042.")]
Name = Annotated[str, Field(min_length=1, max_length=120), OneLine]
Company = Annotated[str, Field(min_length=1, max_length=120), OneLine]
Email = Annotated[
    str, Field(max_length=254, pattern=r"^[^\s@]{1,64}@[^\s@]+\.[^\s@.]{2,}$"), OneLine, Sensitive(PII, mask_email)
]
Phone = Annotated[
    str,
    Field(pattern=r"^\+[1-9][0-9]{6,14}$", description="E.164: + and digits only, with the country code."),
    Sensitive(PII, mask_phone),
]
Street = Annotated[str, Field(min_length=1, max_length=200), OneLine, Sensitive(PII, mask_all)]
PostalCode = Annotated[str, Field(min_length=1, max_length=16), OneLine, Sensitive(PII, mask_all)]
City = Annotated[str, Field(min_length=1, max_length=100), OneLine]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2, like DE.")]
Locale = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$", description="Language to write in, like de-DE.")]
Tag = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", description="Like late-payer.")]
Tags = Annotated[list[Tag], Field(max_length=20), EachOnce]
