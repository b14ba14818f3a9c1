"""SQL of who asks: a job and its parts are read, begun and cancelled by their owner alone."""

from sqlalchemy import (
    Integer,
    String,
    and_,
    bindparam,
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
from shared.state.jobs.tables import job_parts, job_queue, jobs

_j, _p, _q = jobs.c, job_parts.c, job_queue.c

unfinished = _j.finished_at.is_(None)
mine = and_(_j.issuer == bindparam("issuer"), _j.subject == bindparam("subject"), _j.server == bindparam("server"))
_this = _j.id == bindparam("id")
_queued = and_(_q.tenant_id == bindparam("tenant"), _q.job_id == bindparam("id"))
_HELD = ("id", "server", "tool", "issuer", "subject", "client", "rights", "arguments")

ONE_AT_A_TIME = Statement(
    select(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("owner", type_=String), literal_column("0"))))
)
"""Two calls of one caller count one after the other."""

UNFINISHED = Statement(
    select(func.count().label("jobs")).select_from(jobs).where(mine, _j.tool == bindparam("tool"), unfinished)
)
NEW_JOB = Statement(
    insert(jobs)
    .values({name: bindparam(f"new_{name}", type_=_j[name].type) for name in _HELD})
    .returning(*jobs.columns)
)
ENQUEUE = Statement(
    insert(job_queue).values(
        tenant_id=bindparam("tenant"), job_id=bindparam("new_id"), server=bindparam("new_server"), task=literal("run")
    )
)
JOB = Statement(select(jobs).where(_this, mine))
PART = Statement(
    select(_p.part, _p.rows, _j.parts)
    .select_from(job_parts.join(jobs, _j.id == _p.job_id))
    .where(_p.job_id == bindparam("id"), _p.part == bindparam("part", type_=Integer))
    .where(mine, _j.state == "done", _j.expires_at > func.now())
)

# In the order in which a worker locks them: first the row of the queue, then the job.
AWAIT_WORKER = Statement(select(_q.job_id).where(_queued).with_for_update())
_kept = func.make_interval(0, 0, 0, 0, 0, 0, bindparam("kept_s", type_=Integer))
CANCEL = Statement(
    update(jobs)
    .where(_this, mine, unfinished)
    .values(
        state=literal("cancelled"),
        parts=literal_column("0", Integer),
        updated_at=func.now(),
        finished_at=func.now(),
        expires_at=func.now() + _kept,
    )
    .returning(*jobs.columns)
)
FORGET_PARTS = Statement(delete(job_parts).where(_p.job_id == bindparam("id")))
TAKE_FROM_WORKER = Statement(
    update(job_queue)
    .where(_queued)
    .values(task=literal("expire"), lease=null(), attempts=literal_column("0", Integer), due_at=func.now() + _kept)
)
