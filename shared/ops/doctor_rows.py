"""What the rows behind a company's views hold, against the contract: a sample of each, and how they fit together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import asyncpg
from sqlalchemy import (
    ARRAY,
    ColumnClause,
    ColumnElement,
    FromClause,
    Text,
    and_,
    column,
    distinct,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    table,
)
from sqlalchemy import cast as sql_cast

from shared.core.views import View, ViewColumn, Views
from shared.state.contract import TENANT, Finding
from shared.state.database import Statement

SAMPLE = 10_000
_SHOWN = 3
_SLOW = "The lines below on the tools name the indexes that are missing, if any are."


@dataclass(frozen=True)
class Rule:
    """What a row must not be, and how to mend the view if one is."""

    broken: ColumnElement[bool]
    shown: ColumnElement[Any]
    text: str
    fix: str


@dataclass(frozen=True)
class Rows:
    """Reads of the views as the tenant, each in a transaction of its own that can only read."""

    connection: Any
    views: Views
    tenant: str | None
    columns: Mapping[str, Sequence[str]]

    async def examine(self) -> list[Finding]:
        """Everything about the rows of every view."""
        findings: list[Finding] = []
        for name, view in self.views.tables.items():
            findings += await self._sample(name, view)
            findings += await self._repeated(name, view)
            findings += await self._orphans(name, view)
            findings += await self._numbered(name, view)
        return findings

    async def _sample(self, name: str, view: View) -> list[Finding]:
        rows = select(*self._view(name).c).limit(SAMPLE).subquery("sample")
        rules = list(_rules(f"{self.views.schema}.{name}", view, rows))
        counted: list[Any] = [func.count().label("rows")]
        for number, rule in enumerate(rules):
            examples = func.array_agg(distinct(sql_cast(rule.shown, Text)), type_=ARRAY(Text)).filter(rule.broken)
            counted += [func.count().filter(rule.broken).label(f"n{number}"), examples.label(f"e{number}")]
        found = await self._fetch(name, select(*counted).select_from(rows))
        if isinstance(found, Finding):
            return [found]
        [row] = found
        if not row["rows"]:
            return [self._empty(name)]
        broken = [
            Finding(
                "problem",
                f"{rule.text} in {row[f'n{number}']} of {row['rows']} rows{_like(row[f'e{number}'])}",
                rule.fix,
            )
            for number, rule in enumerate(rules)
            if row[f"n{number}"]
        ]
        return broken or [
            Finding("ok", f"{self.views.schema}.{name}: {row['rows']} rows looked at, all within the contract")
        ]

    def _empty(self, name: str) -> Finding:
        who = "no tenant" if self.tenant is None else f"tenant {self.tenant}"
        fix = "If row-level security hides them, say as whom to look: mcp-suite doctor SERVER --tenant TENANT"
        return Finding("warning", f"{self.views.schema}.{name} shows no rows to {who}: nothing could be checked", fix)

    async def _repeated(self, name: str, view: View) -> list[Finding]:
        rows = self._view(name)
        key = self._whole_key(name, view)
        columns = [rows.c[part] for part in key]
        found = await self._fetch(name, select(*columns).group_by(*columns).having(func.count() > 1).limit(_SHOWN))
        text = f"{self.views.schema}.{name} has several rows with the same {', '.join(key)}"
        fix = "Make the key wider (lpad cuts what is longer), or take duplicates out with DISTINCT ON."
        return _found(found, text, fix, view.key[-1] if len(view.key) == 1 else view.key[0])

    async def _orphans(self, name: str, view: View) -> list[Finding]:
        if view.belongs_to is None:
            return []
        reference, parent = view.belongs_to
        key = self.views.tables[parent].key[0]
        child = select(*self._view(name).c).limit(SAMPLE).subquery("child")
        known = select(*self._view(parent).c).subquery("parent")
        same = [child.c[reference] == known.c[key]]
        if TENANT in child.c and TENANT in known.c:
            same.append(child.c[TENANT] == known.c[TENANT])
        joined = child.outerjoin(known, and_(*same))
        lost = known.c[key].is_(null())
        found = await self._fetch(
            name, select(func.count().label("rows"), func.count().filter(lost).label("lost")).select_from(joined)
        )
        if isinstance(found, Finding):
            return [found]
        [row] = found
        if not row["lost"]:
            return []
        text = f"{self.views.schema}.{name}.{reference} names no row of {parent} in {row['lost']} of {row['rows']} rows"
        fix = f"Write {reference} with the very expression that {self.views.schema}.{parent} has for {key}."
        if row["lost"] == row["rows"]:
            return [Finding("problem", text, fix)]
        return [Finding("warning", text, f"{fix} If those rows are gone for good, leave what belonged to them out.")]

    async def _numbered(self, name: str, view: View) -> list[Finding]:
        if view.numbered is None or view.belongs_to is None:
            return []
        reference = view.belongs_to[0]
        rows = self._view(name)
        number = rows.c[view.numbered]
        within = [rows.c[part] for part in (TENANT, reference) if part in rows.c]
        gaps = select(*within).group_by(*within).having(or_(func.min(number) != 1, func.max(number) != func.count()))
        text = f"{self.views.schema}.{name}.{view.numbered} does not count 1, 2, 3 … within {reference}"
        fix = f"row_number() OVER (PARTITION BY <{reference}, as in the view> ORDER BY …) AS {view.numbered}"
        return _found(await self._fetch(name, gaps.limit(_SHOWN)), text, fix, reference)

    def _view(self, name: str) -> Any:
        columns = [cast("ColumnClause[Any]", column(found)) for found in self.columns[name]]
        return table(name, *columns, schema=self.views.schema)

    def _whole_key(self, name: str, view: View) -> list[str]:
        return [*([TENANT] if TENANT in self.columns[name] else []), *view.key]

    async def _fetch(self, name: str, statement: Any) -> list[Any] | Finding:
        full, compiled = f"{self.views.schema}.{name}", Statement(statement).plain
        try:
            async with self.connection.transaction(readonly=True):
                await self.connection.execute("SELECT set_config('app.tenant', $1, true)", self.tenant or "")
                return await self.connection.fetch(compiled.sql, *compiled.values({}))
        except asyncpg.QueryCanceledError:
            return Finding("warning", f"{full}: a check took longer than a statement may, and was given up", _SLOW)
        except asyncpg.PostgresError as error:
            return Finding("problem", f"{full} fails while it is read: {error}", "Repair the expression that it names.")


def _rules(full: str, view: View, rows: FromClause) -> Iterator[Rule]:
    shown = rows.c[view.key[0]]
    for name, wanted in view.columns.items():
        if name not in rows.c:
            continue
        value = rows.c[name]
        if not wanted.nullable:
            fix = f"in {full} write: coalesce(<expression>, …) AS {name}; or leave such rows out with WHERE"
            yield Rule(value.is_(null()), shown, f"{full}.{name} is NULL", fix)
        if wanted.values:
            allowed = ", ".join(wanted.values)
            fix = f"in {full} write: CASE <expression> WHEN … THEN '{wanted.values[0]}' … END AS {name}"
            yield Rule(
                value != func.all(literal(list(wanted.values), ARRAY(Text))),
                value,
                f"{full}.{name} is none of {allowed}",
                fix,
            )
        if wanted.pattern:
            yield Rule(not_(value.regexp_match(wanted.pattern)), value, *_unlike(full, name, wanted))
        if wanted.type == "text[]":
            fix = f"in {full} write: array_remove(<expression>, NULL) AS {name}"
            yield Rule(func.array_position(value, null()).is_not(null()), shown, f"{full}.{name} holds NULL", fix)
    if TENANT in rows.c:
        nobody = or_(rows.c[TENANT].is_(null()), rows.c[TENANT] == literal(""))
        yield Rule(nobody, shown, f"{full}.{TENANT} is empty, so that nobody sees the row,", f"Fill {TENANT}.")


def _unlike(full: str, name: str, wanted: ViewColumn) -> tuple[str, str]:
    written = f", e.g. {wanted.example} AS {name}" if wanted.example else ""
    return f"{full}.{name} does not match {wanted.pattern}", f"{wanted.meaning} Write it so in {full}{written}"


def _like(examples: Sequence[str | None] | None) -> str:
    shown = [repr(example) for example in (examples or [])[:_SHOWN] if example is not None]
    return f", e.g. {', '.join(shown)}" if shown else ""


def _found(rows: list[Any] | Finding, text: str, fix: str, shown: str) -> list[Finding]:
    if isinstance(rows, Finding):
        return [rows]
    return [Finding("problem", text + _like([row[shown] for row in rows]), fix)] if rows else []
