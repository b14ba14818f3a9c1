"""SQL of exports: in the order of ids, so that the last one kept says where to go on."""

from functools import cache
from typing import Any

from sqlalchemy import String, bindparam, func, select

from servers.tickets.queries import SHOWN, conditions
from servers.tickets.schema import tickets
from shared.state.database import Statement

_t = tickets.c


def _fitting(names: frozenset[str], *columns: Any) -> Any:
    # Labels are compared and not looked up in the index of words: all tickets are walked anyway.
    label = [bindparam("label", type_=String) == func.any(_t.labels)] if "label" in names else []
    where = conditions(names - {"label"})
    return select(*columns).where(*where, *label, _t.created_at <= bindparam("began", type_=_t.created_at.type))


@cache
def page(names: frozenset[str]) -> Statement:
    """The tickets after this id."""
    following = _fitting(names, *SHOWN).where(_t.id > bindparam("after"))
    return Statement(following.order_by(_t.id).limit(bindparam("limit")))


@cache
def count(names: frozenset[str]) -> Statement:
    """Counted up to `limit`."""
    some = _fitting(names, _t.id).limit(bindparam("limit")).subquery()
    return Statement(select(func.count().label("tickets")).select_from(some))
