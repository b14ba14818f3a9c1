"""SQL of exports: which customers, and how many."""

from functools import cache

from sqlalchemy import ColumnElement, String, bindparam, func, select

from servers.customers.queries import SHOWN
from servers.customers.schema import customers
from shared.state.database import Statement

_c = customers.c


def _wanted(facets: frozenset[str]) -> list[ColumnElement[bool]]:
    columns = {"status": _c.status, "segment": _c.segment, "country": _c.country}
    wanted = [columns[facet] == bindparam(facet) for facet in sorted(facets & columns.keys())]
    return [*wanted, bindparam("tag", type_=String) == func.any(_c.tags)] if "tag" in facets else wanted


@cache
def every_customer(facets: frozenset[str]) -> Statement:
    """In the order of ids, at most `limit`."""
    return Statement(select(*SHOWN).where(*_wanted(facets)).order_by(_c.id).limit(bindparam("limit")))


@cache
def how_many(facets: frozenset[str]) -> Statement:
    """Counted up to `limit`."""
    some = select(_c.id).where(*_wanted(facets)).limit(bindparam("limit")).subquery()
    return Statement(select(func.count().label("found")).select_from(some))
