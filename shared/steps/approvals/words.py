"""What a caller is told of a call that waits for people, or that they did not approve."""

from shared.core.approvals import ApprovalState, Kept
from shared.core.decision import Decision
from shared.core.errors import Failure, Lapsed, NeedsApproval, Rejected
from shared.core.tool import Tool

AGAIN = "Send another idempotency_key to ask again."

_ENDED = {
    ApprovalState.CANCELLED: "was cancelled by whoever asked",
    ApprovalState.EXPIRED: "expired before enough people had decided, or before it was done",
    ApprovalState.VOID: "holds no more: policy, or what people were shown, was changed",
    ApprovalState.FAILED: "was given, and the call failed",
}


def pending(approval: Kept, tool: Tool, url: str) -> NeedsApproval:
    """What the caller is told while people have not decided."""
    needs = "your own confirmation at the console" if approval.kind == "confirm" else _needs(approval.needed)
    message = (
        f"{tool.name} was not done yet. {approval.reason} It needs {needs}. Tell the person you work for, who "
        f"finds it at {url}. It is done once it is approved; repeat the call unchanged, with "
        "the same idempotency_key, to learn what came of it."
    )
    return NeedsApproval(
        message,
        approval.reason,
        approval.policies,
        approval.needed,
        approval_id=approval.id,
        status=str(approval.state),
        missing=approval.needed - len(approval.approvers),
        created_at=approval.created_at.isoformat(timespec="seconds"),
        expires_at=approval.expires_at.isoformat(timespec="seconds"),
        ttl_ms=int((approval.expires_at - approval.created_at).total_seconds() * 1000),
        review_url=url,
    )


def unaskable(decision: Decision, tool: Tool) -> NeedsApproval:
    """What the caller is told of what people cannot be asked."""
    needs = _needs(decision.approvals)
    message = (
        f"{tool.name} was not done. {decision.reason} It needs {needs}, who can be asked about "
        "changes only. Tell the person you work for; repeating the call will not help."
    )
    return NeedsApproval(message, decision.reason, decision.policies, decision.approvals)


def over(held: Kept, tool: Tool) -> Failure:
    """What the caller is told of a call that people did not approve, or that came to nothing."""
    if held.state is ApprovalState.REJECTED:
        reason = (held.outcome or {}).get("message", "")
        message = f"{tool.name} was not done: the people who were asked said no ({reason}). Do not insist."
        return Rejected(message, approval_id=held.id, status="rejected", reason=reason)
    message = f"{tool.name} was not done: the approval {held.id} {_ENDED[held.state]}. {AGAIN}"
    return Lapsed(message, approval_id=held.id, status=str(held.state), outcome=held.outcome)


def _needs(people: int) -> str:
    return f"the approval of {'a person' if people == 1 else f'{people} people'} other than you"
