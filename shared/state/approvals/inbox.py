"""Approvals as those see them who decide; over the pool of the role `suite_console`, which alone may."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.core.approvals import ApprovalState, Kept, Verdict, payload_of
from shared.core.caller import Caller
from shared.core.errors import Conflict, Denied, NotFound
from shared.state.approvals.rows import COLUMNS, read
from shared.state.database import Database, Transaction

WAITING = f"""
SELECT {COLUMNS} FROM suite.approvals WHERE state = 'pending' AND expires_at > now()
ORDER BY escalated_at IS NULL, expires_at LIMIT $1
"""  # noqa: S608 - names of ours
PAST = f"""
SELECT {COLUMNS} FROM suite.approvals WHERE (state <> 'pending' OR expires_at <= now())
    AND ($1::timestamptz IS NULL OR created_at < $1)
ORDER BY created_at DESC LIMIT $2
"""  # noqa: S608 - names of ours
OF = f"""
SELECT {COLUMNS} FROM suite.approvals WHERE issuer = $1 AND subject = $2 ORDER BY created_at DESC LIMIT $3
"""  # noqa: S608 - names of ours
ONE = f"SELECT {COLUMNS} FROM suite.approvals WHERE id = $1"  # noqa: S608 - names of ours
LOCKED = f"SELECT {COLUMNS} FROM suite.approvals WHERE id = $1 FOR UPDATE"  # noqa: S608 - names of ours
NOW = "SELECT now()"
DECIDE = """
INSERT INTO suite.approval_decisions (approval_id, issuer, subject, verdict, reason, edited, payload, acr, auth_time)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
EDIT = "UPDATE suite.approvals SET edited = $2, payload = $3 WHERE id = $1"
MOVE = """
UPDATE suite.approvals SET state = $2, decided_at = now(), outcome = $3,
    finished_at = CASE WHEN $2 = 'approved' THEN NULL ELSE now() END
WHERE id = $1
"""
EXECUTE = """
INSERT INTO suite.approval_queue (tenant_id, approval_id, server, task) VALUES ($1, $2, $3, 'execute')
"""

_MOST = 200


@dataclass(frozen=True)
class Inbox:
    """What the console does with approvals; each method sees and changes one tenant's alone."""

    database: Database

    async def waiting(self, tenant: str) -> list[Kept]:
        """Those that wait for people: escalated ones first, then by the time that is left."""
        return await self._read(tenant, WAITING, _MOST)

    async def past(self, tenant: str, before: datetime | None = None, limit: int = 50) -> list[Kept]:
        """Those that do not wait any more, the newest first; `before` is the `created_at` of the last one seen."""
        return await self._read(tenant, PAST, before, limit)

    async def of(self, tenant: str, issuer: str, subject: str, limit: int = 50) -> list[Kept]:
        """What one person, or agent, asked for."""
        return await self._read(tenant, OF, issuer, subject, limit)

    async def one(self, tenant: str, approval_id: str) -> Kept | None:
        found = await self._read(tenant, ONE, approval_id)
        return found[0] if found else None

    async def decide(
        self,
        tenant: str,
        approval_id: str,
        approver: Caller,
        verdict: Verdict,
        *,
        payload: str,
        reason: str | None = None,
        edited: Mapping[str, Any] | None = None,
    ) -> Kept:
        """Put one person's decision on record, and move the approval if that settles it. One rejection does.

        `payload` is what the person was shown (`Kept.payload`); `edited` are all arguments as they should be, if the
        person changed some before approving: that they may be changed, and are well-formed, was checked.

        Raises:
            NotFound: There is none of this tenant.
            Denied: It is the person's own, or that of an agent who acts for them, or not theirs to confirm.
            Conflict: It was decided, has expired, or is not what the person was shown.
        """
        async with self.database.transaction(tenant) as transaction:
            approval = await self._locked(transaction, approval_id)
            _refuse_own(approval, approver)
            _refuse_other(approval, approver, payload, await transaction.connection.fetchval(NOW))
            new = _edited(approval, edited) if edited is not None and verdict == "approve" else approval.payload
            if new != approval.payload:
                await transaction.connection.execute(EDIT, approval_id, edited, new)
            changed = _changes(approval, edited) if new != approval.payload else None
            who = (approver.issuer, approver.subject)
            strength = (approver.acr, approver.auth_time)
            await transaction.connection.execute(DECIDE, approval_id, *who, verdict, reason, changed, new, *strength)
            await self._settle(transaction, approval_id, verdict, reason)
            [settled] = await read(transaction.connection, ONE, approval_id)
        return settled

    async def cancel(self, tenant: str, approval_id: str, caller: Caller) -> Kept:
        """Give up what one asked for oneself.

        Raises:
            NotFound: There is none, or it is somebody else's.
            Conflict: It has been decided.
        """
        async with self.database.transaction(tenant) as transaction:
            approval = await self._locked(transaction, approval_id)
            if (approval.issuer, approval.subject) != (caller.issuer, caller.subject):
                raise NotFound(f"You asked for no approval {approval_id}.")
            if approval.state is not ApprovalState.PENDING:
                raise Conflict(f"It is {approval.state} already, and cannot be cancelled any more.")
            await transaction.connection.execute(MOVE, approval_id, "cancelled", None)
            [cancelled] = await read(transaction.connection, ONE, approval_id)
        return cancelled

    async def _read(self, tenant: str, sql: str, *values: Any) -> list[Kept]:
        async with self.database.transaction(tenant) as transaction:
            return await read(transaction.connection, sql, *values)

    async def _locked(self, transaction: Transaction, approval_id: str) -> Kept:
        # What has ended cannot be changed by this role, hence not be locked.
        found = await read(transaction.connection, LOCKED, approval_id)
        found = found or await read(transaction.connection, ONE, approval_id)
        if not found:
            raise NotFound(f"There is no approval {approval_id}.")
        return found[0]

    async def _settle(self, transaction: Transaction, approval_id: str, verdict: Verdict, reason: str | None) -> None:
        [now] = await read(transaction.connection, ONE, approval_id)
        if verdict == "reject":
            outcome = {"code": "rejected", "message": reason or "no reason was given"}
            await transaction.connection.execute(MOVE, approval_id, "rejected", outcome)
        elif len(now.approvers) >= now.needed:
            await transaction.connection.execute(MOVE, approval_id, "approved", None)
            await transaction.connection.execute(EXECUTE, now.tenant, approval_id, now.server)


def _refuse_own(approval: Kept, approver: Caller) -> None:
    own = approval.by(approver.issuer, approver.subject)
    if approval.kind == "approve" and own:
        raise Denied("You asked for this yourself; somebody else has to decide.", "requester and approver differ", ())
    if approval.kind == "confirm" and not own and approval.trust != "service":
        raise Denied("Only whoever asked for this can confirm it.", "the caller's own user confirms", ())


def _refuse_other(approval: Kept, approver: Caller, payload: str, now: datetime) -> None:
    if approval.state is not ApprovalState.PENDING:
        raise Conflict(f"It is {approval.state} already. Nothing was changed.")
    if approval.expires_at <= now:
        raise Conflict("Its time is over. Nothing was changed.")
    if approval.payload != payload:
        raise Conflict("It was changed since you were shown it. Look at it again, then decide.")
    if any((one.issuer, one.subject) == (approver.issuer, approver.subject) for one in approval.approvers):
        raise Conflict("You have approved this already. Somebody else has to, too.")


def _edited(approval: Kept, edited: Mapping[str, Any]) -> str:
    rehearsed = (approval.rehearsal, approval.gathered, approval.bases)
    return payload_of(approval.server, approval.tool, edited, rehearsed, approval.policy_version)


def _changes(approval: Kept, edited: Mapping[str, Any] | None) -> dict[str, Any]:
    before = approval.edited or approval.arguments
    return {name: value for name, value in (edited or {}).items() if before.get(name) != value}
