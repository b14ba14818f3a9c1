"""What people decide. Everything that makes a decision one (another person, the very payload that was shown, a fresh
and strong sign-in, one vote each) is enforced here and in the database, whatever a page shows.
"""

from typing import Any, Literal

from servers.console.desk import desk
from servers.console.lens import Lens, current
from servers.console.models import Approve, Cancel, Decide, Reject, Verdict
from servers.console.tools import kept_one, no_approval, tools
from shared.core.approvals import Kept
from shared.core.errors import Conflict, Denied, Invalid
from shared.core.tool import Call, Risk

FRESH_S = 300
"""How long ago whoever decides may have signed in."""


@tools.write("approvals:decide", risk=Risk.HIGH, acr="aal2", max_age_s=FRESH_S)
async def approve(call: Call, query: Approve) -> Verdict:
    """Approve what somebody else asked for, as it is or with some of its arguments changed."""
    kept = await kept_one(call, query.approval_id)
    edited = _edited(Lens.of(desk(call).servers, kept, call.caller), query.edited) if query.edited else None
    return await _decide(call, query, kept, "approve", edited)


@tools.write("approvals:decide", risk=Risk.HIGH, acr="aal2", max_age_s=FRESH_S)
async def reject(call: Call, query: Reject) -> Verdict:
    """Refuse what somebody else asked for, and say why."""
    return await _decide(call, query, await kept_one(call, query.approval_id), "reject", None)


@tools.write("approvals:own", risk=Risk.HIGH, max_age_s=FRESH_S)
async def confirm(call: Call, query: Decide) -> Verdict:
    """Say yes to what an agent asked for in the viewer's own name, where policy wants nobody else's approval."""
    kept = await _own(call, query.approval_id)
    if kept.kind != "confirm":
        raise Denied("You asked for this yourself; somebody else has to decide.", "requester and approver differ", ())
    return await _decide(call, query, kept, "approve", None)


@tools.write("approvals:own", risk=Risk.LOW)
async def cancel(call: Call, query: Cancel) -> Verdict:
    """Give up what the viewer asked for, before it is decided."""
    kept = await _own(call, query.approval_id)
    if query.dry_run:
        return _verdict(kept, "cancel")
    cancelled = await desk(call).inbox.cancel(call.caller.tenant, query.approval_id, call.caller)
    await desk(call).tell(cancelled)
    return _verdict(cancelled, "cancel")


async def _decide(
    call: Call, query: Decide, kept: Kept, verdict: Literal["approve", "reject"], edited: dict[str, Any] | None
) -> Verdict:
    """Raises as `Inbox.decide` does. A dry run decides nothing, and tells only where it stands."""
    if query.dry_run:
        if query.payload != kept.payload:
            raise Conflict("It was changed since you were shown it. Look at it again, then decide.")
        return _verdict(kept, verdict)
    decided = await desk(call).inbox.decide(
        call.caller.tenant,
        query.approval_id,
        call.caller,
        verdict,
        payload=query.payload,
        reason=query.reason,
        edited=edited,
    )
    await desk(call).tell(decided)
    return _verdict(decided, verdict)


def _edited(lens: Lens, changes: dict[str, str]) -> dict[str, Any]:
    """All arguments with the changes.

    Raises:
        Invalid: Something may not be changed, or does not fit the tool's own rules.
    """
    if lens.tool is None:
        raise Conflict(f"{lens.kept.tool} is not offered any more; nothing can be changed in it.")
    if unknown := sorted(set(changes) - set(lens.editable)):
        may = ", ".join(lens.editable) or "nothing"
        raise Invalid(f"{', '.join(unknown)} may not be changed before approving; what may: {may}.")
    edited = {**current(lens.kept), **changes}
    # As the tool reads it: what an approver types is held to the same rules as what a caller sends.
    parsed = lens.tool.parse(edited).model_dump(mode="json", by_alias=True)
    return {name: parsed.get(name, value) if name in changes else value for name, value in edited.items()}


async def _own(call: Call, approval_id: str) -> Kept:
    kept = await kept_one(call, approval_id)
    if not kept.by(call.caller.issuer, call.caller.subject):
        raise no_approval(approval_id)
    return kept


def _verdict(kept: Kept, verdict: Literal["approve", "reject", "cancel"]) -> Verdict:
    return Verdict(
        approval_id=kept.id,
        verdict=verdict,
        state=kept.state.value,
        needed=kept.needed,
        approved=len({(one.issuer, one.subject) for one in kept.approvers}),
    )
