"""SQLAlchemy Core statements, compiled once: plain for transactions, and with the tenant for single reads."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, cast

from sqlalchemy import Executable, Integer, Select, String, bindparam, func, literal_column, select, true
from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect
from sqlalchemy.sql.compiler import SQLCompiler

_DIALECT = asyncpg_dialect.dialect()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
_NO_OFFSET = literal_column("0", Integer)  # OFFSET 0 keeps the planner from joining past the subquery


class Compiled:
    """SQL text with the order and the defaults of its values."""

    def __init__(self, statement: Executable, dialect: Any = _DIALECT) -> None:
        compiled = cast("SQLCompiler", statement.compile(dialect=dialect))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType, reportAttributeAccessIssue]
        self.sql = str(compiled)
        self.names: Sequence[str] = tuple(compiled.positiontup or ())
        self._defaults: dict[str, Any] = dict(compiled.params)
        self._required = {name for name, bind in compiled.binds.items() if bind.required}

    def values(self, given: Mapping[str, Any]) -> list[Any]:
        if unknown := given.keys() - self._defaults.keys():
            raise TypeError(f"the statement takes no {', '.join(sorted(unknown))}")
        if missing := self._required - given.keys():
            raise TypeError(f"the statement needs {', '.join(sorted(missing))}")
        return [given.get(name, self._defaults[name]) for name in self.names]


class Statement:
    """A Core statement, compiled on first use: plain for transactions, and with the tenant for single reads.

    Example:
        `BY_ID = Statement(select(customers).where(customers.c.id == bindparam("id")))`
    """

    def __init__(self, statement: Executable) -> None:
        self.core = statement

    @cached_property
    def plain(self) -> Compiled:
        return Compiled(self.core)

    @cached_property
    def scoped(self) -> Compiled:
        """The same read with the tenant set first, in one statement."""
        return Compiled(with_tenant(cast("Select[Any]", self.core)))

    @cached_property
    def entitled(self) -> Compiled:
        """As `scoped`, with the caller's rights set as well."""
        return Compiled(with_tenant(cast("Select[Any]", self.core), rights=True))


def with_tenant(inner: Select[Any], *, rights: bool = False) -> Select[Any]:
    """The read after `app.tenant` was set to the value `tenant_`, and `app.rights` to `rights_`.

    The lateral join on the tenant forces the order: PostgreSQL runs the inner query, whose rows row-level security
    filters by `app.tenant`, only after `set_config` has returned.
    """
    tenant = bindparam("tenant_", required=True, type_=String)
    setting = func.set_config(literal_column("'app.tenant'"), tenant, true())
    if rights:
        held = bindparam("rights_", required=True, type_=String)
        setting = setting.op("||")(func.set_config(literal_column("'app.rights'"), held, true()))
    caller = select(setting.label("tenant")).offset(_NO_OFFSET).subquery("caller")
    inner = inner.where(caller.c.tenant.is_not(None)).correlate(caller)
    if inner._limit_clause is None and inner._offset_clause is None:  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        inner = inner.offset(_NO_OFFSET)
    answer = inner.lateral("answer")
    return select(answer).select_from(caller.join(answer, true()))
