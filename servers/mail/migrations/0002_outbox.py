"""The outbox: mails as they go, who gets them, every attempt, and the queue that workers share."""

from alembic import op

from shared.state.migrate import run_script

revision = "0002"
down_revision = "0001"

_TENANT = """text COLLATE "C" NOT NULL DEFAULT current_setting('app.tenant', true) CHECK (tenant_id <> '')"""

MAILS = f"""
CREATE TABLE mail.mails (
    tenant_id {_TENANT},
    id text COLLATE "C" NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    sender text COLLATE "C" NOT NULL,
    envelope_from text COLLATE "C" NOT NULL,
    subject text NOT NULL,
    text text NOT NULL,
    html text,
    attachments jsonb NOT NULL DEFAULT '[]',
    findings jsonb NOT NULL DEFAULT '[]',
    mime bytea NOT NULL,
    smtputf8 boolean NOT NULL DEFAULT false,
    created_by text COLLATE "C" NOT NULL,
    issuer text COLLATE "C" NOT NULL,
    client text COLLATE "C" NOT NULL,
    actors text[] NOT NULL DEFAULT '{{}}',
    approval_id text COLLATE "C",
    request_id text NOT NULL DEFAULT '',
    draft_id text COLLATE "C",
    draft_version integer,
    template text COLLATE "C",
    template_version integer,
    job_id text COLLATE "C",
    confidential boolean NOT NULL DEFAULT false,
    state text COLLATE "C" NOT NULL DEFAULT 'queued' CHECK (state IN
        ('queued', 'sending', 'sent', 'retrying', 'unknown', 'failed', 'dead', 'cancelled')),
    attempts integer NOT NULL DEFAULT 0,
    unknowns integer NOT NULL DEFAULT 0,
    reason text,
    last_code integer,
    last_text text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    next_attempt_at timestamptz,
    sent_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, message_id)
);
COMMENT ON COLUMN mail.mails.unknowns IS
    'attempts after which nobody knew whether the relay had taken it: so many times more it may have gone out';
CREATE INDEX mails_created ON mail.mails (tenant_id, created_at, id);
CREATE INDEX mails_job ON mail.mails (tenant_id, job_id) WHERE job_id IS NOT NULL;
CREATE INDEX mails_ended_badly ON mail.mails (tenant_id, updated_at) WHERE state IN ('failed', 'dead', 'unknown');

CREATE TABLE mail.recipients (
    tenant_id {_TENANT},
    mail_id text COLLATE "C" NOT NULL,
    n integer NOT NULL,
    kind text NOT NULL CHECK (kind IN ('to', 'cc', 'bcc')),
    address text COLLATE "C" NOT NULL,
    name text,
    customer_id text COLLATE "C",
    domain text COLLATE "C" NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'refused', 'given_up', 'cancelled')),
    last_code integer,
    last_text text,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, mail_id, n),
    UNIQUE (tenant_id, mail_id, address),
    FOREIGN KEY (tenant_id, mail_id) REFERENCES mail.mails (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE mail.attempts (
    tenant_id {_TENANT},
    mail_id text COLLATE "C" NOT NULL,
    attempt integer NOT NULL,
    worker text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    outcome text NOT NULL DEFAULT 'sending' CHECK (outcome IN
        ('sending', 'taken', 'refused', 'later', 'lost', 'unknown', 'worker_lost')),
    code integer,
    text text,
    accepted integer NOT NULL DEFAULT 0,
    refused integer NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, mail_id, attempt),
    FOREIGN KEY (tenant_id, mail_id) REFERENCES mail.mails (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE mail.events (
    tenant_id {_TENANT},
    mail_id text COLLATE "C" NOT NULL,
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    n bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind text NOT NULL,
    facts jsonb NOT NULL DEFAULT '{{}}',
    FOREIGN KEY (tenant_id, mail_id) REFERENCES mail.mails (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE mail.events IS
    'what has yet to be put on record: committed with what it tells of, and gone once the audit has it under its id';
CREATE INDEX events_mail ON mail.events (tenant_id, mail_id, n);
"""

# Without row-level security: a worker looks for work before it knows whose, and the relay is everybody's. Addresses
# are in none of them, and whoever takes a row acts under the row's tenant. `due_at` is when the row may be taken;
# while a worker holds it, that is the end of its lease. A held mail is due at infinity. A mail's lifetime counts from
# `since`.
SHARED = """
CREATE TABLE mail.queue (
    tenant_id text COLLATE "C" NOT NULL CHECK (tenant_id <> ''),
    mail_id text COLLATE "C" NOT NULL,
    domain text COLLATE "C" NOT NULL,
    task text NOT NULL DEFAULT 'send' CHECK (task IN ('send', 'record')),
    due_at timestamptz NOT NULL DEFAULT now(),
    since timestamptz NOT NULL DEFAULT now(),
    lease uuid,
    PRIMARY KEY (tenant_id, mail_id)
);
CREATE INDEX queue_due ON mail.queue (due_at);

CREATE TABLE mail.pace (
    name text COLLATE "C" PRIMARY KEY,
    free_at timestamptz NOT NULL
);
COMMENT ON TABLE mail.pace IS 'when the next mail to a domain may go; under * to any';

CREATE TABLE mail.relay (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    silent_since timestamptz,
    trouble text
);
INSERT INTO mail.relay DEFAULT VALUES;
"""

POLICIES = "".join(
    f"""
ALTER TABLE mail.{table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON mail.{table} TO suite_app
    USING (tenant_id = (SELECT current_setting('app.tenant', true)));
"""
    for table in ("mails", "recipients", "attempts", "events")
)

GRANTS = """
GRANT SELECT, INSERT,
    UPDATE (state, attempts, unknowns, reason, last_code, last_text, updated_at, next_attempt_at, sent_at)
    ON mail.mails TO suite_app;
GRANT SELECT, INSERT, UPDATE (state, last_code, last_text, updated_at) ON mail.recipients TO suite_app;
GRANT SELECT, INSERT, UPDATE (ended_at, outcome, code, text, accepted, refused) ON mail.attempts TO suite_app;
GRANT SELECT, INSERT, DELETE ON mail.events TO suite_app;
GRANT SELECT, INSERT, UPDATE (domain, task, due_at, since, lease), DELETE ON mail.queue TO suite_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON mail.pace TO suite_app;
GRANT SELECT, UPDATE ON mail.relay TO suite_app;
"""


def upgrade() -> None:
    for script in (MAILS, SHARED, POLICIES, GRANTS):
        run_script(script)


def downgrade() -> None:
    for table in ("relay", "pace", "queue", "events", "attempts", "recipients", "mails"):
        op.execute(f"DROP TABLE mail.{table}")
