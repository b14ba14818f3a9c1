"""Why an address is on the suppression list, a way off it, and mails whose content is not kept for ever.

It only adds: replicas of the release before put addresses on the list without a code, and read emptied mails as mails
that say nothing.
"""

from alembic import op

from shared.state.migrate import run_script

revision = "0003"
down_revision = "0002"

SUPPRESSIONS = """
ALTER TABLE mail.suppressions ADD COLUMN code integer, ADD COLUMN said text;
COMMENT ON COLUMN mail.suppressions.said IS 'of bounces: what the relay answered, with its code';
GRANT DELETE ON mail.suppressions TO suite_app;
"""

# What a mail said may be taken away, and nothing else of it be changed: no grant can say "only to empty it".
EMPTIED = """
ALTER TABLE mail.mails ADD COLUMN emptied_at timestamptz;
COMMENT ON COLUMN mail.mails.emptied_at IS 'since when it is without its content; what it was and became stays';
GRANT UPDATE (subject, text, html, mime, attachments, findings, emptied_at) ON mail.mails TO suite_app;
GRANT UPDATE (address, name, customer_id, domain) ON mail.recipients TO suite_app;
GRANT DELETE ON mail.bulk_recipients TO suite_app;
"""

CANCELLED = """
ALTER TABLE mail.bulks ADD COLUMN cancelled_at timestamptz, ADD COLUMN emptied_at timestamptz;
GRANT UPDATE (cancelled_at, emptied_at) ON mail.bulks TO suite_app;
"""

# Without row-level security, as the queue: a worker looks for work before it knows whose. Mails that were made before
# `done_until` are empty. A tenant is in it from its next mail on, and then for all mails it ever sent.
RETENTION = """
CREATE TABLE mail.retention (
    tenant_id text COLLATE "C" PRIMARY KEY CHECK (tenant_id <> ''),
    done_until timestamptz NOT NULL DEFAULT '-infinity',
    due_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO mail.retention (tenant_id) SELECT DISTINCT tenant_id FROM mail.queue;
GRANT SELECT, INSERT, UPDATE (done_until, due_at) ON mail.retention TO suite_app;
"""


def upgrade() -> None:
    for script in (SUPPRESSIONS, EMPTIED, CANCELLED, RETENTION):
        run_script(script)


def downgrade() -> None:
    op.execute("DROP TABLE mail.retention")
    op.execute("ALTER TABLE mail.bulks DROP COLUMN cancelled_at, DROP COLUMN emptied_at")
    op.execute("ALTER TABLE mail.mails DROP COLUMN emptied_at")
    op.execute("ALTER TABLE mail.suppressions DROP COLUMN code, DROP COLUMN said")
