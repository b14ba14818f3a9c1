"""What was done: each row of `done` with a recipient has left the house."""

from alembic import op

revision = "0001"
down_revision = None

TENANT_ID = """text COLLATE "C" NOT NULL DEFAULT current_setting('app.tenant', true) CHECK (tenant_id <> '')"""
STATEMENTS = (
    f"CREATE TABLE outward.done (tenant_id {TENANT_ID}, what text NOT NULL, recipient text, text text)",
    "GRANT USAGE ON SCHEMA outward TO suite_app",
    "GRANT SELECT, INSERT ON outward.done TO suite_app",
    "ALTER TABLE outward.done ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
    "CREATE POLICY tenant ON outward.done USING (tenant_id = (SELECT current_setting('app.tenant', true)))",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE outward.done")
