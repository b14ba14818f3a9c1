"""SQL of exports: jobs and parts under row-level security, and the queue that belongs to no tenant."""

from functools import cache

from sqlalchemy import (
    ColumnElement,
    Integer,
    String,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    literal_column,
    null,
    or_,
    select,
    text,
    update,
)

from servers.customers.queries import SHOWN
from servers.customers.schema import customers, export_jobs, export_parts, export_queue
from shared.state.database import Statement

_c, _j, _p, _q = customers.c, export_jobs.c, export_parts.c, export_queue.c
_ONE, _BOUNDED = literal_column("1", Integer), literal_column("100", Integer)

_unfinished = or_(_j.state == literal("queued"), _j.state == literal("running"))

KEPT_HOURS = 24
"""How long a finished export can be read."""
_KEPT = text(f"interval '{KEPT_HOURS} hours'")
_REMEMBERED = text("interval '7 days'")

# What a caller asks for
ONE_AT_A_TIME = Statement(
    select(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("owner", type_=String), literal_column("0"))))
)
"""Two calls of one caller count one after the other."""
_mine = and_(_j.issuer == bindparam("issuer"), _j.subject == bindparam("subject"))
UNFINISHED = Statement(select(func.count().label("jobs")).select_from(export_jobs).where(_mine, _unfinished))
NEW_JOB = Statement(
    insert(export_jobs)
    .values({name: bindparam(f"new_{name}", type_=_j[name].type) for name in ("id", "issuer", "subject", "filters")})
    .returning(*export_jobs.columns)
)
ENQUEUE = Statement(
    insert(export_queue).values(tenant_id=bindparam("tenant"), job_id=bindparam("new_id"), task=literal("run"))
)
JOB = Statement(select(export_jobs).where(_j.id == bindparam("id"), _mine))
PART = Statement(
    select(_p.part, _p.customers, _j.parts)
    .select_from(export_parts.join(export_jobs, _j.id == _p.job_id))
    .where(_p.job_id == bindparam("id"), _p.part == bindparam("part"))
    .where(_mine, _j.state == "done", _j.expires_at > func.now())
)
_old = select(_j.id).where(_j.expires_at < func.now() - _REMEMBERED, ~_unfinished)
FORGET_OLD_JOBS = Statement(delete(export_jobs).where(_j.id.in_(_old.limit(_BOUNDED))))

# What a worker takes
_due = (
    select(_q.tenant_id, _q.job_id)
    .where(_q.due <= func.now())
    .order_by(_q.due)
    .limit(_ONE)
    .with_for_update(skip_locked=True)
    .cte("due")
)
_lease_end = func.now() + func.make_interval(0, 0, 0, 0, 0, 0, bindparam("lease_s", type_=Integer))
TAKE = Statement(
    update(export_queue)
    .where(_q.tenant_id == _due.c.tenant_id, _q.job_id == _due.c.job_id)
    .values(lease=bindparam("held_by", type_=_q.lease.type), due=_lease_end, attempts=_q.attempts + 1)
    .returning(_q.tenant_id, _q.job_id, _q.task, _q.attempts)
)
_held = and_(
    _q.tenant_id == bindparam("tenant"),
    _q.job_id == bindparam("id"),
    _q.lease == bindparam("held_by", type_=_q.lease.type),
)
HOLD = Statement(update(export_queue).where(_held).values(due=_lease_end).returning(_q.job_id))
PUT_BACK = Statement(
    update(export_queue)
    .where(_held)
    .values(due=_lease_end, lease=null(), attempts=_q.attempts - bindparam("uncounted", type_=Integer))
)
FORGET_LATER = Statement(
    update(export_queue)
    .where(_held)
    .values(
        task="forget",
        lease=null(),
        attempts=0,
        due=select(_j.expires_at).where(_j.id == bindparam("id")).scalar_subquery(),
    )
)
DEQUEUE = Statement(delete(export_queue).where(_held))

# What a worker does, as the tenant of the job
_this = _j.id == bindparam("id")
FILTERS = Statement(select(_j.filters).where(_this, _unfinished))
START = Statement(
    update(export_jobs)
    .where(_this)
    .values(state="running", rows_done=0, parts=0, expected_rows=bindparam("expected", type_=Integer))
)
KEEP_PART = Statement(
    insert(export_parts).values(
        job_id=bindparam("id"),
        part=bindparam("new_part", type_=Integer),
        customers=bindparam("new_customers", type_=_p.customers.type),
    )
)
PROGRESS = Statement(
    update(export_jobs)
    .where(_this)
    .values(parts=bindparam("new_part", type_=Integer), rows_done=_j.rows_done + bindparam("more", type_=Integer))
)
FINISH = Statement(
    update(export_jobs)
    .where(_this)
    .values(
        state=bindparam("new_state", type_=String),
        truncated=bindparam("new_truncated", type_=_j.truncated.type),
        error=bindparam("new_error", type_=String),
        finished_at=func.now(),
        expires_at=func.now() + _KEPT,
    )
)
FORGET_PARTS = Statement(delete(export_parts).where(_p.job_id == bindparam("id")))
EXPIRE = Statement(update(export_jobs).where(_this).values(state=case((_j.state == "done", "expired"), else_=_j.state)))


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
