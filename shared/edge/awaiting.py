"""Calls that wait for people, as tasks of the extension (`io.modelcontextprotocol/tasks`, SEP-2663).

The task's id is the approval's. While nobody has decided, and while it is done, it is `working`; then it is completed,
with the result that the call would have had, or with the failure of one that nobody approved.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shared.core.approvals import ID_PATTERN, ApprovalState, Kept
from shared.core.caller import Caller
from shared.core.errors import Failure, NeedsApproval
from shared.core.request import Request
from shared.core.server import Server
from shared.edge.approved import request_of
from shared.edge.results import answered, failed
from shared.pipeline import Pipeline

_POLL_MS = 2000
_MS = 1000
_ID = re.compile(ID_PATTERN)


def names(task_id: str) -> bool:
    """Whether the task is a call that waits for people."""
    return _ID.fullmatch(task_id) is not None


def waits(failure: NeedsApproval) -> bool:
    """Whether people were asked, so that something may come of it."""
    return "approval_id" in failure.details


def created(failure: NeedsApproval) -> dict[str, Any]:
    """The result of a call that people have to approve (`CreateTaskResult`)."""
    about: Mapping[str, Any] = failure.details
    return {
        "resultType": "task",
        "taskId": about["approval_id"],
        "status": "working",
        "statusMessage": failure.message,
        "createdAt": about["created_at"],
        "lastUpdatedAt": about["created_at"],
        "ttlMs": about["ttl_ms"],
        "pollIntervalMs": _POLL_MS,
    }


async def ask(
    server: Server, pipeline: Pipeline, request: Request, caller: Caller, task_id: str, *, cancel: bool
) -> dict[str, Any]:
    """The task as it is (`DetailedTask`); cancelled first, if nobody has decided.

    Raises:
        NotFound: There is none, or none of this caller.
    """
    approval = await pipeline.own_approval(request, caller, task_id, cancel=cancel)
    task = _task(approval)
    if approval.state.ended and approval.state is not ApprovalState.CANCELLED:
        task |= {"status": "completed", "result": await _result(server, pipeline, request, caller, approval)}
    return task


async def _result(
    server: Server, pipeline: Pipeline, request: Request, caller: Caller, approval: Kept
) -> dict[str, Any]:
    """What the call came to: the ledger's answer, or why there is none. It passes the whole path, as each call does."""
    again = replace(
        request_of(approval),
        request_id=request.request_id,
        era=request.era,
        transport=request.transport,
        client_address=request.client_address,
        agent=request.agent,
    )
    tool = server.tools.tools.get(approval.tool)
    try:
        return answered(await pipeline.call(again, caller, tool), tool.links if tool else None)
    except Failure as failure:
        return failed(failure, request.request_id)


def _task(approval: Kept) -> dict[str, Any]:
    lives = approval.expires_at - approval.created_at
    updated = approval.finished_at or approval.decided_at or approval.escalated_at or approval.created_at
    cancelled = approval.state is ApprovalState.CANCELLED
    return {
        "taskId": approval.id,
        "status": "cancelled" if cancelled else "working",
        "statusMessage": _STATUS[approval.state],
        "createdAt": approval.created_at.isoformat(),
        "lastUpdatedAt": updated.isoformat(),
        "ttlMs": int(lives.total_seconds() * _MS),
        "pollIntervalMs": _POLL_MS,
    }


_STATUS = {
    ApprovalState.PENDING: "waits for approval",
    ApprovalState.APPROVED: "approved; it is being done",
    ApprovalState.DONE: "approved and done",
    ApprovalState.FAILED: "approved; it was tried, and failed",
    ApprovalState.REJECTED: "rejected",
    ApprovalState.CANCELLED: "cancelled",
    ApprovalState.EXPIRED: "expired",
    ApprovalState.VOID: "the approval holds no more",
}
