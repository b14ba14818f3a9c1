"""SQL of notes, of what can be undone, and of rows that go over to another customer."""

from typing import Any

from sqlalchemy import ARRAY, Column, Integer, String, bindparam, delete, func, insert, literal_column, select, tuple_
from sqlalchemy import update as sql_update

from servers.customers.schema import changes, notes, orders
from shared.state.database import Statement

_n, _h = notes.c, changes.c
_texts = ARRAY(String)
_BOUNDED = literal_column("500", Integer)

ADD_NOTE = Statement(
    insert(notes)
    .values(
        id=bindparam("new_id"),
        customer_id=bindparam("new_customer_id"),
        text=bindparam("new_text"),
        author=bindparam("new_author"),
    )
    .returning(*notes.columns)
)
REMOVE_NOTE = Statement(
    delete(notes).where(_n.id == bindparam("id"), _n.customer_id == bindparam("by_customer_id")).returning(_n.id)
)
_position = tuple_(bindparam("before_at", type_=_n.created_at.type), bindparam("before_id"))
NOTES_PAGE = Statement(
    select(notes)
    .where(_n.customer_id == bindparam("customer_id"), tuple_(_n.created_at, _n.id) < _position)
    .order_by(_n.created_at.desc(), _n.id.desc())
    .limit(bindparam("limit"))
)

MOVABLE = {"orders": orders, "notes": notes}
"""What goes over to the kept customer in a merge."""


def _owned(table: Any) -> Statement:
    some = select(table.c.id).where(table.c.customer_id == bindparam("customer_id")).limit(bindparam("limit"))
    return Statement(select(func.count().label("found")).select_from(some.subquery()))


def _moved(table: Any, *which: Any) -> Statement:
    from_customer = table.c.customer_id == bindparam("from_customer")
    moving = sql_update(table).where(from_customer, *which).values(customer_id=bindparam("to_customer"))
    return Statement(moving.returning(table.c.id))


def _these(key: Column[Any]) -> Any:
    return key == func.any(bindparam("ids", type_=_texts))


COUNT = {name: _owned(table) for name, table in MOVABLE.items()}
MOVE_ALL = {name: _moved(table) for name, table in MOVABLE.items()}
MOVE_THESE = {name: _moved(table, _these(table.c.id)) for name, table in MOVABLE.items()}

_KEPT = ("id", "kind", "before", "after", "moved", "note_id", "personal")
KEEP_CHANGE = Statement(
    insert(changes).values({field: bindparam(f"new_{field}", type_=_h[field].type) for field in _KEPT})
)
LOCKED_CHANGE = Statement(select(changes).where(_h.id == bindparam("id"), _h.expires_at > func.now()).with_for_update())
MARK_UNDONE = Statement(sql_update(changes).where(_h.id == bindparam("by_id")).values(undone_at=func.now()))
_expired = select(_h.id).where(_h.expires_at <= func.now()).limit(_BOUNDED).with_for_update(skip_locked=True)
FORGET_EXPIRED = Statement(delete(changes).where(_h.id.in_(_expired)))
