"""Finds out, beside the calls, what became of writes whose reply was lost."""

import asyncio

import structlog

from shared.core.caller import LOCAL, Caller
from shared.core.errors import Failure
from shared.core.request import Request
from shared.edge.outbound.opened import Opened
from shared.state.sendings import Sending
from shared.steps import audit
from shared.steps.sending import MARGIN_S, settled

_MOST = 50
_LOOK_S = 30.0

log = structlog.get_logger("outbound")


async def reconcile(opened: Opened, sink: audit.Sink) -> None:
    """Settle what is left until cancelled; without a service credential only the callers' repeats do."""
    if opened.as_service() is None:
        return
    while True:
        try:
            await settle_left(opened, sink)
        except Failure as failure:
            log.warning("lost replies wait", upstream=opened.name, code=failure.code)
        await asyncio.sleep(min(_LOOK_S, max(opened.upstream.settle_s, 1.0)))


async def settle_left(opened: Opened, sink: audit.Sink) -> int:
    """Settle each write that is on record as sent and whose end nobody knows; how many there were to settle.

    Two replicas that look at once find the same; who notes it first has it in the audit.

    Raises:
        Failure: The other side or the database is away.
    """
    reader = opened.as_service()
    steps = {step.name: step for step in opened.over.steps}
    count = 0
    if reader is None:
        return count
    sendings = opened.sendings
    in_flight_s = opened.in_flight_s + MARGIN_S
    settle_s = max(opened.upstream.settle_s, in_flight_s)
    for found in await sendings.left(in_flight_s, _MOST):
        if (step := steps.get(found.step)) is None:
            continue
        now = await settled(sendings, found, step, reader, settle_s)
        if now.noted:
            await _record(opened, sink, found, "done" if now.reference is not None else "lost")
            count += 1
    return count


async def _record(opened: Opened, sink: audit.Sink, found: Sending, became: str) -> None:
    """Nobody called, so the server itself is named."""
    request = Request(server=opened.server, kind="resource", name=f"{opened.name}:{found.target}", agent="mcp-suite")
    ourselves = Caller("reconciler", LOCAL, "mcp-suite", opened.upstream.tenant, frozenset())
    async with audit.record(sink, request, ourselves) as entry:
        entry.facts |= {"transport": "worker", "step": found.step, "marker": found.marker, "became": became}
