"""Approvals: what people are asked for, what they decided, and the queue of what follows from it."""

from alembic import op
from sqlalchemy import text

from shared.core.errors import Misconfigured
from shared.state.migrate import run_script

revision = "0006"
down_revision = "0005"

APPROVALS = """
CREATE TABLE suite.approvals (
    tenant_id text COLLATE "C" NOT NULL DEFAULT current_setting('app.tenant', true) CHECK (tenant_id <> ''),
    id text COLLATE "C" NOT NULL,
    kind text NOT NULL CHECK (kind IN ('approve', 'confirm')),
    server text COLLATE "C" NOT NULL CHECK (server <> ''),
    tool text COLLATE "C" NOT NULL CHECK (tool <> ''),
    issuer text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    caller jsonb NOT NULL,
    claim bytea NOT NULL,
    digest bytea NOT NULL,
    key text NOT NULL,
    arguments jsonb NOT NULL,
    answers jsonb NOT NULL,
    edited jsonb,
    payload text NOT NULL,
    rehearsal jsonb NOT NULL,
    gathered jsonb NOT NULL,
    bases jsonb NOT NULL,
    reason text NOT NULL,
    policies text[] NOT NULL,
    policy_version text NOT NULL,
    needed integer NOT NULL CHECK (needed BETWEEN 1 AND 20),
    request_id text NOT NULL,
    agent text,
    state text NOT NULL DEFAULT 'pending'
        CHECK (state IN ('pending', 'approved', 'done', 'failed', 'rejected', 'cancelled', 'expired', 'void')),
    outcome jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    escalated_at timestamptz,
    decided_at timestamptz,
    finished_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    CHECK ((finished_at IS NULL) = (state IN ('pending', 'approved')))
);
COMMENT ON TABLE suite.approvals IS 'calls that other people have to approve; see docs/approvals.md';
COMMENT ON COLUMN suite.approvals.claim IS 'the HMAC that names the call in the ledger';
COMMENT ON COLUMN suite.approvals.payload IS 'digest of all that is decided on; a decision names it';
COMMENT ON COLUMN suite.approvals.gathered IS 'what the rehearsal had from other servers; the call is done with it';
COMMENT ON COLUMN suite.approvals.bases IS 'versions of our own data that the rehearsal saw';
CREATE UNIQUE INDEX approvals_one_open ON suite.approvals (tenant_id, claim) WHERE finished_at IS NULL;
CREATE INDEX approvals_claim ON suite.approvals (tenant_id, claim, created_at);
CREATE INDEX approvals_open ON suite.approvals (tenant_id, expires_at) WHERE state = 'pending';
CREATE INDEX approvals_past ON suite.approvals (tenant_id, created_at);
CREATE INDEX approvals_of ON suite.approvals (tenant_id, issuer, subject, created_at);

CREATE TABLE suite.approval_decisions (
    tenant_id text COLLATE "C" NOT NULL DEFAULT current_setting('app.tenant', true) CHECK (tenant_id <> ''),
    approval_id text COLLATE "C" NOT NULL,
    issuer text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    verdict text NOT NULL CHECK (verdict IN ('approve', 'reject')),
    reason text,
    edited jsonb,
    payload text NOT NULL,
    acr text,
    auth_time bigint,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, approval_id, issuer, subject, payload),
    FOREIGN KEY (tenant_id, approval_id) REFERENCES suite.approvals (tenant_id, id) ON DELETE CASCADE
);
"""

# Without row-level security, as suite.job_queue is: a worker looks for work before it knows whose.
QUEUE = """
CREATE TABLE suite.approval_queue (
    tenant_id text COLLATE "C" NOT NULL CHECK (tenant_id <> ''),
    approval_id text COLLATE "C" NOT NULL,
    server text COLLATE "C" NOT NULL,
    task text NOT NULL
        CHECK (task IN ('execute', 'expire', 'escalate', 'erase', 'tell_asked', 'tell_escalated', 'tell_expiring')),
    due_at timestamptz NOT NULL DEFAULT now(),
    attempts integer NOT NULL DEFAULT 0,
    lease uuid,
    PRIMARY KEY (tenant_id, approval_id, task)
);
CREATE INDEX approval_queue_due ON suite.approval_queue (due_at);
"""

# Who serves calls can ask, do what was approved, and give up; who decides is somebody else.
POLICIES = """
ALTER TABLE suite.approvals ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE suite.approval_decisions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON suite.approvals FOR SELECT TO suite_app, suite_console
    USING (tenant_id = (SELECT current_setting('app.tenant', true)));
CREATE POLICY asking ON suite.approvals FOR INSERT TO suite_app
    WITH CHECK (tenant_id = (SELECT current_setting('app.tenant', true)) AND state = 'pending' AND edited IS NULL);
CREATE POLICY doing ON suite.approvals FOR UPDATE TO suite_app
    USING (tenant_id = (SELECT current_setting('app.tenant', true)) AND finished_at IS NULL)
    WITH CHECK (tenant_id = (SELECT current_setting('app.tenant', true))
        AND state IN ('pending', 'done', 'failed', 'cancelled', 'expired', 'void'));
CREATE POLICY forgetting ON suite.approvals FOR DELETE TO suite_app
    USING (tenant_id = (SELECT current_setting('app.tenant', true)) AND finished_at IS NOT NULL);
CREATE POLICY deciding ON suite.approvals FOR UPDATE TO suite_console
    USING (tenant_id = (SELECT current_setting('app.tenant', true)) AND state IN ('pending', 'approved'))
    WITH CHECK (tenant_id = (SELECT current_setting('app.tenant', true))
        AND state IN ('pending', 'approved', 'rejected', 'cancelled'));
CREATE POLICY tenant ON suite.approval_decisions FOR SELECT TO suite_app, suite_console
    USING (tenant_id = (SELECT current_setting('app.tenant', true)));
CREATE POLICY another ON suite.approval_decisions FOR INSERT TO suite_console
    WITH CHECK (tenant_id = (SELECT current_setting('app.tenant', true)) AND EXISTS (
        SELECT FROM suite.approvals a
        WHERE a.tenant_id = approval_decisions.tenant_id AND a.id = approval_id AND a.state = 'pending'
            AND (a.kind = 'confirm' OR (a.issuer, a.subject) <> (approval_decisions.issuer, approval_decisions.subject))
    ));
"""

GRANTS = """
GRANT SELECT, INSERT, DELETE,
    UPDATE (state, outcome, escalated_at, finished_at) ON suite.approvals TO suite_app;
GRANT SELECT ON suite.approval_decisions TO suite_app;
GRANT SELECT, INSERT, UPDATE (due_at, attempts, lease), DELETE ON suite.approval_queue TO suite_app;
GRANT USAGE ON SCHEMA suite TO suite_console;
GRANT SELECT, UPDATE (state, edited, payload, decided_at, finished_at, outcome) ON suite.approvals TO suite_console;
GRANT SELECT, INSERT ON suite.approval_decisions TO suite_console;
GRANT SELECT, INSERT, DELETE ON suite.approval_queue TO suite_console;
"""


def upgrade() -> None:
    if not op.get_bind().scalar(text("SELECT to_regrole('suite_console') IS NOT NULL")):
        raise Misconfigured(
            "there is no role suite_console, with which people decide. Let the administrator of the database run "
            "CREATE ROLE suite_console LOGIN PASSWORD '…' IN ROLE suite_reader, suite_operator; "
            "GRANT CONNECT ON DATABASE … TO suite_console; then migrate again"
        )
    for script in (APPROVALS, QUEUE, POLICIES, GRANTS):
        run_script(script)


def downgrade() -> None:
    for table in ("approval_queue", "approval_decisions", "approvals"):
        op.execute(f"DROP TABLE suite.{table}")
