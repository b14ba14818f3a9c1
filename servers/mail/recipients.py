"""Who a mail goes to: customers by id, whose addresses the customers server gives us, and addresses as written."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict

from servers.mail import queries
from servers.mail.models import Mailbox, Skipped, mask_recipient
from servers.mail.safety.addresses import Address, checked_address
from shared.core.errors import Invalid, NotFound
from shared.core.tool import Answer, Call, Queries
from shared.steps.redaction import Exact, Sensitive, mask_email

_AT_ONCE = 100
"""Customers of one call of resolve_contacts."""
_TOLD = 20

Place = Literal["to", "cc", "bcc"]


class Contact(BaseModel):
    """A customer as somebody to write to."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: Annotated[str, Exact()]
    name: str
    email: Annotated[str | None, Sensitive("mail:pii", mask_email)]


class Missing(BaseModel):
    """Why a customer cannot be written to; `what` says it in words."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: Annotated[str, Exact()]
    why: str
    what: str


class Contacts(Answer):
    """What the customers server answers."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    contacts: list[Contact]
    missing: list[Missing]


@dataclass(frozen=True)
class Person:
    """Somebody to write to.

    Attributes:
        name: That the customer is kept under.
    """

    address: Address
    place: Place = "to"
    customer_id: str | None = None
    name: str | None = None

    @property
    def shown(self) -> Mailbox:
        return Mailbox(address=self.address.mailbox, name=self.name, customer_id=self.customer_id)

    def skipped(self, reason: str) -> Skipped:
        """The same, with why nothing goes there."""
        return Skipped(address=self.address.mailbox, name=self.name, customer_id=self.customer_id, reason=reason)


async def people_of(call: Call, given: Mapping[Place, Sequence[str]]) -> list[Person]:
    """Everybody, in order, each address once: who is in To is not again in Cc.

    Raises:
        NotFound: A customer is not there, archived or merged; it says which, and what to do.
        Invalid: Something is no address, or a customer has none.
    """
    contacts = await _contacts(call, [one for several in given.values() for one in several])
    people: dict[str, Person] = {}
    for place in ("to", "cc", "bcc"):
        for text in given.get(place, ()):
            person = _person(text, place, contacts)
            people.setdefault(person.address.key, person)
    return [*people.values()]


def _person(text: str, place: Place, contacts: Mapping[str, Contact]) -> Person:
    if "@" in text:
        return Person(checked_address(text), place)
    contact = contacts[text]
    if contact.email is None:
        raise Invalid(f"{contact.id} has no e-mail address. Leave them out, or have one entered first.")
    try:
        address = checked_address(contact.email)
    except Invalid:  # its message would show the address
        raise Invalid(f"The e-mail address {contact.id} is kept with is not valid. Have it corrected first.") from None
    return Person(_named(address, contact.name), place, contact.id, contact.name)


def _named(address: Address, name: str) -> Address:
    try:
        return replace(address, name=name)
    except Invalid:  # a name that no header may hold
        return address


async def _contacts(call: Call, given: Iterable[str]) -> dict[str, Contact]:
    ids = [*dict.fromkeys(one for one in given if "@" not in one)]
    if not ids:
        return {}
    found = await call.gather("recipients", lambda: _resolved(call, ids), Contacts)
    if found.missing:
        told = " ".join(f"{one.id}: {one.what}" for one in found.missing[:_TOLD])
        raise NotFound(
            f"{len(found.missing)} of the customers cannot be written to. {told}",
            missing=[{"id": one.id, "why": one.why} for one in found.missing[:_TOLD]],
        )
    return {contact.id: contact for contact in found.contacts}


async def _resolved(call: Call, ids: Sequence[str]) -> Contacts:
    customers = call.peer("customers")
    contacts: list[Contact] = []
    missing: list[Missing] = []
    for start in range(0, len(ids), _AT_ONCE):
        some = {"customer_ids": ids[start : start + _AT_ONCE]}
        answer = await customers.call("resolve_contacts", some, Contacts)
        contacts += answer.contacts
        missing += answer.missing
        await call.progress(start + len(answer.contacts), len(ids), "recipients found")
    return Contacts(contacts=contacts, missing=missing)


async def suppressed(reads: Queries, people: Iterable[Person]) -> dict[str, str]:
    """Why nothing more goes to some of these, by the key of their address."""
    keys = [person.address.key for person in people]
    rows = await reads.rows(queries.SUPPRESSED, addresses=keys) if keys else []
    return {row["address"]: row["reason"] for row in rows}


def unshown(text: str, people: Iterable[Person]) -> str:
    """A sentence for the caller, without the addresses that were looked up for them."""
    for person in people:
        if person.customer_id is not None:
            text = text.replace(person.address.mailbox, mask_recipient(person.address.mailbox))
    return text
