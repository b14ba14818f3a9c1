"""Addresses to write to, for our mail server alone: whoever sends through it need not see them."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from servers.customers import queries
from servers.customers.fields import CustomerId, Status
from servers.customers.tools import tools
from shared.core.tool import Answer, Arguments, Call
from shared.steps.redaction import Exact, Sensitive, mask_email

CONTACT = "customers:contact"


class Contactable(Arguments):
    """Customers by their ids."""

    customer_ids: Annotated[list[CustomerId], Field(min_length=1, max_length=100)]


class Contact(Answer):
    """One customer who can be written to.

    Attributes:
        language: To write in, like `de-DE`.
    """

    id: Annotated[str, Exact()]
    name: str
    email: Annotated[str, Sensitive(CONTACT, mask_email)]
    status: Status
    language: str | None = None


class Unreachable(Answer):
    """One id that is nobody to write to, and why."""

    id: Annotated[str, Exact()]
    why: Literal["unknown", "archived", "merged", "no_email"]
    what: Annotated[str, Field(description="The same in words, and what to do.")]
    merged_into: Annotated[str | None, Exact(), Field(description="Write to this one instead.")] = None


class Contacts(Answer):
    """Every id that was asked for, in one of two lists."""

    contacts: Annotated[list[Contact], Field(description="In the order asked for, each once.")]
    missing: Annotated[list[Unreachable], Field(description="The ids that are nobody to write to.")]


@tools.read(CONTACT)
async def resolve_contacts(call: Call, query: Contactable) -> Contacts:
    """Name, e-mail address and language of up to 100 customers by id, unmasked, for a server that writes to them.
    Archived, merged and unknown customers are told one by one in `missing` and are no error.
    """
    rows = {row["id"]: row for row in await call.database.rows(queries.BY_IDS, ids=query.customer_ids)}
    found = [_contact(customer_id, rows.get(customer_id)) for customer_id in dict.fromkeys(query.customer_ids)]
    return Contacts(
        contacts=[one for one in found if isinstance(one, Contact)],
        missing=[one for one in found if isinstance(one, Unreachable)],
    )


def _contact(customer_id: str, row: Mapping[str, Any] | None) -> Contact | Unreachable:
    if row is None:
        return Unreachable(id=customer_id, why="unknown", what=f"There is no customer {customer_id}.")
    if (into := row["merged_into"]) is not None:
        said = f"{customer_id} was merged into {into}. Write to {into} instead."
        return Unreachable(id=customer_id, why="merged", what=said, merged_into=into)
    if row["status"] == Status.ARCHIVED:
        said = f"{customer_id} is archived and is not written to. Leave it out."
        return Unreachable(id=customer_id, why="archived", what=said)
    if not row["email"]:
        said = f"{customer_id} has no e-mail address. Leave it out, or have one entered."
        return Unreachable(id=customer_id, why="no_email", what=said)
    shown = {field: row[field] for field in ("id", "name", "email", "status")}
    return Contact(**shown, language=row["locale"])
