"""Exports: asked for by a call, made in the background (`exports.py`), read part by part as resources."""

from typing import Annotated

from pydantic import Field

from servers.tickets.arguments import ExportTickets, OnePart
from servers.tickets.models import EXPORT, Ticket
from servers.tickets.tools import tools
from shared.core.jobs import CancelJob, Job, OneJob
from shared.core.tool import Answer, Call, Risk
from shared.steps.redaction import Exact

PARTS = "tickets-export://{job_id}/{part}"
PART_ROWS = 500
ROWS_MAX = 100_000


class ExportPart(Answer):
    """One part of an export."""

    job_id: Annotated[str, Exact()]
    part: int
    parts: Annotated[int, Field(description="How many there are.")]
    tickets: Annotated[list[Ticket], Field(description="In the order of ids, all parts together.")]


@tools.write("tickets:read", EXPORT, risk=Risk.LOW, deferrable=True, inverse="cancel_job")
async def export_tickets(call: Call, query: ExportTickets) -> Job:
    """Start an export of all tickets there are now, or of those that fit `where`, without comments: made in the
    background, at most 100,000. Ask get_job until it is done, then read the resources it names. cancel_job stops
    it. For a few tickets use search_tickets.
    """
    return await call.jobs.begin(query)


@tools.read(EXPORT, polls=True, deadline_s=30)
async def get_job(call: Call, query: OneJob) -> Job:
    """Read how far an export of yours is; once it is done, the resources to read it from. With wait_s it answers
    when it has ended, or then. Parts are deleted a day after it was done.
    """
    return await call.jobs.find(query.job_id, wait_s=query.wait_s)


@tools.write(EXPORT, risk=Risk.LOW)
async def cancel_job(call: Call, query: CancelJob) -> Job:
    """Stop an export of yours that waits or runs; what it had made is deleted. One that has ended stays as it is."""
    return await call.jobs.cancel(query.job_id)


@tools.resource(PARTS, EXPORT)
async def read_export_part(call: Call, query: OnePart) -> ExportPart:
    """One part of a finished export of yours: up to 500 tickets, as you may see them now."""
    part = await call.jobs.part(query.job_id, int(query.part))
    return ExportPart(
        job_id=query.job_id,
        part=part.number,
        parts=part.parts,
        tickets=[Ticket.model_validate(row) for row in part.rows],
    )
