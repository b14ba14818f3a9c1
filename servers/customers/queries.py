"""SQL only. Row-level security adds the tenant to every statement and every new row."""

from functools import cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    FromClause,
    Integer,
    Select,
    String,
    and_,
    bindparam,
    cast,
    delete,
    distinct,
    exists,
    func,
    insert,
    literal_column,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from servers.customers.schema import customers, order_lines, orders, search_terms
from shared.state.database import Statement

_c, _o, _l, _t = customers.c, orders.c, order_lines.c, search_terms.c
_texts = ARRAY(String)
_NONE, _ONE = literal_column("0", Integer), literal_column("1", Integer)

SHOWN = tuple(column for column in customers.columns if column is not _c.archived_from)
"""What reads ask for; the status to restore is the business of writes."""

BY_ID = Statement(select(*SHOWN).where(_c.id == bindparam("id")))
BY_IDS = Statement(select(*SHOWN).where(_c.id == func.any(bindparam("ids", type_=_texts))))
LOCKED = Statement(
    select(customers).where(_c.id == func.any(bindparam("ids", type_=_texts))).order_by(_c.id).with_for_update()
)
"""In the order of ids, whoever asks: two that want the same customers wait for each other in turn."""

WRITTEN = (
    "name", "company", "email", "phone", "street", "postal_code", "city", "country",
    "locale", "status", "segment", "tags",
)  # fmt: skip
"""What callers write; the values of INSERT and UPDATE are named `new_` and the column."""
STORED = (*WRITTEN, "archived_from", "merged_into")
"""What an UPDATE sets: a change is undone by setting it back."""

_new = {field: bindparam(f"new_{field}", type_=_c[field].type) for field in STORED}
_written = {field: _new[field] for field in WRITTEN}
INSERT = Statement(insert(customers).values(id=bindparam("new_id"), **_written).returning(*customers.columns))
UPDATE = Statement(
    update(customers)
    .where(_c.id == bindparam("by_id"))
    .values(version=_c.version + 1, updated_at=func.now(), **_new)
    .returning(*customers.columns)
)

FORGET_TERMS = Statement(delete(search_terms).where(_t.customer_id == bindparam("by_id")))
_indexed = select(
    _c.id,
    func.unnest(bindparam("terms", type_=_texts)),
    bindparam("sort_name", type_=String),
    _c.status,
    _c.segment,
    _c.country,
).where(_c.id == bindparam("by_id"))
STORE_TERMS = Statement(
    insert(search_terms).from_select(["customer_id", "term", "name", "status", "segment", "country"], _indexed)
)


def _first_lines() -> Any:
    line = func.jsonb_build_object(
        *("line", _l.line, "sku", _l.sku, "description", _l.description),
        *("quantity", _l.quantity, "unit_price", cast(_l.unit_price, String)),
    )
    lines = select(func.coalesce(func.jsonb_agg(aggregate_order_by(line, _l.line)), literal_column("'[]'::jsonb")))
    return lines.where(_l.order_id == _o.id, _l.line <= bindparam("lines_each")).scalar_subquery().label("lines")


ORDER = Statement(select(orders, _first_lines()).where(_o.id == bindparam("id")))


@cache
def orders_page(by_status: bool) -> Statement:
    """A customer's orders before the position, newest first, each with its first lines."""
    position = tuple_(bindparam("before_at", type_=_o.ordered_at.type), bindparam("before_id"))
    page = (
        select(orders, _first_lines())
        .where(_o.customer_id == bindparam("customer_id"), tuple_(_o.ordered_at, _o.id) < position)
        .order_by(_o.ordered_at.desc(), _o.id.desc())
        .limit(bindparam("limit"))
    )
    return Statement(page.where(_o.status == bindparam("status")) if by_status else page)


_IDS_MAX = literal_column("101", Integer)
IDS_FROM = Statement(
    select(_c.id)
    .where(_c.id >= bindparam("low", type_=String), _c.id < bindparam("high", type_=String))
    .order_by(_c.id)
    .limit(_IDS_MAX)
)
"""Ids that begin alike, and one more than MCP lets a completion answer with."""


def _matched(ranges: int, facets: frozenset[str]) -> Select[Any, Any, Any]:
    """Terms after the position and below `high_0`, of customers that also have a term in each other range.

    The position alone is the lower bound: given `term >= low_0` too, PostgreSQL may start from the weaker one.
    """
    terms: FromClause = search_terms
    for number in range(1, ranges):
        terms = terms.join(_has_term(number), true())
    position = tuple_(bindparam("from_term"), bindparam("from_name"), bindparam("from_id"))
    return (
        select(_t.customer_id, _t.term, _t.name)
        .select_from(terms)
        .where(tuple_(_t.term, _t.name, _t.customer_id) > position, _t.term < bindparam("high_0"))
        .where(*(_t[facet] == bindparam(facet) for facet in sorted(facets)))
        .order_by(_t.term, _t.name, _t.customer_id)
    )


def _has_term(number: int) -> FromClause:
    """One row if the customer has a term in this range. LIMIT makes it a look-up by key whatever the estimates."""
    other = search_terms.alias(f"other_{number}")
    within = and_(other.c.term >= bindparam(f"low_{number}"), other.c.term < bindparam(f"high_{number}"))
    return select(other.c.term).where(other.c.customer_id == _t.customer_id, within).limit(_ONE).lateral()


@cache
def search_page(ranges: int, facets: frozenset[str]) -> Statement:
    """Customers in the order of the index, each at the first of its terms that fits."""
    matched = _matched(ranges, facets).offset(_NONE).subquery("matched")
    earlier = search_terms.alias("earlier")
    seen = exists().where(
        earlier.c.customer_id == matched.c.customer_id,
        earlier.c.term >= bindparam("low_0"),
        earlier.c.term < matched.c.term,
    )
    position = (matched.c.term, matched.c.name, matched.c.customer_id)
    found = select(matched).where(~seen).order_by(*position).limit(bindparam("limit")).subquery("found")
    customer = select(*SHOWN).where(_c.id == found.c.customer_id).limit(_ONE).lateral("customer")
    return Statement(
        select(customer, found.c.term.label("found_term"), found.c.name.label("found_name"))
        .select_from(found.join(customer, true()))
        .order_by(found.c.term, found.c.name, found.c.customer_id)
    )


@cache
def search_total(ranges: int, facets: frozenset[str]) -> Statement:
    """How many customers the first `limit` terms belong to, and how many terms those were."""
    walked = _matched(ranges, facets).limit(bindparam("limit")).subquery("walked")
    return Statement(select(func.count(distinct(walked.c.customer_id)).label("customers"), func.count().label("terms")))


def _how_common() -> Statement:
    """For each range its number of terms, counted up to `limit`."""
    asked = func.unnest(bindparam("lows", type_=_texts), bindparam("highs", type_=_texts))
    asked = asked.table_valued("low", "high", with_ordinality="at").render_derived("asked")
    some = select(_t.term).where(_t.term >= asked.c.low, _t.term < asked.c.high).limit(bindparam("limit"))
    counted = select(func.count().label("terms")).select_from(some.correlate(asked).subquery()).lateral("counted")
    return Statement(select(counted.c.terms).select_from(asked.join(counted, true())).order_by(asked.c.at))


HOW_COMMON = _how_common()
