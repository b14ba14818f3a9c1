"""How long the tools take over a company's views, and which tables PostgreSQL walks through for them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from sqlalchemy import Column, MetaData, String, Table, select

from shared.core.caller import Caller
from shared.core.errors import Failure
from shared.core.tool import Call, Tool
from shared.core.views import Views
from shared.ops.plans import Walk, walks
from shared.state.contract import Finding
from shared.state.cursors import SealedCursors
from shared.state.database import Statement
from shared.state.foreign import Foreign, ForeignReads
from shared.state.keys import KeyRing

SLOW_MS = 100.0
LARGE = 10_000
_ROUNDS = 5
_NO_INDEX = "No plain index helps. A search compares parts of words of every customer the tenant has."


@dataclass
class Watched:
    """Reads that also ask PostgreSQL for its plan of each statement."""

    reads: ForeignReads
    walks: dict[Walk, None] = field(default_factory=dict[Walk, None])

    async def rows(self, statement: Statement, /, **values: Any) -> list[Mapping[str, Any]]:
        self.walks.update(dict.fromkeys(walks(await self.reads.plan(statement, **values))))
        return await self.reads.rows(statement, **values)

    async def row(self, statement: Statement, /, **values: Any) -> Mapping[str, Any] | None:
        found = await self.rows(statement, **values)
        return found[0] if found else None


async def trials(domain: Foreign, views: Views, row: Mapping[str, Any], tenant: str) -> list[Finding]:
    """One line for each tool, called as that tenant about that row.

    Args:
        domain: The company's database.
        views: Their `trials` are the calls.
        row: Of the first view.
        tenant: Whose the row is.
    """
    findings: list[Finding] = []
    for name, arguments in views.trials.items():
        tool = views.tools.tools[name]
        watched = Watched(domain.reads(tenant))
        try:
            query = tool.parse({key: text.format_map(row) for key, text in arguments.items()})
            await tool.run(_call(tool, tenant, watched), query)
            took = [await _timed(tool, tenant, domain, query) for _ in range(_ROUNDS)]
        except Failure as failure:
            findings.append(Finding("problem", f"{name} fails for {row['id']}: {failure.message}"))
            continue
        walked = [(walk, size) for walk in watched.walks if (size := await _size(domain, walk)) >= LARGE]
        findings.append(_speed(name, sorted(took)[_ROUNDS // 2], walked))
    return findings


async def _timed(tool: Tool, tenant: str, domain: Foreign, query: Any) -> float:
    started = perf_counter()
    await tool.run(_call(tool, tenant, domain.reads(tenant)), query)
    return (perf_counter() - started) * 1000


def _call(tool: Tool, tenant: str, database: Any) -> Call:
    caller = Caller("doctor", "", "doctor", tenant, Caller.granted(list(tool.scopes)))
    return Call(caller, database, SealedCursors(KeyRing([os.urandom(32)]), caller, tool.name), "doctor")


def _speed(name: str, ms: float, walked: list[tuple[Walk, int]]) -> Finding:
    text = f"{name} takes {ms:.1f} ms"
    if walked:
        sizes = {f'{walk.schema}."{walk.relation}" ({size:,} rows)': None for walk, size in walked}
        text = f"{text} and reads all of {', '.join(sizes)}"
    indexes = [walk.index for walk, _ in walked if walk.compared]
    if indexes:
        return Finding("warning", text, "\n".join(indexes))
    if ms > SLOW_MS:
        return Finding("warning", text, _NO_INDEX if walked else "Simplify the expressions of the views.")
    return Finding("note" if walked else "ok", text)


async def _size(domain: Foreign, walk: Walk) -> int:
    async with domain.connection() as connection:
        return await connection.fetchval(
            "SELECT reltuples::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = $1 AND c.relname = $2",
            walk.schema,
            walk.relation,
        )


async def a_row(domain: Foreign, views: Views, tenant: str) -> Mapping[str, Any] | None:
    """The key of some row of the first view."""
    name, view = next(iter(views.tables.items()))
    first = Table(name, MetaData(), *(Column(part, String) for part in view.key))
    return await domain.reads(tenant).row(Statement(select(first).limit(1)))
