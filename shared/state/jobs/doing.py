"""SQL of who works: what is due is taken for a time, and nothing is written by whoever does not hold it any more."""

from sqlalchemy import (
    Boolean,
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
    select,
    update,
)

from shared.state.database import Statement
from shared.state.jobs.asking import FORGET_PARTS, unfinished
from shared.state.jobs.tables import job_parts, job_queue, jobs

__all__ = ["FORGET_PARTS"]

_j, _p, _q = jobs.c, job_parts.c, job_queue.c
_ONE, _ZERO = literal_column("1", Integer), literal_column("0", Integer)


def _after(seconds: str) -> object:
    return func.now() + func.make_interval(0, 0, 0, 0, 0, 0, bindparam(seconds, type_=Integer))


# The queue, which belongs to no tenant
_due = (
    select(_q.tenant_id, _q.job_id)
    .where(_q.due_at <= func.now(), _q.server == func.any(bindparam("servers", type_=jobs.c.rights.type)))
    .order_by(_q.due_at)
    .limit(_ONE)
    .with_for_update(skip_locked=True)
    .cte("due")
)
TAKE = Statement(
    update(job_queue)
    .where(_q.tenant_id == _due.c.tenant_id, _q.job_id == _due.c.job_id)
    .values(lease=bindparam("held_by", type_=_q.lease.type), due_at=_after("lease_s"), attempts=_q.attempts + 1)
    .returning(_q.tenant_id, _q.job_id, _q.server, _q.task, _q.attempts)
)
_held = and_(
    _q.tenant_id == bindparam("tenant"),
    _q.job_id == bindparam("id"),
    _q.lease == bindparam("held_by", type_=_q.lease.type),
)
HOLD = Statement(
    update(job_queue)
    .where(_held)
    .values(
        due_at=_after("lease_s"),
        attempts=case((bindparam("further", type_=Boolean), _ZERO), else_=_q.attempts),
    )
    .returning(_q.attempts)
)
PUT_BACK = Statement(
    update(job_queue)
    .where(_held)
    .values(
        due_at=_after("after_s"),
        lease=null(),
        attempts=func.greatest(_q.attempts - bindparam("uncounted", type_=Integer), _ZERO),
    )
)
LATER = Statement(
    update(job_queue)
    .where(_held)
    .values(task=bindparam("next_task", type_=String), lease=null(), attempts=_ZERO, due_at=_after("after_s"))
)
DEQUEUE = Statement(delete(job_queue).where(_held))

# The job, as its tenant
_this = _j.id == bindparam("id")
UNDERTAKEN = Statement(select(jobs).where(_this, unfinished))
START = Statement(update(jobs).where(_this).values(state=literal("running"), updated_at=func.now()))
EXPECT = Statement(
    update(jobs)
    .where(_this)
    .values(
        expected=bindparam("rows", type_=Integer),
        truncated=bindparam("cut", type_=Boolean),
        updated_at=func.now(),
    )
)
RESTART = Statement(
    update(jobs).where(_this).values(done=_ZERO, parts=_ZERO, checkpoint=null(), expected=null(), updated_at=func.now())
)
KEEP_PART = Statement(
    insert(job_parts).values(
        job_id=bindparam("id"),
        part=bindparam("new_part", type_=Integer),
        rows=bindparam("new_rows", type_=_p.rows.type),
    )
)
PROGRESS = Statement(
    update(jobs)
    .where(_this)
    .values(
        parts=bindparam("new_part", type_=Integer),
        done=bindparam("new_done", type_=Integer),
        reached=func.greatest(_j.reached, bindparam("new_part", type_=Integer)),
        checkpoint=bindparam("new_checkpoint", type_=_j.checkpoint.type),
        updated_at=func.now(),
    )
)
FINISH = Statement(
    update(jobs)
    .where(_this)
    .values(
        state=bindparam("new_state", type_=String),
        error=bindparam("new_error", type_=String),
        message=bindparam("new_message", type_=String),
        updated_at=func.now(),
        finished_at=func.now(),
        expires_at=_after("kept_s"),
    )
)
EXPIRE = Statement(
    update(jobs)
    .where(_this)
    .values(state=case((_j.state == "done", literal("expired")), else_=_j.state), parts=_ZERO, updated_at=func.now())
)
ERASE = Statement(delete(jobs).where(_this))
