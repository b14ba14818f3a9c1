"""The tables of jobs as SQLAlchemy Core sees them; `shared/state/migrations` makes them.

Row-level security fills `tenant_id` in and filters by it, but for the queue, which says whose job to run.
"""

from sqlalchemy import ARRAY, Boolean, Column, DateTime, Integer, MetaData, String, Table, Uuid
from sqlalchemy.dialects.postgresql import JSONB

_metadata = MetaData(schema="suite")

jobs = Table(
    "jobs",
    _metadata,
    Column("id", String, primary_key=True),
    Column("server", String),
    Column("tool", String),
    Column("issuer", String),
    Column("subject", String),
    Column("client", String),
    Column("rights", ARRAY(String)),
    Column("arguments", JSONB),
    Column("state", String),
    Column("done", Integer),
    Column("expected", Integer),
    Column("parts", Integer),
    Column("reached", Integer),
    Column("truncated", Boolean),
    Column("checkpoint", JSONB),
    Column("error", String),
    Column("message", String),
    Column("created_at", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
    Column("expires_at", DateTime(timezone=True)),
)

job_parts = Table(
    "job_parts",
    _metadata,
    Column("job_id", String, primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("rows", JSONB),
)

job_queue = Table(
    "job_queue",
    _metadata,
    Column("tenant_id", String, primary_key=True),
    Column("job_id", String, primary_key=True),
    Column("server", String),
    Column("task", String),
    Column("due_at", DateTime(timezone=True)),
    Column("attempts", Integer),
    Column("lease", Uuid),
)
