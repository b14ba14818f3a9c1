"""Calls, refusals, failures and latency of one tenant, counted in the audit: a few hundred figures of any number."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.state.database import SET_CALLER

FAILED = ("internal", "unavailable", "timeout", "outcome_unknown", "unaudited")
"""Outcomes that are ours to mend; every other but `ok` is a refusal."""

# Only what the index audit_tenant holds: the records themselves are not read.
_COUNTED = """
SELECT date_bin($3, at, $2) AS began, server, count(*) AS calls,
       count(*) FILTER (WHERE outcome = ANY($4)) AS failed,
       count(*) FILTER (WHERE outcome <> 'ok' AND outcome <> ALL($4)) AS refused,
       percentile_disc(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY duration_us) AS latency_us
FROM suite.audit WHERE tenant = $1 AND at >= $2 AND at < $5 AND kind IN ('call', 'outcome')
GROUP BY 1, 2 ORDER BY 1, 2
"""


@dataclass(frozen=True)
class Measured:
    """What one server did for the tenant in one span of time.

    Attributes:
        failed: Those that ended with an outcome of `FAILED`.
        refused: Those that ended otherwise, and not well.
        p50_s: Half of them took no longer, in seconds; None where no time was recorded.
        p95_s: 95 of 100 took no longer.
    """

    began: datetime
    server: str
    calls: int
    failed: int
    refused: int
    p50_s: float | None
    p95_s: float | None


async def measure(connection: Any, tenant: str, since: datetime, step: timedelta, spans: int) -> Sequence[Measured]:
    """Each server's figures of each span in which it was called, the oldest first.

    Args:
        connection: Of the console's role or the reader's, in a transaction: the tenant is set for what is left of it.
        tenant: Whose calls.
        since: When the first span begins.
        step: How long each is.
        spans: How many there are.
    """
    await connection.execute(SET_CALLER, tenant, "{}")
    rows = await connection.fetch(_COUNTED, tenant, since, step, list(FAILED), since + step * spans)
    return [_measured(row) for row in rows]


def _measured(row: Any) -> Measured:
    p50, p95 = (None if each is None else each / 1e6 for each in row["latency_us"] or (None, None))
    return Measured(row["began"], row["server"] or "", row["calls"], row["failed"], row["refused"], p50, p95)
