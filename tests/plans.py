"""The plans PostgreSQL makes for the tools' own statements, with the values the tools give them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import orjson

from shared.state.database import Database, Reads, Statement, as_array

# So far, by this connection, since it last told the others: of a table, how often it was read from end to end. What
# functions ask counts, too.
_SCANS = """
SELECT c.relname, pg_stat_get_xact_numscans(c.oid) AS scans FROM pg_class AS c
WHERE c.relnamespace = to_regnamespace($1) AND c.relkind IN ('r', 'i')
"""


@dataclass
class Explaining(Reads):
    """Reads that also ask for the plan of each statement.

    Attributes:
        mode: `plan_cache_mode`: PostgreSQL plans a statement for its values at first and once for all later.
        schema: Of which scans are counted.
        scans: How often each index was scanned, and each table from end to end.
    """

    database: Database
    tenant: str
    mode: str
    schema: str
    rights: Sequence[str] | None = None
    plans: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    scans: Counter[str] = field(default_factory=Counter[str])

    def __post_init__(self) -> None:
        super().__init__(self.database, self.tenant, self.rights)

    async def rows(self, statement: Statement, /, **values: Any) -> list[Mapping[str, Any]]:
        own = {"tenant_": self.tenant} | ({} if self.rights is None else {"rights_": as_array(self.rights)})
        compiled = statement.scoped if self.rights is None else statement.entitled
        given = ", ".join(map(literal, compiled.values(values | own)))
        async with self.database.connection() as connection, connection.transaction():
            await connection.execute(f"SET LOCAL plan_cache_mode = {self.mode}; SET LOCAL jit = off")
            before = dict(await connection.fetch(_SCANS, self.schema))
            await connection.execute(f"PREPARE asked AS {compiled.sql}")
            explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE asked({given})"
            [plan] = orjson.loads(await connection.fetchval(explain))
            await connection.execute("DEALLOCATE asked")
            after = dict(await connection.fetch(_SCANS, self.schema))
            self.scans += Counter({name: scans - before[name] for name, scans in after.items()})
        self.plans.append(plan["Plan"])
        return await super().rows(statement, **values)


def literal(value: Any) -> str:
    """A value as SQL spells it."""
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, datetime):
        return f"'{value.isoformat()}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    values = cast("Sequence[Any]", value)
    return f"ARRAY[{', '.join(map(literal, values))}]" if values else "'{}'"


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from nodes(inner)


def sequential(plan: dict[str, Any]) -> list[str]:
    """Tables that are read from end to end."""
    return [node["Relation Name"] for node in nodes(plan) if node["Node Type"] == "Seq Scan"]


def removed(plan: dict[str, Any]) -> int:
    """Rows that were read and are no part of the answer."""
    kinds = ("Filter", "Join Filter", "Index Recheck")
    return sum(node.get(f"Rows Removed by {kind}", 0) * node["Actual Loops"] for node in nodes(plan) for kind in kinds)


def blocks(plan: dict[str, Any]) -> int:
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
