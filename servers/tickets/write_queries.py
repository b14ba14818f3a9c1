"""SQL that writes tickets, many at a time."""

from sqlalchemy import ARRAY, Integer, String, bindparam, delete, func, insert, literal_column, select, text, update
from sqlalchemy.dialects.postgresql import JSONB

from servers.tickets.queries import SHOWN
from servers.tickets.schema import changes, comments, history, tickets
from shared.state.database import Statement

_t, _c, _h, _g = tickets.c, comments.c, history.c, changes.c
_texts = ARRAY(String)

FIELDS = (
    *("type", "title", "body", "priority", "status", "queue", "assignee", "requester_name", "requester_email"),
    *("customer_id", "due_at", "labels", "watchers", "links", "attachments", "resolution", "resolved_at"),
    "merged_into",
)
"""What a change can change, in the order diffs show it."""
_STORED = (*FIELDS, "marks")

# Always in the order of ids, so that two calls that want the same tickets wait for each other and never in a circle.
LOCKED = Statement(
    select(*SHOWN).where(_t.id == func.any(bindparam("ids", type_=_texts))).order_by(_t.id).with_for_update(of=tickets)
)
NOW = Statement(select(func.now().label("now")))
_rows = bindparam("rows", type_=JSONB)

INSERT = Statement(
    text(
        f"INSERT INTO tickets.tickets (id, created_by, {', '.join(_STORED)}) "  # noqa: S608 - names of ours
        f"SELECT r.id, r.created_by, {', '.join(f'r.{field}' for field in _STORED)} "
        "FROM jsonb_populate_recordset(NULL::tickets.tickets, :rows) AS r"
    ).bindparams(_rows)
)
UPDATE = Statement(
    text(
        f"UPDATE tickets.tickets AS t SET {', '.join(f'{field} = r.{field}' for field in _STORED)}, "  # noqa: S608 - the same
        "version = t.version + 1, updated_at = now() "
        "FROM jsonb_populate_recordset(NULL::tickets.tickets, :rows) AS r WHERE t.id = r.id"
    ).bindparams(_rows)
)
RECORD = Statement(
    text(
        "INSERT INTO tickets.history (ticket_id, version, act, change_id, by_subject, by_actor, before, after) "
        "SELECT r.ticket_id, r.version, :act, :change_id, :by_subject, :by_actor, r.before, r.after "
        "FROM jsonb_populate_recordset(NULL::tickets.history, :rows) AS r"
    ).bindparams(
        _rows,
        bindparam("act", type_=String),
        bindparam("change_id", type_=String),
        bindparam("by_subject", type_=String),
        bindparam("by_actor", type_=String),
    )
)

ADD_COMMENT = Statement(
    insert(comments)
    .values({name: bindparam(f"new_{name}", type_=_c[name].type) for name in ("id", "ticket_id", "text", "internal")})
    .values({name: bindparam(f"new_{name}", type_=_c[name].type) for name in ("author", "attachments")})
    .returning(*comments.columns)
)
REMOVE_COMMENT = Statement(delete(comments).where(_c.id == bindparam("id")).returning(_c.id, _c.ticket_id))
_moving = update(comments).where(_c.ticket_id == bindparam("from_ticket")).values(ticket_id=bindparam("to_ticket"))
MOVE_COMMENTS = Statement(_moving.returning(_c.id))
MOVE_THESE = Statement(_moving.where(_c.id == func.any(bindparam("ids", type_=_texts))).returning(_c.id))

_KEPT = ("id", "act", "needs", "moved", "comment_id")
KEEP_CHANGE = Statement(insert(changes).values({name: bindparam(f"new_{name}", type_=_g[name].type) for name in _KEPT}))
LOCKED_CHANGE = Statement(select(changes).where(_g.id == bindparam("id"), _g.expires_at > func.now()).with_for_update())
OF_CHANGE = Statement(select(history).where(_h.change_id == bindparam("id")).order_by(_h.ticket_id))
MARK_UNDONE = Statement(update(changes).where(_g.id == bindparam("by_id")).values(undone_at=func.now()))
_expired = (
    select(_g.id)
    .where(_g.expires_at <= func.now())
    .limit(literal_column("500", Integer))
    .with_for_update(skip_locked=True)
)
FORGET_EXPIRED = Statement(delete(changes).where(_g.id.in_(_expired)))
