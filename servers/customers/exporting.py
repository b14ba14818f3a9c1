"""Exports: asked for by a call, run by a worker (`exports.py`), read part by part as resources."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from servers.customers import export_queries
from servers.customers.models import Country, Customer, Segment, Status, Tag
from servers.customers.saving import new_id
from servers.customers.tools import tools
from shared.core.errors import NotFound, RateLimited
from shared.core.tool import Answer, Arguments, Call, Risk, WriteArguments
from shared.steps.redaction import Exact

EXPORT = "customers:export"
ROWS_MAX = 10_000
PART_ROWS = 200
UNFINISHED_MAX = 3
"""Exports of one caller that may wait or run at a time."""

_RETRY_S = 10.0
_REASONS = {
    "worker_lost": "Every process that ran it was lost. Ask for it again.",
    "unavailable": "The database was not there when it was needed. Ask for it again.",
    "timeout": "The database took too long. Narrow it with filters and ask again.",
}


class JobState(StrEnum):
    """Where an export stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    EXPIRED = "expired"


class ExportCustomers(WriteArguments):
    """Which customers; all without a filter."""

    status: Status | None = None
    segment: Segment | None = None
    country: Country | None = None
    tag: Tag | None = None


JobId = Annotated[str, Exact(), Field(pattern=r"^J-[0-9A-Z]{10}$", description="As export_customers returned it.")]


class OneJob(Arguments):
    """An export of the caller's own."""

    job_id: JobId


class OnePart(Arguments):
    """One part of a finished export."""

    job_id: JobId
    part: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,3}$", description="1 and up.")]


class JobFailure(Answer):
    """Why an export failed."""

    code: Annotated[str, Exact()]
    message: str


class Job(Answer):
    """An export: where it stands, and where to read it."""

    job_id: Annotated[str, Exact()]
    state: JobState
    rows: Annotated[int, Field(description="Customers exported so far.")]
    expected_rows: Annotated[int | None, Field(description="Known once it runs.")]
    progress: Annotated[float, Field(ge=0, le=1, description="1 when it is done.")]
    max_rows: Annotated[int, Field(description="One export holds no more than this.")] = ROWS_MAX
    truncated: Annotated[bool, Field(description="More customers fit than max_rows; narrow the filters.")]
    parts: Annotated[
        list[Annotated[str, Exact()]], Field(description=f"Once done: resources of up to {PART_ROWS} customers each.")
    ]
    failure: JobFailure | None
    created_at: datetime
    finished_at: datetime | None
    expires_at: Annotated[datetime, Field(description="The parts are deleted then.")]


class ExportPart(Answer):
    """One part of an export."""

    job_id: Annotated[str, Exact()]
    part: int
    parts: Annotated[int, Field(description="How many there are.")]
    customers: list[Customer]


@tools.write(EXPORT, risk=Risk.LOW, deferrable=True)
async def export_customers(call: Call, query: ExportCustomers) -> Job:
    """Start an export of all customers, or of those with a status, segment, country or tag: one snapshot of at
    most 10,000 rows, made in the background. Ask get_job for its state until it is done, then read the resources
    it names. At most 3 of yours wait or run at a time. For a few customers use search_customers.
    """
    owner = _owner(call)
    await call.transaction.rows(
        export_queries.ONE_AT_A_TIME, owner=" ".join([EXPORT, call.caller.tenant, *owner.values()])
    )
    [row] = await call.transaction.rows(export_queries.UNFINISHED, **owner)
    if row["jobs"] >= UNFINISHED_MAX:
        message = f"{row['jobs']} exports of yours are not finished. Wait for one of them (get_job), then repeat."
        raise RateLimited(message, _RETRY_S, "exports")
    await call.transaction.rows(export_queries.FORGET_OLD_JOBS)
    filters = query.model_dump(mode="json", include={"status", "segment", "country", "tag"}, exclude_none=True)
    [job] = await call.transaction.rows(
        export_queries.NEW_JOB,
        new_id=new_id("J"),
        new_filters=filters,
        **{f"new_{name}": value for name, value in owner.items()},
    )
    await call.transaction.rows(export_queries.ENQUEUE, tenant=call.caller.tenant, new_id=job["id"])
    return _shown(job)


@tools.read(EXPORT, polls=True)
async def get_job(call: Call, query: OneJob) -> Job:
    """Read the state of an export of yours; once it is done, the resources to read it from.
    Wait a few seconds between two calls. Parts are deleted 24 hours after the export was finished.
    """
    job = await call.database.row(export_queries.JOB, id=query.job_id, **_owner(call))
    if job is None:
        raise NotFound(f"You have no export {query.job_id}. Start one with export_customers.")
    return _shown(job)


@tools.resource("customers-export://{job_id}/{part}", EXPORT)
async def read_export_part(call: Call, query: OnePart) -> ExportPart:
    """One part of a finished export of yours: up to 200 customers, as you may see them now."""
    row = await call.database.row(export_queries.PART, id=query.job_id, part=int(query.part), **_owner(call))
    if row is None:
        raise NotFound(f"You have no part {query.part} of an export {query.job_id}, or no longer; get_job names them.")
    customers = [Customer.model_validate(customer) for customer in row["customers"]]
    return ExportPart(job_id=query.job_id, part=row["part"], parts=row["parts"], customers=customers)


def _owner(call: Call) -> dict[str, str]:
    """An export is the business of whoever asked for it, and of nobody else in the tenant."""
    return {"issuer": call.caller.issuer, "subject": call.caller.subject}


def _shown(job: Any) -> Job:
    done = job["state"] == JobState.DONE
    readable = done and job["expires_at"] > datetime.now(UTC)
    expected, rows = job["expected_rows"], job["rows_done"]
    return Job(
        job_id=job["id"],
        state=JobState.EXPIRED if done and not readable else job["state"],
        rows=rows,
        expected_rows=expected,
        progress=1.0 if done else min(rows / expected, 0.99) if expected else 0.0,
        truncated=job["truncated"],
        parts=[f"customers-export://{job['id']}/{part}" for part in range(1, job["parts"] + 1)] if readable else [],
        failure=_failure(job["error"]) if job["error"] else None,
        created_at=job["created_at"],
        finished_at=job["finished_at"],
        expires_at=job["expires_at"],
    )


def _failure(code: str) -> JobFailure:
    return JobFailure(code=code, message=_REASONS.get(code, "It failed, and the reason is in the logs. Ask again."))
