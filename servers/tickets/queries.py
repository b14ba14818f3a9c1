"""SQL that reads tickets. Row-level security adds the tenant to every statement."""

from functools import cache
from typing import Any, cast

from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    Float,
    Integer,
    String,
    and_,
    bindparam,
    column,
    func,
    literal_column,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import insert as pg_insert

from servers.tickets.schema import comments, history, queues, tickets
from servers.tickets.workflow import UNFINISHED
from shared.state.database import Statement

_t, _c, _h, _q = tickets.c, comments.c, history.c, queues.c
_texts = ARRAY(String)
_NOW = func.now()
_ENGLISH = cast("Any", literal_column("'english'::regconfig"))
_NO_WORDS = cast("Any", literal_column("NULL::tsquery"))
_unfinished = _t.status.in_([literal_column(f"'{status}'", String) for status in sorted(UNFINISHED)])
_overdue = and_(_unfinished, _t.due_at < _NOW)

SHOWN = (*(each for each in tickets.columns if each.name != "marks"), _overdue.label("overdue"))


def _these(key: ColumnElement[str], name: str) -> ColumnElement[bool]:
    return key == func.any(bindparam(name, type_=_texts))


BY_IDS = Statement(select(*SHOWN).where(_these(_t.id, "ids")))
COMMENTS = Statement(
    select(comments, func.count().over().label("total"))
    .where(_c.ticket_id == bindparam("ticket_id"))
    .order_by(_c.created_at.desc(), _c.id.desc())
    .limit(bindparam("limit"))
)
COMMENT_COUNT = Statement(select(func.count().label("total")).where(_c.ticket_id == bindparam("ticket_id")))
HISTORY = Statement(
    select(history)
    .where(_h.ticket_id == bindparam("ticket_id"))
    .order_by(_h.version.desc())
    .limit(bindparam("limit", type_=Integer))
)
UNFINISHED_AMONG = Statement(select(_t.id).where(_these(_t.id, "ids"), _unfinished).order_by(_t.id))
"""Which of these still have work to be done."""

# Finding
_conditions: dict[str, ColumnElement[bool]] = {
    "status": _these(_t.status, "status"),
    "queue": _t.queue == bindparam("queue"),
    "type": _t.type == bindparam("type"),
    "priority": _t.priority == bindparam("priority"),
    "assignee": _t.assignee == bindparam("assignee"),
    "created_by": _t.created_by == bindparam("created_by"),
    "customer_id": _t.customer_id == bindparam("customer_id"),
    "updated_before": _t.updated_at < bindparam("updated_before"),
    "unassigned": and_(_t.assignee.is_(None), bindparam("unassigned", type_=Boolean)),
    "overdue": and_(_overdue, bindparam("overdue", type_=Boolean)),
}
_before = tuple_(bindparam("before_at", type_=_t.updated_at.type), bindparam("before_id"))


def _found(wanted: Any) -> Any:
    asked = func.tickets.search(
        wanted,
        bindparam("required", type_=_texts),
        bindparam("alternatives", type_=_texts),
        bindparam("most", type_=Integer),
    )
    return asked.table_valued(column("ticket_id", String), column("rank", Float)).render_derived("found")


def conditions(names: frozenset[str]) -> list[ColumnElement[bool]]:
    """What tickets have to be, by names of arguments; each takes a value of its name."""
    return [_conditions[name] for name in sorted(names)]


@cache
def page(names: frozenset[str], *, marked: bool) -> Statement:
    """Tickets before the position, those touched last first; if `marked`, those with the marks that are asked for."""
    newest = select(*SHOWN).where(*conditions(names), tuple_(_t.updated_at, _t.id) < _before)
    if marked:
        newest = newest.where(_t.id == _found(_NO_WORDS).c.ticket_id)
    return Statement(newest.order_by(_t.updated_at.desc(), _t.id.desc()).limit(bindparam("limit")))


@cache
def locked(names: frozenset[str], *, marked: bool) -> Statement:
    """Tickets that are not merged, locked in the order of ids, as `write_queries.LOCKED` locks them; if `marked`, those
    with the marks that are asked for. What was changed while it waited for a lock is looked at again.
    """
    fitting = select(*SHOWN).where(*conditions(names), _t.merged_into.is_(None))
    if marked:
        fitting = fitting.where(_t.id == _found(_NO_WORDS).c.ticket_id)
    return Statement(fitting.order_by(_t.id).limit(bindparam("limit")).with_for_update(of=tickets))


@cache
def one(names: frozenset[str]) -> Statement:
    """The ticket with the id, if it fits."""
    return Statement(select(*SHOWN).where(_t.id == bindparam("id"), *conditions(names)))


@cache
def search(names: frozenset[str]) -> Statement:
    """Tickets that fit `wanted`, as `websearch_to_tsquery` takes it; the best first."""
    found = _found(func.websearch_to_tsquery(_ENGLISH, bindparam("wanted", type_=String)))
    fitting = select(*SHOWN, found.c.rank, func.count().over().label("total"))
    best = fitting.where(_t.id == found.c.ticket_id, *conditions(names))
    best = best.order_by(found.c.rank.desc(), _t.updated_at.desc(), _t.id.desc())
    return Statement(best.limit(bindparam("limit")).offset(bindparam("skip", type_=Integer)))


def _similar() -> Statement:
    """Tickets with any of the words, as `to_tsquery` takes them; the best first."""
    found = _found(func.to_tsquery(_ENGLISH, bindparam("wanted", type_=String)))
    alike = select(*SHOWN, found.c.rank).where(_t.id == found.c.ticket_id, _t.id != bindparam("but"))
    alike = alike.where(_t.status != literal_column("'merged'", String))
    return Statement(alike.order_by(found.c.rank.desc(), _t.updated_at.desc(), _t.id.desc()).limit(bindparam("limit")))


SIMILAR = _similar()

# Queues
QUEUE = Statement(select(queues).where(_q.name == bindparam("name")))
QUEUES = Statement(select(queues).where(_q.name > bindparam("after")).order_by(_q.name).limit(bindparam("limit")))
ADD_QUEUE = Statement(
    pg_insert(queues)
    .values(name=bindparam("new_name"), title=bindparam("new_title"))
    .on_conflict_do_nothing()
    .returning(*queues.columns)
)
STANDING = Statement(
    select(
        _t.status,
        func.count().label("tickets"),
        func.count().filter(_t.assignee.is_(None), _unfinished).label("unassigned"),
        func.count().filter(_overdue).label("overdue"),
    )
    .where(_t.queue == bindparam("queue"))
    .group_by(_t.status)
)
NEXT_DUE = Statement(
    select(*SHOWN)
    .where(_t.queue == bindparam("queue"), _unfinished)
    .order_by(_t.due_at, _t.id)
    .limit(bindparam("limit", type_=Integer))
)

IDS_FROM = Statement(
    select(_t.id)
    .where(_t.id >= bindparam("low", type_=String), _t.id < bindparam("high", type_=String))
    .order_by(_t.id)
    .limit(literal_column("101", Integer))
)
QUEUES_FROM = Statement(
    select(_q.name)
    .where(_q.name >= bindparam("low", type_=String), _q.name < bindparam("high", type_=String))
    .order_by(_q.name)
    .limit(literal_column("101", Integer))
)
"""Names that begin alike, and one more than MCP lets a completion answer with."""
