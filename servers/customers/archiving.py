"""Taking customers out of use, and back into it. No customer is ever deleted."""

from typing import Annotated

from pydantic import Field

from servers.customers.fields import CustomerId, Status
from servers.customers.models import Customer
from servers.customers.saving import locked, save
from servers.customers.tools import tools
from shared.core.fields import Version
from shared.core.tool import Answer, Call, Risk, WriteArguments


class OneVersion(WriteArguments):
    """One customer as it was read."""

    customer_id: CustomerId
    version: Version


class StatusChanged(Answer):
    """The customer, and the status it had."""

    customer: Customer
    status_before: Annotated[Status, Field(description="As customer.status if there was nothing to do.")]


@tools.write("customers:write", risk=Risk.MEDIUM, inverse="restore_customer")
async def archive_customer(call: Call, query: OneVersion) -> StatusChanged:
    """Take a customer out of use; orders and notes stay, and restore_customer brings it back.
    Use it for somebody who left or was created by mistake; for the same customer twice use merge_customers.
    Pass the version from get_customer.
    """
    before = (await locked(call, {query.customer_id: query.version}))[query.customer_id]
    archived = before["status"] == Status.ARCHIVED
    after = before if archived else await save(call, before, {"status": Status.ARCHIVED})
    return StatusChanged(customer=Customer(**after), status_before=before["status"])


@tools.write("customers:write", risk=Risk.MEDIUM, inverse="archive_customer")
async def restore_customer(call: Call, query: OneVersion) -> StatusChanged:
    """Bring an archived customer back with the status it had before, or inactive if that is not known.
    Not for one that was merged into another: that is taken back with undo_change. Pass the version from
    get_customer.
    """
    before = (await locked(call, {query.customer_id: query.version}))[query.customer_id]
    status = before["archived_from"] or Status.INACTIVE
    after = await save(call, before, {"status": status}) if before["status"] == Status.ARCHIVED else before
    return StatusChanged(customer=Customer(**after), status_before=before["status"])
