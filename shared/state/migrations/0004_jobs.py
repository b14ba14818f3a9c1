"""Long-running work: jobs, the parts they made, and the queue that workers share."""

from alembic import op

from shared.state.migrate import run_script

revision = "0004"
down_revision = "0003"

JOBS = """
CREATE TABLE suite.jobs (
    tenant_id text COLLATE "C" NOT NULL DEFAULT current_setting('app.tenant', true) CHECK (tenant_id <> ''),
    id text COLLATE "C" NOT NULL,
    server text COLLATE "C" NOT NULL CHECK (server <> ''),
    tool text COLLATE "C" NOT NULL CHECK (tool <> ''),
    issuer text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    client text COLLATE "C" NOT NULL,
    rights text[] NOT NULL,
    arguments jsonb NOT NULL,
    state text NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled', 'expired')),
    done integer NOT NULL DEFAULT 0,
    expected integer,
    parts integer NOT NULL DEFAULT 0,
    reached integer NOT NULL DEFAULT 0,
    truncated boolean NOT NULL DEFAULT false,
    checkpoint jsonb,
    error text,
    message text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    expires_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    CHECK ((finished_at IS NULL) = (state IN ('queued', 'running'))),
    CHECK ((expires_at IS NULL) = (finished_at IS NULL))
);
COMMENT ON COLUMN suite.jobs.rights IS 'app.rights of whoever asked, as they were then: the work sees no more';
COMMENT ON COLUMN suite.jobs.reached IS 'the most parts that any attempt made; one that makes more has got further';
CREATE INDEX jobs_owner ON suite.jobs (tenant_id, issuer, subject, server, tool, state);

CREATE TABLE suite.job_parts (
    tenant_id text COLLATE "C" NOT NULL DEFAULT current_setting('app.tenant', true) CHECK (tenant_id <> ''),
    job_id text COLLATE "C" NOT NULL,
    part integer NOT NULL CHECK (part > 0),
    rows jsonb NOT NULL,
    PRIMARY KEY (tenant_id, job_id, part),
    FOREIGN KEY (tenant_id, job_id) REFERENCES suite.jobs (tenant_id, id) ON DELETE CASCADE
);
"""

# The one table without row-level security: a worker looks for work before it knows whose. It holds no personal data,
# and whoever takes a row acts under the row's tenant. `due_at` is when the row may be taken; for as long as a worker
# holds it, that is the end of its lease.
QUEUE = """
CREATE TABLE suite.job_queue (
    tenant_id text COLLATE "C" NOT NULL CHECK (tenant_id <> ''),
    job_id text COLLATE "C" NOT NULL,
    server text COLLATE "C" NOT NULL,
    task text NOT NULL CHECK (task IN ('run', 'expire', 'erase')),
    due_at timestamptz NOT NULL DEFAULT now(),
    attempts integer NOT NULL DEFAULT 0,
    lease uuid,
    PRIMARY KEY (tenant_id, job_id)
);
CREATE INDEX job_queue_due ON suite.job_queue (due_at);
"""

POLICIES = """
ALTER TABLE suite.jobs ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE suite.job_parts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON suite.jobs TO suite_app
    USING (tenant_id = (SELECT current_setting('app.tenant', true)));
CREATE POLICY tenant ON suite.job_parts TO suite_app
    USING (tenant_id = (SELECT current_setting('app.tenant', true)));
"""

GRANTS = """
GRANT SELECT, INSERT, DELETE,
    UPDATE (state, done, expected, parts, reached, truncated, checkpoint, error, message, updated_at, finished_at,
            expires_at)
    ON suite.jobs TO suite_app;
GRANT SELECT, INSERT, DELETE ON suite.job_parts TO suite_app;
GRANT SELECT, INSERT, UPDATE (task, due_at, attempts, lease), DELETE ON suite.job_queue TO suite_app;
"""


def upgrade() -> None:
    for script in (JOBS, QUEUE, POLICIES, GRANTS):
        run_script(script)


def downgrade() -> None:
    for table in ("job_queue", "job_parts", "jobs"):
        op.execute(f"DROP TABLE suite.{table}")
