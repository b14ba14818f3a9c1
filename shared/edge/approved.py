"""What was approved is done, as whoever asked for it; what nobody decides is escalated, and ends.

The call passes the whole path again, as its caller: a switch, a policy or a right that was taken away since stops it.
The caller's sign-in counts as it was when they asked, since they are not there to sign in again; so do the answers of
their user, and what the rehearsal had from other servers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import uuid4

import anyio
import structlog

from shared.core.approvals import ANY, ApprovalState, Kept, approval_uri
from shared.core.asking import Asked
from shared.core.caller import Caller
from shared.core.errors import Failure, Internal, SuiteError
from shared.core.request import Request
from shared.core.server import Server
from shared.core.settings import Settings
from shared.pipeline import Pipeline
from shared.state.approvals.asking import Asking
from shared.state.approvals.queue import Due, Queue
from shared.state.database import Database
from shared.steps.approvals import CALLERS, CONSOLE, Publish

LEASE_S = 60
"""Longer than any call may take; a worker that dies is followed by another after it."""

ATTEMPTS_MAX = 8
"""Of a call that fails in us; what may succeed by repeating is repeated until the approval expires."""

_POLL_S = 0.5
_AT_A_TIME = 4
_BACK_OFF_S = 5.0
_DAY_S = 86_400

log = structlog.get_logger("approvals")


@dataclass(frozen=True)
class Approved:
    """The worker of one process.

    Attributes:
        served: The servers whose calls it does.
        pipelines: By the server.
        publish: Tells whoever follows an approval.
    """

    database: Database
    settings: Settings
    served: Mapping[str, Server]
    pipelines: Mapping[str, Pipeline]
    publish: Publish

    async def work(self) -> None:
        """Until cancelled; an outage of the database is waited out."""
        async with anyio.create_task_group() as tasks:
            for _ in range(_AT_A_TIME):
                tasks.start_soon(self._turns)
            tasks.start_soon(self._look_after)

    async def _turns(self) -> None:
        while True:
            pause_s = await self._turn()
            await anyio.sleep(pause_s)

    async def _turn(self) -> float:
        """Do what is due; how long to wait for the next."""
        queue = Queue(self.database)
        try:
            due = await queue.take(("execute",), LEASE_S, [*self.served])
            if due is not None:
                await self.execute(due)
        except Failure as failure:
            log.warning("approved calls wait", code=failure.code)
            return _BACK_OFF_S
        except Exception:  # the boundary of work: others must not be stopped for it
            log.exception("an approved call failed, will try again")
            return _BACK_OFF_S
        return 0 if due else _POLL_S

    async def _look_after(self) -> None:
        """Escalate, expire and forget, whichever server's it is."""
        queue = Queue(self.database)
        while True:
            try:
                due = await queue.take(("escalate", "expire", "erase"), LEASE_S)
                if due is not None:
                    await self._end_of(queue, due)
            except Failure as failure:
                log.warning("approvals are not looked after", code=failure.code)
                due = None
            await anyio.sleep(0 if due else _POLL_S)

    async def _end_of(self, queue: Queue, due: Due) -> None:
        changed = False
        if due.task == "escalate":
            changed = await queue.escalate(due)
        elif due.task == "expire":
            changed = await queue.expire(due, self.settings.approvals_kept_days * _DAY_S)
        else:
            await queue.erase(due)
        await queue.drop(due)
        if changed:
            await self._tell(due)

    async def execute(self, due: Due) -> None:
        """Do one call that was approved, unless that was done meanwhile."""
        queue, asking = Queue(self.database), Asking(self.database, self.settings)
        approval = await asking.one(due.tenant, due.approval_id)
        if approval is None or approval.state is not ApprovalState.APPROVED:
            await queue.drop(due)
            return
        failure = await self._call(approval)
        if failure is not None and _again(failure, due) and approval.expires_at > datetime.now(UTC):
            await queue.later(due, min(2.0**due.attempts, _BACK_OFF_S * 12))
            return
        if failure is not None:
            outcome = {"code": failure.code, "message": failure.message}
            await asking.end(approval, "failed", outcome)  # quietly, if it is void
        await queue.drop(due)
        await self._tell(due)

    async def _call(self, approval: Kept) -> Failure | None:
        """Why it was not done; None if it was."""
        server, pipeline = self.served[approval.server], self.pipelines[approval.server]
        caller = as_then(approval)
        try:
            await pipeline.call(request_of(approval), caller, server.tools.tools.get(approval.tool))
        except Failure as failure:
            return failure
        except Asked:
            return Failure("It asks its user something that it did not ask before; ask for it anew.")
        except SuiteError as error:  # a tool that policy hides from them by now
            return Failure(str(error))
        except Exception:  # as at the edge: the log has the traceback, and who asked is told nothing of it
            log.exception("an approved call crashed", approval=approval.id)
            return Internal()
        return None

    async def _tell(self, due: Due) -> None:
        uri = approval_uri(due.approval_id)
        await self.publish(CONSOLE, due.tenant, [ANY, uri])
        await self.publish(due.server, due.tenant, [uri])


def request_of(approval: Kept) -> Request:
    """The call as it was asked for, made by us."""
    keyed = not approval.key.startswith("approval ")
    return Request(
        server=approval.server,
        kind="tool",
        name=approval.tool,
        arguments={**approval.arguments, **({"idempotency_key": approval.key} if keyed else {})},
        request_id=str(uuid4()),
        agent=approval.agent,
        answers=approval.answers,
        approval=approval.id,
        can_ask=False,
    )


def as_then(approval: Kept) -> Caller:
    """Who asked, with their sign-in as old as it was then."""
    caller: Caller = CALLERS.validate_python(dict(approval.caller))
    if caller.auth_time is None:
        return caller
    passed_s = int((datetime.now(UTC) - approval.created_at).total_seconds())
    return replace(caller, auth_time=caller.auth_time + max(passed_s, 0))


def _again(failure: Failure, due: Due) -> bool:
    """Whether trying again may help. What crashed in us is tried a few times."""
    return failure.retryable or (isinstance(failure, Internal) and due.attempts < ATTEMPTS_MAX)
