"""Chains as processes of months ago left them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from shared.state.keys import KeyRing
from shared.steps.audit.chain import Head, Row, link
from shared.steps.audit.prefix import Allowed
from shared.steps.audit.pruning import named_elsewhere, planned, prune
from shared.steps.audit.verify import Problem
from shared.steps.audit.writer import INSERT

RING = KeyRing([b"a" * 32])


@dataclass
class Aged:
    """Writes chains, each of which names the one before it.

    Attributes:
        connection: Of whoever may do everything.
        last: Where the chain before ended.
    """

    connection: Any
    last: Head | None = None

    async def chain(
        self, days: Sequence[float], *, settled: bool = True, facts: dict[int, dict[str, Any]] | None = None
    ) -> UUID:
        """A chain of records as old as that, in days; some with facts of their own, by number."""
        head, rows, named = Head(uuid4()), list[Row](), self.last
        for seq, age in enumerate(days):
            record: dict[str, Any] = {"v": 1, "id": str(uuid4()), "at": ago(age), "kind": "call", "tenant": "acme"}
            if seq == 0:
                previous = named and {"chain": str(named.chain), "seq": named.seq, "hash": named.hash.hex()}
                record |= {"kind": "chain", "tenant": None, "previous": previous}
            row, head = link(head, {**record, **(facts or {}).get(seq, {})}, RING)
            rows.append(row)
        opened = "INSERT INTO suite.audit_chain (chain, opened_at, settled) VALUES ($1, $2, $3)"
        await self.connection.execute(opened, head.chain, datetime.fromisoformat(ago(days[0])), settled)
        await self.connection.execute(INSERT, *map(list, zip(*rows, strict=True)))
        self.last = head
        return head.chain

    async def left(self, chain: UUID) -> list[int]:
        """The numbers of the records that are there."""
        rows = await self.connection.fetch("SELECT seq FROM suite.audit WHERE chain = $1 ORDER BY seq", chain)
        return [row["seq"] for row in rows]


def ago(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="microseconds")


async def allowed(connection: Any, days: float = 30, **more: Any) -> Allowed:
    """What a command without more words would remove."""
    values: dict[str, Any] = {"held": frozenset(), "named": await named_elsewhere(connection, RING), **more}
    return Allowed(datetime.now(UTC) - timedelta(days=days), by="somebody", why="retention", **values)


async def pruned(connection: Any, days: float = 31, **more: Any) -> list[Problem]:
    """Remove everything older; what was left as it was, and why."""
    what = await allowed(connection, days, **more)
    plan = await planned(connection, RING, what)
    return plan.problems + await prune(connection, RING, what, plan, lambda _: None)
