"""How the servers do at a glance: calls, errors and latency of the tenant, counted in its audit, and what answers."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import anyio

from servers.console.desk import desk
from servers.console.records import Word
from servers.console.tools import tools
from shared.core.errors import SuiteError
from shared.core.tool import Answer, Arguments, Call
from shared.steps.audit.measuring import measure
from shared.steps.redaction import Exact

_SPANS = {"hour": (timedelta(minutes=1), 60), "day": (timedelta(minutes=15), 96)}
_CHECK_S = 3.0


class Window(Arguments):
    """How far back to look."""

    window: Literal["hour", "day"] = "hour"


class Span(Answer):
    """What one server did in one span of time; latencies in seconds."""

    began: datetime
    server: Annotated[str, Exact()]
    calls: int
    failed: int
    refused: int
    p50_s: float | None
    p95_s: float | None


class State(Answer):
    """Whether something that the process needs answers."""

    name: Word
    answers: bool


class Health(Answer):
    """Spans in which nothing was called are left out.

    Attributes:
        step_s: How long each span is, in seconds.
        spans: How many there are.
        waiting: Approvals that wait for people.
        escalated: Those of them that have waited too long.
        checks: Of the replica that answers.
    """

    since: datetime
    step_s: int
    spans: int
    measured: list[Span]
    waiting: int
    escalated: int
    checks: list[State]


@tools.read("health:read", polls=True)
async def get_health(call: Call, query: Window) -> Health:
    """Calls, refusals, failures and latency by server over the last hour or day, and what answers."""
    here, tenant = desk(call), call.caller.tenant
    step, spans = _SPANS[query.window]
    since = _begin(datetime.now(UTC), step, spans)
    async with here.database.snapshot(tenant) as transaction:
        measured = await measure(transaction.connection, tenant, since, step, spans)
    waiting = await here.inbox.waiting(tenant)
    return Health(
        since=since,
        step_s=int(step.total_seconds()),
        spans=spans,
        measured=[Span.model_validate(each, from_attributes=True) for each in measured],
        waiting=len(waiting),
        escalated=sum(kept.escalated_at is not None for kept in waiting),
        checks=await _states(here.checks),
    )


def _begin(now: datetime, step: timedelta, spans: int) -> datetime:
    """When the first span begins, so that the last holds the present."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + ((now - midnight) // step + 1 - spans) * step


async def _states(checks: Any) -> list[State]:
    answers: dict[str, bool] = {}
    async with anyio.create_task_group() as tasks:
        for name, check in checks.items():
            tasks.start_soon(_ask, name, check, answers)
    return [State(name=name, answers=answers[name]) for name in checks]


async def _ask(name: str, check: Any, answers: dict[str, bool]) -> None:
    answers[name] = False
    try:
        with anyio.fail_after(_CHECK_S):
            await check()
        answers[name] = True
    except (SuiteError, TimeoutError):
        pass
