"""The search over a company's views: plain SQL, which walks the customers unless the company's tables have indexes.

Anybody may look for parts of names, companies, cities, tags and ids. E-mail addresses and phone numbers are looked
at only when the query asks for one and the caller may see it, so that guessing by search tells the others nothing.
"""

from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, String, and_, bindparam, func, literal_column, or_, select, tuple_

from servers.customers.fields import PII
from servers.customers.finding import NEEDS_PII
from servers.customers.models import CustomerSummary, Found, Search
from servers.customers.schema import customers
from servers.customers.search import wanted
from shared.core.tool import Call
from shared.state.database import Statement

_COUNTED = 1000
_c = customers.c
_FACETS = ("status", "segment", "country")
_WORD, _EMAIL, _PHONE = "word", "email", "phone"
# A tag holds no blank, so no word is found across two of them.
_TAGS = func.array_to_string(_c.tags, literal_column("' '"))
_DIGITS = func.regexp_replace(_c.phone, literal_column("'^00|[^0-9]'"), literal_column("''"), literal_column("'g'"))


async def scan(call: Call, query: Search) -> Found:
    """The page at the cursor, which carries the total that the first page counted, and the last position."""
    asked = wanted(query.query, query.tag)
    if asked.sensitive and not call.caller.may(PII):
        return NEEDS_PII
    kinds, values = _asked(query, asked.ranges[0].low)
    total, is_exact, position = call.cursors.open(query.cursor, query) if query.cursor else (None, True, None)
    after = dict(zip(("after_name", "after_id"), position, strict=True)) if position else {}
    page = _page(kinds, _facets(query), position is not None)
    rows = await call.database.rows(page, **values, **after, limit=query.limit + 1)
    more = len(rows) > query.limit
    if total is None:
        total, is_exact = await _total(call, query, kinds, values) if more else (len(rows), True)
    found = [CustomerSummary(**row) for row in rows[: query.limit]]
    position = [found[-1].name, found[-1].id] if more else []
    return Found(
        customers=found,
        total_count=total,
        total_is_exact=is_exact,
        next_cursor=call.cursors.seal([total, is_exact, position], query) if more else None,
    )


async def _total(call: Call, query: Search, kinds: tuple[str, ...], values: dict[str, Any]) -> tuple[int, bool]:
    row = await call.database.row(_count(kinds, _facets(query)), **values, limit=_COUNTED)
    return (row["customers"], row["customers"] < _COUNTED) if row else (0, True)


def _asked(query: Search, first: str) -> tuple[tuple[str, ...], dict[str, Any]]:
    """What each part of the query is, and the values of the statement.

    Args:
        query: The search.
        first: Where the first range of `wanted` begins: with a plus if all of the query is a phone number.
    """
    values = {name: getattr(query, name) for name in (*_FACETS, "tag") if getattr(query, name) is not None}
    if first.startswith("+"):
        return (_PHONE,), {**values, "part_0": f"{_literally(first[1:])}%"}
    parts = list(dict.fromkeys(part for part in query.query.split() if any(char.isalnum() for char in part)))
    kinds = tuple(_EMAIL if "@" in part else _WORD for part in parts)
    for number, (kind, part) in enumerate(zip(kinds, parts, strict=True)):
        values[f"part_{number}"] = f"{'' if kind == _EMAIL else '%'}{_literally(part)}%"
    return kinds, values


def _literally(text: str) -> str:
    """The text as a pattern of LIKE that means nothing else."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _facets(query: Search) -> frozenset[str]:
    return frozenset(name for name in (*_FACETS, "tag") if getattr(query, name) is not None)


@cache
def _page(kinds: tuple[str, ...], facets: frozenset[str], later: bool) -> Statement:
    page = _matching(select(*(_c[name] for name in CustomerSummary.model_fields)), kinds, facets)
    if later:
        page = page.where(tuple_(_c.name, _c.id) > tuple_(bindparam("after_name"), bindparam("after_id")))
    return Statement(page.order_by(_c.name, _c.id).limit(bindparam("limit")))


@cache
def _count(kinds: tuple[str, ...], facets: frozenset[str]) -> Statement:
    some = _matching(select(_c.id), kinds, facets).limit(bindparam("limit")).subquery("some")
    return Statement(select(func.count().label("customers")).select_from(some))


def _matching(rows: Select[Any], kinds: tuple[str, ...], facets: frozenset[str]) -> Select[Any]:
    parts = [_fits(kind, bindparam(f"part_{number}", type_=String)) for number, kind in enumerate(kinds)]
    filters = [_c[facet] == bindparam(facet) for facet in sorted(facets & set(_FACETS))]
    tagged = [bindparam("tag", type_=String) == func.any(_c.tags)] if "tag" in facets else []
    return rows.where(and_(*parts, *filters, *tagged))


def _fits(kind: str, pattern: ColumnElement[str]) -> ColumnElement[bool]:
    if kind == _PHONE:
        return _DIGITS.like(pattern)
    if kind == _EMAIL:
        return _c.email.ilike(pattern)
    return or_(*(text.ilike(pattern) for text in (_c.name, _c.company, _c.city, _c.id, _TAGS)))
