"""Tools that begin jobs, and one that does not."""

from typing import Annotated

import anyio
from pydantic import Field

from shared.core.errors import Conflict
from shared.core.jobs import CancelJob, Job, JobId, OneJob
from shared.core.tool import Arguments, Call, Risk, WriteArguments
from shared.core.work import Working
from tests.conformance.server.tools import SCOPE, Text, tools

PARTS = "computed://{job_id}/{part}"


class Greet(Arguments):
    name: Annotated[str, Field(max_length=100)]


class Compute(WriteArguments):
    seconds: Annotated[float, Field(ge=0, le=60)]
    label: Annotated[str, Field(max_length=100)]


class Fail(WriteArguments):
    """Nothing is needed."""


class OnePart(Arguments):
    job_id: JobId
    part: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,3}$")]


@tools.read(SCOPE)
async def greet(call: Call, query: Greet) -> Text:
    """Greet somebody at once."""
    del call
    return Text(text=f"Hello, {query.name}!")


@tools.write(SCOPE, risk=Risk.LOW)
async def slow_compute(call: Call, query: Compute) -> Job:
    """Compute for so many seconds."""
    return await call.jobs.begin(query)


@tools.work("slow_compute", parts=PARTS)
async def compute(work: Working, query: Compute) -> None:
    """Keep one row when the time is over."""
    await anyio.sleep(query.seconds)
    await work.keep([query.label])


class Delete(WriteArguments):
    filename: Annotated[str, Field(max_length=100)]


@tools.write(SCOPE, risk=Risk.LOW)
async def confirm_delete(call: Call, query: Delete) -> Job:
    """Delete something. Nobody is asked, whatever its name says."""
    return await call.jobs.begin(query)


@tools.work("confirm_delete", parts=PARTS)
async def delete(work: Working, query: Delete) -> None:
    """Nothing is there to be deleted."""
    del work, query


@tools.write(SCOPE, risk=Risk.LOW)
async def failing_job(call: Call, query: Fail) -> Job:
    """Begin what cannot be done."""
    return await call.jobs.begin(query)


@tools.work("failing_job", parts=PARTS)
async def fail(work: Working, query: Fail) -> None:
    """Fail as tools fail."""
    del work, query
    raise Conflict("This job fails on purpose.")


@tools.write(SCOPE, risk=Risk.LOW)
async def protocol_error_job(call: Call, query: Fail) -> Job:
    """Begin what crashes."""
    return await call.jobs.begin(query)


@tools.work("protocol_error_job", parts=PARTS)
async def crash(work: Working, query: Fail) -> None:
    """Fail as no tool should."""
    del work, query
    raise RuntimeError("on purpose")


@tools.read(SCOPE, polls=True, deadline_s=30)
async def get_job(call: Call, query: OneJob) -> Job:
    """How far it is."""
    return await call.jobs.find(query.job_id, wait_s=query.wait_s)


@tools.write(SCOPE, risk=Risk.LOW)
async def cancel_job(call: Call, query: CancelJob) -> Job:
    """Stop it."""
    return await call.jobs.cancel(query.job_id)


@tools.resource(PARTS, SCOPE)
async def read_part(call: Call, query: OnePart) -> Text:
    """What was computed."""
    part = await call.jobs.part(query.job_id, int(query.part))
    return Text(text=str(part.rows[0]))
