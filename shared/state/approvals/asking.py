"""Approvals as those see them who ask: found, asked for, used up, given up. Nothing here can decide one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from shared.core.approvals import Kept, Kind
from shared.core.caller import Caller
from shared.core.errors import RateLimited
from shared.core.settings import Settings
from shared.state.approvals.rows import COLUMNS, read
from shared.state.database import Database, Transaction

FIND = f"""
SELECT {COLUMNS} FROM suite.approvals
WHERE claim = ANY($1) AND created_at > now() - make_interval(secs => $2)
ORDER BY finished_at IS NULL DESC, created_at DESC LIMIT 1
"""  # noqa: S608 - names of ours
ONE = f"SELECT {COLUMNS} FROM suite.approvals WHERE id = $1"  # noqa: S608 - names of ours
WAITING = "SELECT count(*) FROM suite.approvals WHERE issuer = $1 AND subject = $2 AND state = 'pending'"
_NEW = (
    *("id", "kind", "server", "tool", "issuer", "subject", "caller", "claim", "digest", "key", "arguments", "answers"),
    *("payload", "rehearsal", "gathered", "bases", "reason", "policies", "policy_version", "needed", "request_id"),
    "agent",
)
_PLACES = ", ".join(f"${number}" for number in range(1, len(_NEW) + 1))
ASK = f"""
INSERT INTO suite.approvals ({", ".join(_NEW)}, expires_at)
VALUES ({_PLACES}, now() + make_interval(secs => ${len(_NEW) + 1}))
ON CONFLICT (tenant_id, claim) WHERE finished_at IS NULL DO NOTHING
RETURNING expires_at
"""  # noqa: S608 - names of ours
QUEUE = """
INSERT INTO suite.approval_queue (tenant_id, approval_id, server, task, due_at)
VALUES ($1, $2, $3, 'tell_asked', now()),
       ($1, $2, $3, 'escalate', now() + make_interval(secs => $4::int)),
       ($1, $2, $3, 'tell_expiring', $5::timestamptz - least($5::timestamptz - now(), interval '24 hours') / 8),
       ($1, $2, $3, 'expire', $5::timestamptz)
"""
# The one place where an approval is used up: by whoever comes first, in the transaction of what it allows.
USE = """
UPDATE suite.approvals a SET state = 'done', finished_at = now()
WHERE a.id = $1 AND a.payload = $2 AND a.state = 'approved' AND a.expires_at > now() AND a.needed <= (
    SELECT count(*) FROM suite.approval_decisions d
    WHERE d.approval_id = a.id AND d.verdict = 'approve' AND d.payload = a.payload
        AND (a.kind = 'confirm' OR (d.issuer, d.subject) <> (a.issuer, a.subject)))
RETURNING true
"""
END = """
UPDATE suite.approvals SET state = $2, outcome = $3, finished_at = now()
WHERE id = $1 AND finished_at IS NULL AND ($4::text IS NULL OR (issuer, subject) = ($4, $5)) RETURNING true
"""

Ended = Literal["failed", "cancelled", "expired", "void"]


@dataclass(frozen=True)
class Wish:
    """A call that people are asked to approve.

    Attributes:
        claims: What names it in the ledger, under each key of the ring; the first is kept.
        rehearsal: What a dry run answered.
    """

    id: str
    kind: Kind
    server: str
    tool: str
    caller: Caller
    caller_json: Mapping[str, Any]
    claims: Sequence[bytes]
    digest: bytes
    key: str
    arguments: Mapping[str, Any]
    answers: Mapping[str, Any]
    payload: str
    rehearsal: Mapping[str, Any]
    gathered: Mapping[str, Any]
    bases: Mapping[str, str]
    reason: str
    policies: Sequence[str]
    policy_version: str
    needed: int
    request_id: str
    agent: str | None = field(default=None)

    @property
    def values(self) -> list[Any]:
        own: dict[str, Any] = {
            "issuer": self.caller.issuer,
            "subject": self.caller.subject,
            "caller": self.caller_json,
            "claim": self.claims[0],
            "policies": [*self.policies],
        }
        return [own.get(name, getattr(self, name, None)) for name in _NEW]


@dataclass(frozen=True)
class Asking:
    """The approvals that one server's callers ask for."""

    database: Database
    settings: Settings

    async def find(self, tenant: str, claims: Sequence[bytes]) -> Kept | None:
        """What was asked for one call, the open one first; older ones than the ledger remembers do not count."""
        async with self.database.transaction(tenant) as transaction:
            remembered_s = max(self.settings.ledger_ttl_s, self.settings.approval_ttl_s)
            found = await read(transaction.connection, FIND, [*claims], remembered_s)
        return found[0] if found else None

    async def one(self, tenant: str, approval_id: str) -> Kept | None:
        async with self.database.transaction(tenant) as transaction:
            found = await read(transaction.connection, ONE, approval_id)
        return found[0] if found else None

    async def ask(self, wish: Wish) -> Kept:
        """Ask for it; or what a twin of the call has asked for meanwhile.

        Raises:
            RateLimited: As many of this caller wait as may.
        """
        tenant, caller = wish.caller.tenant, wish.caller
        async with self.database.transaction(tenant) as transaction:
            connection = transaction.connection
            if await connection.fetchval(WAITING, caller.issuer, caller.subject) >= self.settings.approvals_per_user:
                raise RateLimited(
                    f"{self.settings.approvals_per_user} calls of yours wait for people already. Wait until some are "
                    "decided, or have them cancelled.",
                    60.0,
                    "approvals",
                )
            until: datetime | None = await connection.fetchval(ASK, *wish.values, self.settings.approval_ttl_s)
            if until is not None:
                escalate_s = min(self.settings.approval_escalate_s, self.settings.approval_ttl_s)
                await connection.execute(QUEUE, tenant, wish.id, wish.server, escalate_s, until)
            [asked] = await read(connection, FIND, [*wish.claims], self.settings.approval_ttl_s)
        return asked

    async def use(self, transaction: Transaction, approval: Kept) -> bool:
        """Use it up in the transaction of the call itself; False if somebody did, or it does not hold any more."""
        return bool(await transaction.connection.fetchval(USE, approval.id, approval.payload))

    async def end(
        self, approval: Kept, state: Ended, outcome: Mapping[str, Any] | None, by: Caller | None = None
    ) -> bool:
        """Note that nothing will come of it; with `by`, only if it is theirs. False if it has ended already."""
        whose = (by.issuer, by.subject) if by else (None, None)
        async with self.database.transaction(approval.tenant) as transaction:
            return bool(await transaction.connection.fetchval(END, approval.id, state, outcome, *whose))
