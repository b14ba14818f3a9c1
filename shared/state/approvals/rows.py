"""An approval as a row, and as everybody else knows it."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from shared.core.approvals import ApprovalState, Decided, Kept

COLUMNS = ", ".join(
    "tenant_id" if one.name == "tenant" else one.name for one in fields(Kept) if one.name != "decisions"
)
"""Of `suite.approvals`, as `kept` reads them."""

DECISIONS = """
SELECT approval_id, issuer, subject, verdict, reason, edited, payload, acr, auth_time, at
FROM suite.approval_decisions WHERE approval_id = ANY($1) ORDER BY at
"""


def kept(row: Mapping[str, Any], decisions: Sequence[Mapping[str, Any]] = ()) -> Kept:
    """The approval of one row, with those decisions that are about it."""
    values: dict[str, Any] = {name: row[name] for name in row.keys() if name != "tenant_id"}  # noqa: SIM118 - a record is no dict
    about = [decided(one) for one in decisions if one["approval_id"] == row["id"]]
    values |= {"tenant": row["tenant_id"], "state": ApprovalState(row["state"]), "decisions": about}
    return Kept(**values)


def decided(row: Mapping[str, Any]) -> Decided:
    return Decided(**{one.name: row[one.name] for one in fields(Decided)})


async def read(connection: Any, sql: str, *values: Any) -> list[Kept]:
    """What the statement finds, each with its decisions; its columns are `COLUMNS`."""
    rows = await connection.fetch(sql, *values)
    if not rows:
        return []
    decisions = await connection.fetch(DECISIONS, [row["id"] for row in rows])
    return [kept(row, decisions) for row in rows]
