"""Which release these tables are of, and the oldest one whose code they still serve: replicas look when they start."""

from alembic import op

from shared.state.migrate import run_script

revision = "0008"
down_revision = "0007"

RELEASE = """
CREATE TABLE suite.release (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    version text NOT NULL,
    serves text NOT NULL,
    heads jsonb NOT NULL,
    migrated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE suite.release IS
    'by `mcp-suite db migrate`, once all schemas are at heads; replicas of releases older than serves do not start';
GRANT SELECT ON suite.release TO suite_app, suite_reader;
"""


def upgrade() -> None:
    run_script(RELEASE)


def downgrade() -> None:
    op.execute("DROP TABLE suite.release")
