"""Finds audit records for people: the newest first, as the signed bodies say."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

QUERY = """
SELECT body FROM suite.audit
WHERE ($1::text IS NULL OR tenant = $1) AND ($2::text IS NULL OR subject = $2)
  AND ($3::text IS NULL OR target = $3) AND ($4::text IS NULL OR outcome = $4)
  AND ($5::timestamptz IS NULL OR at >= $5) AND ($6::text IS NULL OR request_id = $6)
ORDER BY at DESC, chain, seq DESC LIMIT $7
"""


@dataclass(frozen=True)
class Filter:
    """Which records; None means any."""

    tenant: str | None = None
    subject: str | None = None
    target: str | None = None
    outcome: str | None = None
    since: datetime | None = None
    request_id: str | None = None
    limit: int = 50


async def query(connection: Any, wanted: Filter) -> list[dict[str, Any]]:
    """The records that fit, over a connection of the reader role."""
    rows = await connection.fetch(
        QUERY,
        *(wanted.tenant, wanted.subject, wanted.target, wanted.outcome),
        *(wanted.since, wanted.request_id, wanted.limit),
    )
    return [orjson.loads(row["body"]) for row in rows]
