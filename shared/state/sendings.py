"""Writes to other people's systems, each on record before it is sent (`suite.sendings`).

    sending ─┬─ done       with a reference to what was made
             ├─ refused    the other side said no, or was not reached: it may be sent again
             └─ unknown ─┬─ done
                         └─ lost   it does not show there: it was not done, and this marker is never sent again

A row is committed by itself, beside the transaction of the call: what that one rolls back, the other side does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from shared.state.database import Database

State = Literal["sending", "done", "refused", "unknown", "lost"]

_COLUMNS = "marker, digest, step, target, state, reference, sent_at, clock_timestamp() - sent_at AS age"
_FIND = f"SELECT {_COLUMNS} FROM suite.sendings WHERE marker = ANY($1)"  # noqa: S608 - names of ours
_BEGIN = """
INSERT INTO suite.sendings AS s (tenant_id, marker, digest, upstream, server, tool, step, target, intent, state)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'sending')
ON CONFLICT (tenant_id, marker) DO UPDATE
SET state = 'sending', digest = excluded.digest, target = excluded.target, intent = excluded.intent,
    sent_at = clock_timestamp(), settled_at = NULL
WHERE s.state = 'refused'
RETURNING true
"""
_SETTLE = """
UPDATE suite.sendings SET state = $2, reference = $3,
    settled_at = CASE WHEN $2 = 'unknown' THEN NULL ELSE clock_timestamp() END
WHERE marker = $1 AND state IN ('sending', 'unknown') RETURNING true
"""
_LEFT = f"""
SELECT {_COLUMNS} FROM suite.sendings
WHERE upstream = $1 AND server = $2 AND state IN ('sending', 'unknown')
    AND sent_at < clock_timestamp() - make_interval(secs => $3)
ORDER BY sent_at LIMIT $4
"""  # noqa: S608 - names of ours


@dataclass(frozen=True, slots=True)
class Sending:
    """One write that was, or is about to be, sent.

    Attributes:
        marker: What is sent with it, so that it can be found.
        digest: Of the arguments it was sent for.
        target: What it is done to, as the step's `find` needs it.
        reference: What it made, once it is known to be done.
        age_s: How long ago it was sent.
    """

    marker: str
    digest: bytes
    step: str
    target: str
    state: State
    reference: str | None
    sent_at: datetime
    age_s: float


class Sendings:
    """The records of one server's writes over one upstream, for one tenant."""

    def __init__(self, database: Database, tenant: str, upstream: str, server: str) -> None:
        self._database = database
        self._tenant = tenant
        self._upstream = upstream
        self._server = server

    async def find(self, markers: Sequence[str]) -> Sending | None:
        """The record under any of the markers."""
        async with self._database.transaction(self._tenant) as transaction:
            row = await transaction.connection.fetchrow(_FIND, list(markers))
        return _sending(row) if row else None

    async def begin(
        self, marker: str, digest: bytes, tool: str, step: str, target: str, intent: UUID | None = None
    ) -> bool:
        """Put on record that it is about to be sent; False if somebody else did, or it may have been sent before.

        `intent` is that of the call in the audit, which recovery asks for if the process dies.
        """
        given = (self._tenant, marker, digest, self._upstream, self._server, tool, step, target, intent)
        async with self._database.transaction(self._tenant) as transaction:
            return bool(await transaction.connection.fetchval(_BEGIN, *given))

    async def settle(self, marker: str, state: State, reference: str | None = None) -> bool:
        """Note what became of it; False if that was known already."""
        async with self._database.transaction(self._tenant) as transaction:
            return bool(await transaction.connection.fetchval(_SETTLE, marker, state, reference))

    async def left(self, older_s: float, most: int) -> list[Sending]:
        """Those of which nobody knows what became, the oldest first."""
        async with self._database.transaction(self._tenant) as transaction:
            rows = await transaction.connection.fetch(_LEFT, self._upstream, self._server, older_s, most)
        return [_sending(row) for row in rows]


async def purge(database: Database) -> int:
    """Forget what was settled more than thirty days ago; how many."""
    async with database.connection() as connection:
        return await connection.fetchval("SELECT suite.purge_sendings()")


def _sending(row: Any) -> Sending:
    return Sending(
        marker=row["marker"],
        digest=row["digest"],
        step=row["step"],
        target=row["target"],
        state=row["state"],
        reference=row["reference"],
        sent_at=row["sent_at"],
        age_s=row["age"].total_seconds(),
    )
