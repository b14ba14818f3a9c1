"""What the console's pages read of approvals. No model is offered these: each page runs them as whoever looks.

The modules that `server.py` lists under ACTS add decisions, the audit, the catalogue and health to the same toolset.
"""

from servers.console.desk import desk
from servers.console.lens import Lens
from servers.console.models import Approval, Approvals, Everything, One, Past
from servers.console.presenting import approval, summary
from shared.core.approvals import Kept
from shared.core.errors import NotFound
from shared.core.tool import Call
from shared.core.toolset import Toolset

tools = Toolset()


@tools.read("approvals:read")
async def list_waiting(call: Call, _: Everything) -> Approvals:
    """What waits for people to decide: escalated ones first, then by the time that is left."""
    waiting = await desk(call).inbox.waiting(call.caller.tenant)
    return Approvals(approvals=[summary(_lens(call, kept)) for kept in waiting if kept.kind == "approve"])


@tools.read("approvals:read")
async def list_past(call: Call, query: Past) -> Approvals:
    """What has been decided, given up, or has run out of time; the newest first."""
    past = await desk(call).inbox.past(call.caller.tenant, query.before, query.limit)
    more = past[-1].created_at if len(past) == query.limit else None
    return Approvals(approvals=[summary(_lens(call, kept)) for kept in past], next_before=more)


@tools.read("approvals:own")
async def list_requests(call: Call, _: Everything) -> Approvals:
    """What the viewer asked for, the newest first."""
    own = await desk(call).inbox.of(call.caller.tenant, call.caller.issuer, call.caller.subject)
    return Approvals(approvals=[summary(_lens(call, kept)) for kept in own])


@tools.read("approvals:read")
async def get_approval(call: Call, query: One) -> Approval:
    """All of one approval, whoever asked for it."""
    return approval(_lens(call, await kept_one(call, query.approval_id)))


@tools.read("approvals:own")
async def get_request(call: Call, query: One) -> Approval:
    """All of one approval that the viewer asked for."""
    kept = await kept_one(call, query.approval_id)
    if not kept.by(call.caller.issuer, call.caller.subject):
        raise no_approval(query.approval_id)
    return approval(_lens(call, kept))


async def kept_one(call: Call, approval_id: str) -> Kept:
    """One approval of the caller's tenant.

    Raises:
        NotFound: There is none.
    """
    kept = await desk(call).inbox.one(call.caller.tenant, approval_id)
    if kept is None:
        raise no_approval(approval_id)
    return kept


def no_approval(approval_id: str) -> NotFound:
    return NotFound(f"There is no approval {approval_id}, or not for you. Look for it among those you were shown.")


def _lens(call: Call, kept: Kept) -> Lens:
    return Lens.of(desk(call).servers, kept, call.caller)
