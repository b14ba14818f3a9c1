"""What became of writes whose process died between the intent and the outcome.

The ledger row of a write carries its intent's id and commits with the effect, so the row is the truth. Where
there is none, recovery puts an empty row in its place: a transaction that should still be running somewhere then
fails on the unique intent instead of doing what was declared undone.
"""

from typing import Any
from uuid import uuid4

import structlog

from shared.core.settings import Settings
from shared.state.database import Database
from shared.steps.audit.entry import Sink, now
from shared.steps.audit.writer import ORPHANS, lock_key

log = structlog.get_logger("audit")

UNSETTLED = "SELECT chain FROM suite.audit_chain WHERE NOT settled ORDER BY opened_at"
SETTLE = "UPDATE suite.audit_chain SET settled = true WHERE chain = $1"
FENCE = """
INSERT INTO suite.ledger (tenant_id, claim, intent, digest, expires_at)
VALUES ($1, $2, $3, '', now() + make_interval(secs => $4)) ON CONFLICT (intent) DO NOTHING RETURNING intent
"""
DONE = "SELECT answer IS NOT NULL FROM suite.ledger WHERE intent = $1"
SENT = "SELECT true FROM suite.sendings WHERE intent = $1 AND state <> 'refused'"
"""What left for another system no rollback takes back; what became of it is settled by its marker."""


async def recover(database: Database, sink: Sink, settings: Settings) -> int:
    """Give every orphaned intent of a dead process its outcome; returns how many there were.

    Chains whose process lives are left alone: their writer holds the chain's advisory lock. A suite that is read-only
    leaves them all to one that is not.
    """
    settled = 0
    if settings.read_only:
        return settled
    async with database.connection() as connection:
        for row in await connection.fetch(UNSETTLED):
            async with connection.transaction():  # its end gives the lock back, through a pooler too
                if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", lock_key(row["chain"])):
                    continue
                orphans = await connection.fetch(ORPHANS, row["chain"])
                for orphan in orphans:
                    await sink.write(_outcome(orphan, await _what_came_of(database, orphan, settings.ledger_ttl_s)))
                await connection.execute(SETTLE, row["chain"])
                settled += len(orphans)
    if settled:
        log.warning("intents of a dead process have their outcomes now", count=settled)
    return settled


async def _what_came_of(database: Database, orphan: Any, ttl_s: int) -> str:
    async with database.transaction(orphan["tenant"]) as transaction:
        connection = transaction.connection
        claim = b"undone" + orphan["id"].bytes
        fenced = await connection.fetchval(FENCE, orphan["tenant"], claim, orphan["id"], ttl_s)
        if not fenced and await connection.fetchval(DONE, orphan["id"]):
            return "ok"
        return "outcome_unknown" if await connection.fetchval(SENT, orphan["id"]) else "never_happened"


def _outcome(orphan: Any, outcome: str) -> dict[str, Any]:
    names = ("tenant", "subject", "issuer", "client", "server", "target", "target_kind", "effect")
    return {
        **{"v": 1, "id": str(uuid4()), "at": now(), "kind": "recovered", "intent": str(orphan["id"])},
        **{name: orphan[name] for name in names},
        "outcome": outcome,
    }
