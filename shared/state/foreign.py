"""A company's own database, read through views that it wrote: the server's statements run over them unchanged.

Each statement gets a common table expression in front for every table it names, `customers AS (SELECT … FROM
mcp.customers WHERE tenant_id = $1)`, and its tables lose their schema, so that they mean those. One statement, one
round trip, in a session that is read-only.
"""

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode, urlsplit

import asyncpg
import orjson
import structlog
from sqlalchemy import (
    CTE,
    ColumnClause,
    ColumnElement,
    Select,
    String,
    Table,
    bindparam,
    column,
    null,
    select,
    table,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect
from sqlalchemy.dialects.postgresql.base import PGIdentifierPreparer
from sqlalchemy.sql import visitors

from shared.core.errors import Misconfigured, Unavailable
from shared.core.settings import Settings
from shared.core.views import Views
from shared.state.contract import TENANT, Examined, examine
from shared.state.database import Database, Statement, open_database
from shared.state.room import warn_if_cramped
from shared.state.statement import Compiled, with_tenant

__all__ = ["Foreign", "ForeignReads", "open_domain", "read_only"]

_SHOWN = 3

log = structlog.get_logger("domain")


class _BareTables(PGIdentifierPreparer):
    """Writes a `Table` of a server without its schema, as the name of an expression in front; views stay qualified."""

    def schema_for_object(self, obj: Any) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride, reportIncompatibleMethodOverride]
        return None if isinstance(obj, Table) else obj.schema


class _Dialect(asyncpg_dialect.dialect):  # pyright: ignore[reportUntypedBaseClass, reportUnknownMemberType]
    preparer = _BareTables


_DIALECT = _Dialect()


class ForeignReads:
    """One tenant's reads: each statement is one round trip and one snapshot."""

    def __init__(self, domain: "Foreign", tenant: str) -> None:
        self._domain = domain
        self._tenant = tenant

    async def rows(self, statement: Statement, /, **values: Any) -> list[Mapping[str, Any]]:
        compiled = self._domain.compiled(statement)
        async with self._domain.connection() as connection:
            return await connection.fetch(compiled.sql, *self._given(compiled, values))

    async def row(self, statement: Statement, /, **values: Any) -> Mapping[str, Any] | None:
        found = await self.rows(statement, **values)
        return found[0] if found else None

    async def plan(self, statement: Statement, /, **values: Any) -> Any:
        """The top node of PostgreSQL's plan of the statement, which is not run."""
        compiled = self._domain.compiled(statement)
        async with self._domain.connection() as connection:
            given = self._given(compiled, values)
            [row] = await connection.fetch(f"EXPLAIN (VERBOSE, FORMAT JSON) {compiled.sql}", *given)
            return orjson.loads(row[0])[0]["Plan"]

    def _given(self, compiled: Compiled, values: Mapping[str, Any]) -> list[Any]:
        whose = {"tenant_": self._tenant, "pinned_": self._domain.pinned}
        return compiled.values({**values, **{name: whose[name] for name in whose.keys() & set(compiled.names)}})


class Foreign:
    """The pool of a role that can only read.

    Attributes:
        pinned: The one tenant whose callers see the rows; None: the rows say it themselves.
    """

    def __init__(
        self, database: Database, views: Views, pinned: str | None, found: Mapping[str, Sequence[str]]
    ) -> None:
        self._database = database
        self._views = views
        self._found = found
        self._compiled: dict[Statement, Compiled] = {}
        self.pinned = pinned

    def reads(self, tenant: str, _rights: Sequence[str] | None = None) -> ForeignReads:
        """One tenant's reads; a company's views know nothing of rights."""
        return ForeignReads(self, tenant)

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Any]:
        """A pooled connection; see `Database.connection` for what it raises.

        Raises:
            Unavailable: Also when the views were changed or taken away under us.
        """
        async with self._database.connection() as connection:
            try:
                yield connection
            except asyncpg.SyntaxOrAccessError as error:
                log.error("the views no longer fit; run `mcp-suite doctor`", sqlstate=error.sqlstate, error=str(error))
                raise Unavailable(
                    "The data behind this server is not as it expects. Nothing was done; its operator has to look "
                    "at it (mcp-suite doctor)."
                ) from error

    async def check(self) -> None:
        """Raise unless a statement can be answered (readiness)."""
        await self._database.check()

    def compiled(self, statement: Statement) -> Compiled:
        """The statement over the views, compiled once.

        Raises:
            TypeError: It names a table that no view stands for.
        """
        if statement not in self._compiled:
            self._compiled[statement] = Compiled(self._over_views(statement), _DIALECT)
        return self._compiled[statement]

    def _over_views(self, statement: Statement) -> Any:
        # The company may have row-level security of its own that follows `app.tenant`.
        inner = cast("Select[Any]", statement.core)
        return with_tenant(inner).add_cte(*(self._expression(used) for used in _tables(inner)))

    def _expression(self, used: "Table[Any]") -> CTE:
        """The rows of the tenant, with the columns of the server's own table; what the view lacks is NULL."""
        found = self._found.get(used.name)
        if found is None:
            raise TypeError(f"no view stands for {used.name}")
        view = table(used.name, *(cast("ColumnClause[Any]", column(name)) for name in found), schema=self._views.schema)
        columns: list[ColumnElement[Any]] = [
            view.c[kept.name] if kept.name in view.c else sql_cast(null(), kept.type).label(kept.name)
            for kept in used.columns
        ]
        tenant = bindparam("tenant_", required=True, type_=String)
        whose: list[ColumnElement[bool]] = [view.c[TENANT] == tenant] if TENANT in view.c else []
        if self.pinned is not None:
            whose.append(tenant == bindparam("pinned_", required=True, type_=String))
        if not whose:
            raise TypeError(f"nothing says whose the rows of {used.name} are")
        rows = select(*columns).select_from(view).where(*whose)
        return rows.cte(used.name).prefix_with("NOT MATERIALIZED", dialect="postgresql")


def _tables(statement: Any) -> Iterator["Table[Any]"]:
    """Every table the statement names, once, wherever it stands in it."""
    found = [cast("Table[Any]", part) for part in visitors.iterate(statement) if isinstance(part, Table)]
    yield from {used.name: used for used in found}.values()


@asynccontextmanager
async def open_domain(name: str, url: str, views: Views, settings: Settings) -> AsyncGenerator[Foreign]:
    """The pool over a company's database, for as long as the context lasts.

    Args:
        name: Of the server.
        url: DSN of a role that can only read.
        views: The server's contract.
        settings: Pools and times are as for our own database.

    Raises:
        Misconfigured: It cannot be reached, or its views do not fit; says which command tells more.
    """
    variable = f"SUITE_DOMAIN_URL__{name.upper()}"
    pinned = settings.domain_tenant.get(name)
    async with AsyncExitStack() as stack:
        try:
            database = await stack.enter_async_context(open_database(read_only(url), settings))
            async with database.connection() as connection:
                found = await examine(connection, name, views, pinned)
                await warn_if_cramped(connection, settings)
        except (Unavailable, ValueError) as error:
            raise Misconfigured(
                f"the database of {variable} cannot be reached; `mcp-suite doctor {name}` says why"
            ) from error
        _require_fit(found, name, variable)
        yield Foreign(database, views, pinned, found.columns)


def _require_fit(found: Examined, name: str, variable: str) -> None:
    problems = [finding.text for finding in found.findings if finding.level == "problem"]
    if problems:
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise Misconfigured(
            f"the database of {variable} does not fit: {'; '.join(problems[:_SHOWN])}{more}. "
            f"`mcp-suite doctor {name}` lists everything with the SQL that mends it"
        )


def read_only(url: str) -> str:
    """The same DSN for sessions that refuse to write, whatever the role may do."""
    parts = urlsplit(url)
    kept = [
        (key, value)
        for key, value in parse_qsl(parts.query, keep_blank_values=True)
        if key != "default_transaction_read_only"
    ]
    return parts._replace(query=urlencode([*kept, ("default_transaction_read_only", "on")])).geturl()
