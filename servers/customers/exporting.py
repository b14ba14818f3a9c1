"""Exports: begun by a call, made by a worker (`exports.py`), read part by part as resources."""

from typing import Annotated

from pydantic import Field

from servers.customers.fields import Country, Segment, Status, Tag
from servers.customers.models import Customer
from servers.customers.tools import tools
from shared.core.jobs import CancelJob, Job, JobId, OneJob
from shared.core.tool import Answer, Arguments, Call, Risk, WriteArguments
from shared.steps.redaction import Exact

EXPORT = "customers:export"
ROWS_MAX = 10_000
PART_ROWS = 200


class ExportCustomers(WriteArguments):
    """Which customers; all without a filter."""

    status: Status | None = None
    segment: Segment | None = None
    country: Country | None = None
    tag: Tag | None = None


class OnePart(Arguments):
    """One part of a finished export."""

    job_id: JobId
    part: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,3}$", description="1 and up.")]


class ExportPart(Answer):
    """One part of an export."""

    job_id: Annotated[str, Exact()]
    part: int
    parts: Annotated[int, Field(description="How many there are.")]
    customers: list[Customer]


@tools.write(EXPORT, risk=Risk.LOW, deferrable=True, inverse="cancel_job")
async def export_customers(call: Call, query: ExportCustomers) -> Job:
    """Start an export of all customers, or of those with a status, segment, country or tag: one snapshot of at
    most 10,000 rows, made in the background. Ask get_job for its state until it is done, then read the resources
    it names, 200 customers each. At most 3 of yours wait or run at a time. For a few customers use search_customers.
    """
    return await call.jobs.begin(query)


@tools.read(EXPORT, polls=True, deadline_s=30)
async def get_job(call: Call, query: OneJob) -> Job:
    """Read the state of an export of yours; once it is done, the resources to read it from. With wait_s it answers as
    soon as the export has ended; without, wait a few seconds between two calls. Parts are deleted 24 hours after the
    export was finished.
    """
    return await call.jobs.find(query.job_id, wait_s=query.wait_s)


@tools.write(EXPORT, risk=Risk.LOW)
async def cancel_job(call: Call, query: CancelJob) -> Job:
    """Stop an export of yours that is not wanted any more; what it has made so far is deleted. One that has ended
    stays as it is.
    """
    return await call.jobs.cancel(query.job_id)


@tools.resource("customers-export://{job_id}/{part}", EXPORT)
async def read_export_part(call: Call, query: OnePart) -> ExportPart:
    """One part of a finished export of yours: up to 200 customers, as you may see them now."""
    part = await call.jobs.part(query.job_id, int(query.part))
    customers = [Customer.model_validate(customer) for customer in part.rows]
    return ExportPart(job_id=query.job_id, part=part.number, parts=part.parts, customers=customers)
